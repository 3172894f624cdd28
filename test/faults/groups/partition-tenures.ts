import type { GroupAnomaly } from './group-anomaly.ts';
import type { MemberCommit } from './member-commits.ts';
import type { MemberHistory, TimedEvent } from './member-history.ts';

type Delivery = Extract<TimedEvent, { readonly kind: 'delivered' }>;

/** A member had the partition, from when it was assigned on. */
interface Tenure {
  readonly member: string;
  readonly sinceMs: number;
  readonly deliveries: Delivery[];
}

/** What a group was given of one partition, and what it has committed of it. */
export class PartitionTenures {
  readonly commits: MemberCommit[] = [];
  readonly #name: string;
  /** Offsets that have records, in order. */
  readonly #known: readonly number[];
  /** What was committed in the end. */
  readonly #committed: number | undefined;
  readonly #tenures: Tenure[] = [];
  readonly #latest = new Map<MemberHistory, Tenure>();
  readonly #unowned: GroupAnomaly[] = [];

  constructor(name: string, known: readonly number[], committed: number | undefined) {
    this.#name = name;
    this.#known = known;
    this.#committed = committed;
  }

  /** In the order of time. */
  assigned(member: MemberHistory, atMs: number): void {
    const tenure: Tenure = { member: member.member, sinceMs: atMs, deliveries: [] };
    this.#tenures.push(tenure);
    this.#latest.set(member, tenure);
  }

  /** In the order of time. */
  delivered(member: MemberHistory, delivery: Delivery): void {
    const tenure = this.#latest.get(member);
    if (tenure !== undefined) tenure.deliveries.push(delivery);
    else {
      const what = `${member.member} was given records of ${this.#name}, which it was never assigned`;
      this.#unowned.push({ kind: 'unowned-delivery', what });
    }
  }

  *anomalies(): Generator<GroupAnomaly> {
    yield* this.#unowned;
    for (const tenure of this.#tenures) {
      yield* this.#beginning(tenure);
      yield* this.#order(tenure);
    }
    yield* this.#backward();
    yield* this.#undelivered();
    const lost = this.commits.find((commit) => {
      const { acknowledgedMs } = commit;
      return acknowledgedMs < Infinity && this.#isBelow(this.#committed ?? 0, commit, Infinity);
    });
    if (lost !== undefined) {
      const end = this.#committed ?? 'nothing';
      yield { kind: 'lost-commit', what: `in the end ${this.#name} has ${end} committed, and ${this.#show(lost)}` };
    }
  }

  /** Where an owner began: at what was committed, or where the partition does. */
  *#beginning({ member, sinceMs, deliveries }: Tenure): Generator<GroupAnomaly> {
    const [first] = deliveries;
    const from = first?.records[0]?.offset;
    if (first === undefined || from === undefined) return;
    const before = this.commits.find(
      (commit) => commit.acknowledgedMs < sinceMs && this.#isBelow(from, commit, first.atMs),
    );
    const began = `${member} began ${this.#name} at ${from}`;
    if (before !== undefined) yield { kind: 'lost-commit', what: `${began}, and ${this.#show(before)}` };
    let highest = this.#known[0] ?? 0;
    for (const commit of this.commits) {
      if (commit.invokedMs < first.atMs) highest = Math.max(highest, this.#offsetOf(commit));
    }
    if (from > highest) yield { kind: 'skipped', what: `${began}, and nobody had come further than ${highest}` };
  }

  *#order({ member, deliveries }: Tenure): Generator<GroupAnomaly> {
    let last: number | undefined;
    for (const { offset } of deliveries.flatMap(({ records }) => records)) {
      const before = last;
      last = offset;
      if (before === undefined) continue;
      if (offset <= before) {
        yield { kind: 'out-of-order', what: `${member} was given ${this.#name}:${offset} after ${before}` };
        continue;
      }
      const left = this.#known[firstAtOrAfter(this.#known, before + 1)];
      if (left !== undefined && left < offset) {
        yield {
          kind: 'out-of-order',
          what: `${member} was given ${this.#name}:${offset} after ${before}, not ${left}`,
        };
      }
    }
  }

  /** A commit that was acknowledged, below one that had been before it was asked for. */
  *#backward(): Generator<GroupAnomaly> {
    const acknowledged = this.commits.filter(({ acknowledgedMs }) => acknowledgedMs < Infinity);
    const byEnd = acknowledged.toSorted((a, b) => a.acknowledgedMs - b.acknowledgedMs);
    let at = 0;
    let highest: MemberCommit | undefined;
    for (const commit of acknowledged.toSorted((a, b) => a.invokedMs - b.invokedMs)) {
      for (; at < byEnd.length && byEnd[at]!.acknowledgedMs < commit.invokedMs; at++) {
        const other = byEnd[at]!;
        if (highest === undefined || this.#offsetOf(other) > this.#offsetOf(highest)) highest = other;
      }
      if (highest === undefined || !this.#isBelow(this.#offsetOf(commit), highest, commit.invokedMs)) continue;
      yield { kind: 'backward-commit', what: `${this.#show(commit)}, after ${this.#show(highest)}` };
    }
  }

  /** What was committed without having been given to anybody. */
  *#undelivered(): Generator<GroupAnomaly> {
    const deliveries = this.#tenures.flatMap((tenure) => tenure.deliveries).toSorted((a, b) => a.atMs - b.atMs);
    const given = new Set<number>();
    let at = 0;
    let next = 0;
    for (const commit of this.commits.toSorted((a, b) => a.invokedMs - b.invokedMs)) {
      if (commit.acknowledgedMs === Infinity) continue;
      for (; at < deliveries.length && deliveries[at]!.atMs <= commit.invokedMs; at++) {
        for (const { offset } of deliveries[at]!.records) given.add(offset);
      }
      while (next < this.#known.length && given.has(this.#known[next]!)) next++;
      const missing = this.#known[next];
      if (missing === undefined || missing >= this.#offsetOf(commit)) continue;
      yield { kind: 'undelivered', what: `${this.#show(commit)}, and nobody was given ${missing}` };
      return;
    }
  }

  /**
   * Whether an offset, as it was found at a time, is below an acknowledged commit. An earlier one of that generation whose outcome is
   * not known may have got to the coordinator after it, on a connection of its own.
   */
  #isBelow(offset: number, acknowledged: MemberCommit, atMs: number): boolean {
    if (offset >= this.#offsetOf(acknowledged)) return false;
    return !this.commits.some(
      (commit) =>
        commit.acknowledgedMs === Infinity &&
        commit.generation === acknowledged.generation &&
        commit.invokedMs < atMs &&
        this.#offsetOf(commit) === offset,
    );
  }

  #offsetOf({ offsets }: MemberCommit): number {
    return offsets[this.#name]!;
  }

  #show(commit: MemberCommit): string {
    const { member, generation } = commit;
    return `${member.member} had ${this.#name}:${this.#offsetOf(commit)} committed in generation ${generation}`;
  }
}

/** The index of the first that is not below; the length when there is none. */
function firstAtOrAfter(sorted: readonly number[], value: number): number {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (sorted[middle]! < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
