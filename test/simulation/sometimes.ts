/** What has to be met now and then: a simulator that never meets it proves nothing about it. */
export const SOMETIMES = [
  "a committed transaction's answer was lost",
  'a transaction was done after it had been given up',
  'a transaction that was sent again had been done before',
  "a zombie's write was refused",
  'a coordinator found itself deposed',
  'two coordinators lived at a time',
  'a take-over failed',
  'a take-over found what its predecessor had left half done',
  'a session was attached to again',
  'a session was attached to again at a successor',
  'a session ended because its broker was silent',
  'a session ended because its connection did not come back',
  'the mass-expiry rule spared sessions',
  'a client took its session for lost',
  'a living session was replaced by a registration',
  'another directory was refused while the broker lived',
  'another directory took the place of a broker',
  'a doubtful replica left the in-sync replicas',
  'a partition was without a leader',
  'a replica outside the in-sync replicas was elected',
  'an unclean election',
  'a snapshot older than the image was turned away',
  'a reader was too slow for its stream',
  'a fenced broker was refused producer ids',
  'a broker learned from the coordinator that a topic was deleted',
  'an ephemeral node was created',
  'a client session was over',
  'a watch told of nodes',
  'a watch was ended because its place was lost',
  'the outcome of a request stayed unknown to its client',
] as const;

export type Sometime = (typeof SOMETIMES)[number];

/** How often each was met. */
export class Sometimes {
  readonly #counts = new Map<Sometime, number>();

  saw(what: Sometime): void {
    this.#counts.set(what, this.of(what) + 1);
  }

  of(what: Sometime): number {
    return this.#counts.get(what) ?? 0;
  }

  add(other: Sometimes): void {
    for (const [what, count] of other.#counts) this.#counts.set(what, this.of(what) + count);
  }
}
