import type { Poll, RecordHistory, SeenRecord, Send } from './record-history.ts';

/**
 * What may be wrong with a history, by the names of Jepsen's checker of logs (`jepsen/tests/kafka.clj`), and more:
 *
 * - `inconsistent-offsets`: one offset of a partition with two values, by whomever it was seen.
 * - `duplicate`: one value at two offsets.
 * - `lost-write`: acknowledged, read by nobody, though somebody read what lies behind it; or not read though another record of
 *   its batch was.
 * - `unseen`: acknowledged, and not read by the end, nor anything behind it.
 * - `aborted-read`: refused for certain, and read.
 * - `phantom`: read, and sent by nobody to that partition.
 * - `nonmonotonic-poll`, `poll-skip`: a reader was given what lies before, or past an offset that has a value.
 * - `nonmonotonic-send`: what a producer sent to a partition was stored in another order.
 * - `real-time-order`: acknowledged at or below an offset that had been acknowledged before it was sent.
 * - `lost-on-replica`: acknowledged, and a replica that has the offset, or should have it, has something else there or nothing.
 * - `lost-place`: a reader was told that the offset after what it had read is out of range.
 */
export type AnomalyKind =
  | 'inconsistent-offsets'
  | 'duplicate'
  | 'lost-write'
  | 'unseen'
  | 'aborted-read'
  | 'phantom'
  | 'nonmonotonic-poll'
  | 'poll-skip'
  | 'nonmonotonic-send'
  | 'real-time-order'
  | 'lost-on-replica'
  | 'lost-place';

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly partition: string;
  /** For people. */
  readonly what: string;
}

/** The log of one replica, as it lay on its disk in the end. */
export interface ReplicaLog {
  readonly partition: string;
  readonly replica: string;
  /** First offset that it has, or would have. */
  readonly startOffset: number;
  readonly records: readonly SeenRecord[];
}

/** What else is known of the end. */
export interface EndOfHistory {
  /** Of replicas that have to have all that was acknowledged. */
  readonly replicas?: readonly ReplicaLog[];
  /** First offsets of partitions whose oldest records were deleted: nobody need have read those. */
  readonly startOffsets?: ReadonlyMap<string, number>;
  /** Partitions that were allowed to lose acknowledged records: of them only what was never true is an anomaly. */
  readonly mayLose?: ReadonlySet<string>;
  /** Partitions that are compacted: what has a later record of its key, and tombstones, need not be there any more. */
  readonly compacted?: ReadonlySet<string>;
}

/** All that is wrong with a history, for which fresh readers have read every partition from its start to its end. */
export function anomaliesIn(history: RecordHistory, end: EndOfHistory = {}): Anomaly[] {
  const partitions = new Map<string, PartitionHistory>();
  const of = (name: string): PartitionHistory => {
    let partition = partitions.get(name);
    if (partition === undefined) {
      partition = new PartitionHistory(name, end.compacted?.has(name) === true);
      partitions.set(name, partition);
    }
    return partition;
  };
  for (const send of history.sends) of(send.partition).sends.push(send);
  for (const poll of history.polls) of(poll.partition).polls.push(poll);
  for (const log of end.replicas ?? []) of(log.partition).logs.push(log);
  const anomalies: Anomaly[] = [];
  for (const partition of partitions.values()) {
    const startOffset = end.startOffsets?.get(partition.name) ?? 0;
    anomalies.push(...partition.neverTrue());
    if (end.mayLose?.has(partition.name) !== true) anomalies.push(...partition.lostOrMoved(startOffset));
  }
  for (const { reader, partition, offset } of history.lostPlaces) {
    if (end.mayLose?.has(partition) === true || offset < (end.startOffsets?.get(partition) ?? 0)) continue;
    anomalies.push({ kind: 'lost-place', partition, what: `${reader} could not go on at ${offset}` });
  }
  return anomalies;
}

class PartitionHistory {
  readonly name: string;
  readonly sends: Send[] = [];
  readonly polls: Poll[] = [];
  readonly logs: ReplicaLog[] = [];
  readonly #isCompacted: boolean;
  /** The values that need not be there any more. */
  #superseded: ReadonlySet<string> = new Set();
  #anomalies: Anomaly[] = [];

  constructor(name: string, isCompacted: boolean) {
    this.name = name;
    this.#isCompacted = isCompacted;
  }

  /** What no loss of a disk explains. */
  neverTrue(): Anomaly[] {
    this.#anomalies = [];
    const sends = new Map(this.sends.map((send) => [send.value, send]));
    const told = new Set<string>();
    const look = (who: string, { offset, value }: SeenRecord): void => {
      const send = sends.get(value);
      if ((send !== undefined && send.outcome !== 'fail') || told.has(value)) return;
      told.add(value);
      if (send === undefined) this.#found('phantom', `${who} has ${show(value)} at ${offset}, which nobody sent`);
      else this.#found('aborted-read', `${who} has ${show(value)} at ${offset}, which was refused`);
    };
    for (const { reader, records } of this.polls) for (const record of records) look(reader, record);
    for (const { replica, records } of this.logs) for (const record of records) look(replica, record);
    return this.#anomalies;
  }

  /** What must not happen while one disk of those in sync is left. */
  lostOrMoved(startOffset: number): Anomaly[] {
    this.#anomalies = [];
    const known = this.#places();
    if (this.#isCompacted) this.#superseded = this.#compacted(known);
    this.#lost(startOffset);
    const kept = [...known].filter(([offset, value]) => offset >= startOffset && !this.#superseded.has(value));
    this.#pollOrder(kept.map(([offset]) => offset).toSorted((a, b) => a - b));
    this.#sendOrder();
    this.#realTimeOrder();
    this.#replicas();
    return this.#anomalies;
  }

  /** Every offset with its value, by whomever it was told. */
  #places(): Map<number, string> {
    const values = new Map<number, string>();
    const offsets = new Map<string, number>();
    const note = (who: string, { offset, value }: SeenRecord): void => {
      const other = values.get(offset);
      if (other === undefined) values.set(offset, value);
      else if (other !== value)
        this.#found('inconsistent-offsets', `at ${offset} there was ${show(other)}, and ${who} has ${show(value)}`);
      const elsewhere = offsets.get(value);
      if (elsewhere === undefined) offsets.set(value, offset);
      else if (elsewhere !== offset)
        this.#found('duplicate', `${show(value)} is at ${elsewhere}, and ${who} has it at ${offset}`);
    };
    for (const { outcome, producer, offset, value } of this.sends)
      if (outcome === 'ok') note(producer, { offset, value });
    for (const { reader, records } of this.polls) for (const record of records) note(reader, record);
    for (const { replica, records } of this.logs) for (const record of records) note(replica, record);
    return values;
  }

  /** The values of tombstones, and of records that another one of their key lies behind. */
  #compacted(known: ReadonlyMap<number, string>): ReadonlySet<string> {
    const sends = new Map(this.sends.map((send) => [send.value, send]));
    const gone = new Set<string>();
    const followed = new Set<string>();
    // One of which nobody knows may have been stored, and be gone by now.
    const values = new Set(known.values());
    for (const { key, isTombstone, value, outcome } of this.sends) {
      if (key !== undefined && isTombstone && outcome === 'info' && !values.has(value)) followed.add(key);
    }
    for (const [, value] of [...known].toSorted(([a], [b]) => b - a)) {
      const { key, isTombstone = false } = sends.get(value) ?? {};
      if (key === undefined) continue;
      if (isTombstone || followed.has(key)) gone.add(value);
      followed.add(key);
    }
    return gone;
  }

  #lost(startOffset: number): void {
    const read = new Map<number, string>();
    for (const { records } of this.polls) for (const { offset, value } of records) read.set(offset, value);
    const values = new Set(read.values());
    const batches = new Set(this.sends.filter(({ value }) => values.has(value)).map(({ batch }) => batch));
    let last = -1;
    for (const offset of read.keys()) last = Math.max(last, offset);
    for (const { outcome, value, offset, batch, producer } of this.sends) {
      if (this.#superseded.has(value)) continue;
      if (values.has(value)) {
        // The copy that was acknowledged is to be read, not only another one.
        if (outcome === 'ok' && offset >= startOffset && !read.has(offset))
          this.#found('lost-write', `${show(value)} was acknowledged at ${offset}, and was read elsewhere alone`);
      } else if (outcome === 'ok' && offset >= startOffset) {
        const kind = offset < last ? 'lost-write' : 'unseen';
        this.#found(kind, `${show(value)} of ${producer} was acknowledged at ${offset}, and nobody has read it`);
      } else if (outcome === 'info' && batches.has(batch) && startOffset === 0 && !this.#isCompacted) {
        this.#found('lost-write', `${show(value)} of ${producer} was not read, and others of its batch were`);
      }
    }
  }

  /** @param known - all offsets that have a value, and have to be read, in order */
  #pollOrder(known: readonly number[]): void {
    for (const { reader, from, records } of this.polls) {
      let next = from;
      for (const { offset } of records) {
        const expected = next;
        next = offset + 1;
        if (offset === expected) continue;
        if (offset < expected) {
          this.#found('nonmonotonic-poll', `${reader} has read up to ${expected - 1}, and then ${offset}`);
          continue;
        }
        const skipped = known[firstAtOrAfter(known, expected)];
        if (skipped !== undefined && skipped < offset)
          this.#found('poll-skip', `${reader} went from ${expected - 1} to ${offset}`);
      }
    }
  }

  #sendOrder(): void {
    const lastOf = new Map<string, Send>();
    for (const send of this.sends) {
      if (send.outcome !== 'ok') continue;
      const before = lastOf.get(send.producer);
      lastOf.set(send.producer, send);
      if (before !== undefined && send.offset <= before.offset) {
        const { producer, value, offset } = send;
        this.#found(
          'nonmonotonic-send',
          `${producer}: ${show(before.value)} at ${before.offset}, ${show(value)} at ${offset}`,
        );
      }
    }
  }

  #realTimeOrder(): void {
    const acknowledged = this.sends.filter(({ outcome }) => outcome === 'ok');
    const byEnd = acknowledged.toSorted((a, b) => a.completed - b.completed);
    let highest: Send | undefined;
    let at = 0;
    // Sends are in the order in which they were sent.
    for (const send of acknowledged) {
      for (; at < byEnd.length && byEnd[at]!.completed < send.invoked; at++) {
        if (highest === undefined || byEnd[at]!.offset > highest.offset) highest = byEnd[at];
      }
      if (highest === undefined || send.offset > highest.offset) continue;
      this.#found(
        'real-time-order',
        `${show(send.value)} was stored at ${send.offset}, and ${show(highest.value)} had been at ${highest.offset}`,
      );
    }
  }

  #replicas(): void {
    const acknowledged = this.sends.filter(({ outcome }) => outcome === 'ok');
    for (const { replica, startOffset, records } of this.logs) {
      const values = new Map(records.map(({ offset, value }) => [offset, value]));
      for (const { value, offset } of acknowledged) {
        if (offset < startOffset || values.get(offset) === value) continue;
        if (this.#superseded.has(value) && !values.has(offset)) continue;
        const found = values.get(offset);
        const has = found === undefined ? 'nothing' : show(found);
        this.#found('lost-on-replica', `${replica} has ${has} at ${offset}, where ${show(value)} was acknowledged`);
      }
    }
  }

  #found(kind: AnomalyKind, what: string): void {
    this.#anomalies.push({ kind, partition: this.name, what: `${this.name}: ${what}` });
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

function show(value: string): string {
  return JSON.stringify(value.length <= 40 ? value : `${value.slice(0, 37)}…`);
}
