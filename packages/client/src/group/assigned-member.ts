import type { TopicPartition } from './assignor.ts';
import type { MemberOwner, Membership } from './group-member.ts';
import { NOBODY } from './group-offsets.ts';

/**
 * What a consumer has instead of a membership when it is told what to read: it owns that until it is closed, whoever else reads it.
 * It commits for its group as somebody who is not in it, which the group refuses while it has members.
 */
export class AssignedMember implements Membership {
  readonly identity = NOBODY;
  readonly #places: readonly TopicPartition[];
  readonly #owner: Pick<MemberOwner, 'assigned' | 'revoked' | 'failed'>;
  readonly #assigning: Promise<void>;

  constructor(places: readonly TopicPartition[], owner: Pick<MemberOwner, 'assigned' | 'revoked' | 'failed'>) {
    this.#places = places;
    this.#owner = owner;
    // Not before its owner is made.
    this.#assigning = Promise.resolve()
      .then(() => owner.assigned(places))
      .catch((error: unknown) => owner.failed(error));
  }

  /** Nobody waits for it. */
  taken(): void {}

  /** A refused commit changes nothing about what it reads. */
  told(): void {}

  /** Gives away what it reads, with a last commit. */
  async close(): Promise<void> {
    await this.#assigning;
    await this.#owner.revoked(this.#places);
  }
}
