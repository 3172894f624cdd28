import { isSameInstance } from './group-log.ts';

/** A member in a generation. */
export interface OwnerInGeneration {
  readonly groupId: string;
  readonly generation: number;
  /** What tells two of them apart. */
  readonly memberId: string;
  /** Of a static member. */
  readonly instanceId: string | undefined;
}

/** One owner (G1): in a generation a partition is read by one member, by what members were told and by what they read. */
export class Owners {
  readonly #violated: (what: string) => void;
  /** By "group generation topic/0". */
  readonly #told = new Map<string, OwnerInGeneration>();
  readonly #reading = new Map<string, OwnerInGeneration>();

  constructor(violated: (what: string) => void) {
    this.#violated = violated;
  }

  /** A member was told what it gets. */
  told(owner: OwnerInGeneration, places: readonly string[]): void {
    for (const place of places) this.#note(this.#told, owner, place, 'given to');
  }

  /** A member has read something. Its member id is that of its process. */
  read(owner: OwnerInGeneration, place: string): void {
    this.#note(this.#reading, owner, place, 'read by');
  }

  #note(owners: Map<string, OwnerInGeneration>, owner: OwnerInGeneration, place: string, verb: string): void {
    const { groupId, generation, memberId } = owner;
    const key = `${groupId} ${generation} ${place}`;
    const other = owners.get(key);
    owners.set(key, owner);
    if (other === undefined || other.memberId === memberId || isSameInstance(other, owner)) return;
    this.#violated(
      `group ${groupId}: [G1] ${place} is ${verb} ${other.memberId} and ${memberId} in generation ${generation}`,
    );
  }
}
