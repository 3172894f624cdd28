/** What has to be met now and then: a simulator that never meets it proves nothing about it. */
export const SOMETIMES = [
  "a committed transaction's answer was lost",
  'a transaction was done after it had been given up',
  'a transaction that was sent again had been done before',
  'a lease ended late',
  'a lease was kept alive when its time was over',
  'a lease was kept alive by a request that had been given up',
  'a lease was granted that nobody knows',
  'a watch of the store was lost to a compaction',
  'a watch of the store told something twice',
  "a zombie's write was refused",
  'a coordinator found itself deposed',
  'a standby took over with the copy that it had',
  'a standby knew that the active one was dead',
  'a copy was lost',
  'a copy was too far behind to take over with',
  'a claim could not be made',
  'a claim whose answer was lost was found to be made',
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
  'a drain ended with its registration',
  'leadership was moved to another replica',
  'a preferred replica was elected',
  'a broker was unregistered',
  'a doubtful replica left the in-sync replicas',
  'a partition was without a leader',
  'a partition was made with a replica on a broker that was away',
  'a replica outside the in-sync replicas was elected',
  'an unclean election',
  'a reader was too slow for its stream',
  'a fenced broker was refused producer ids',
  'a broker learned from the coordinator that a topic was deleted',
  'an ephemeral node was created',
  'a client session was over',
  'a watch told of nodes',
  'a watch was ended because its place was lost',
  'the outcome of a request stayed unknown to its client',
] as const;

/** The same of the runs of brokers. */
export const BROKER_SOMETIMES = [
  'a leader changed',
  'a zombie led beside its successor',
  'a replica left the in-sync replicas',
  'a replica joined the in-sync replicas',
  'a broker kept its place in sync over a restart',
  'a follower truncated its log',
  "a follower began anew where its leader's log begins",
  'a recovery cut a torn tail',
  'a replica was doubtful after a start',
  'a start found damage',
  'a start could not open a log',
  'a read found damage',
  'a damaged replica began anew',
  'a replica went offline',
  'a broker ended because a sync failed',
  'a broker refused batches for want of room',
  'a write was refused for want of replicas in sync',
  'a batch was sent again, and stored once',
  'a disk was replaced by an older copy of it',
  'a leader was not told that a replica had joined',
  'a replica that may not be in sync was refused',
  'a log was compacted',
  'a partition was made with a replica on a broker that was away',
] as const;

/** The same of consumer groups, in runs of brokers that have some. */
export const GROUP_SOMETIMES = [
  'a coordinator took over a group that has members',
  'a coordinator took over a group in the middle of a rebalance',
  'a group was asked for while it was loaded',
  'a commit of an earlier generation was refused',
  'a commit of who is no member was refused',
  'a member left whose owner took nothing',
  'somebody set back what an empty group had committed',
  'a static member came back without a rebalance',
  'a static member that leads came back',
  'a static member was fenced by another one',
  'a topic that a group reads got a partition',
  'a topic came that a pattern matches',
] as const;

/** What is met once in a hundred seeds of the brokers, or less: `npm run sim` counts it, and `npm test` has no time for it. */
export const RARE_SOMETIMES = [
  'the journal gave back what a log had lost',
  'a commit came after a later one of its generation',
] as const;

/** What runs of brokers cannot meet yet, and why. */
export const PENDING_SOMETIMES = {
  'a topic was deleted under load': 'the load creates its topics once',
  'a partition was moved to other brokers': 'there is no reassignment',
} as const;

export type Sometime =
  | (typeof SOMETIMES)[number]
  | (typeof BROKER_SOMETIMES)[number]
  | (typeof GROUP_SOMETIMES)[number]
  | (typeof RARE_SOMETIMES)[number];

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
