import { assert } from '@weir/base/assert.ts';
import type { GroupProtocol } from './group-messages.ts';

/**
 * The protocol of a generation: of those that all members support, the one that most of them name first. On a tie it is the one
 * that was voted for first.
 *
 * @param ballots - of each member its protocols, best first; at least one is common to all
 */
export function chooseProtocol(ballots: readonly (readonly GroupProtocol[])[]): string {
  const supporters = new Map<string, number>();
  for (const ballot of ballots) {
    for (const name of namesOf(ballot)) supporters.set(name, (supporters.get(name) ?? 0) + 1);
  }
  const votes = new Map<string, number>();
  for (const ballot of ballots) {
    const vote = ballot.find(({ name }) => supporters.get(name) === ballots.length);
    assert(vote !== undefined, 'no protocol is common to all members');
    votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1);
  }
  let chosen: string | undefined;
  for (const [name, count] of votes) if (chosen === undefined || count > votes.get(chosen)!) chosen = name;
  assert(chosen !== undefined, 'a group without members has no protocol');
  return chosen;
}

/** Each once. */
export function namesOf(protocols: readonly GroupProtocol[]): ReadonlySet<string> {
  return new Set(protocols.map(({ name }) => name));
}

/** Whether two members, or one at two times, say the same. */
export function saysTheSame(one: readonly GroupProtocol[], other: readonly GroupProtocol[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, metadata }, i) => name === other[i]!.name && isSame(metadata, other[i]!.metadata))
  );
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
