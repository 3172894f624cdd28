/** A record as it was read back. */
export interface StoredRecord {
  readonly offset: number;
  readonly value: unknown;
}

/** What was read of each partition, by `partitionName`, in the order in which it was read. */
export type Stored = ReadonlyMap<string, readonly StoredRecord[]>;

/** What comparing with the history came to. All but the numbers must be empty. */
export interface Verdict {
  /** Acknowledged long enough ago, and not there any more or not the same. */
  readonly lost: readonly string[];
  /** Read before, and gone or another one now. */
  readonly changed: readonly string[];
  /** Stored and never sent. */
  readonly invented: readonly string[];
  /** Offsets that are missing or come twice. */
  readonly misplaced: readonly string[];
  /** Values at two places, of requests that nobody repeated. */
  readonly twice: readonly string[];
  readonly acknowledged: number;
  readonly stored: number;
  /** Acknowledged so late that they need not have survived, and gone: allowed with `flush=interval`. */
  readonly lateAndGone: number;
}

const FILLER = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(48);

/** The value of a record by its number: unique, of 10 to 1,500 characters, and every character is known. */
export function valueOf(number: number): string {
  const mixed = Math.imul(number + 1, 0x9e37_79b1) >>> 0;
  return `r${number}-${FILLER.slice(mixed % 36, (mixed % 36) + (mixed % 1_490))}`;
}

/** The number of a record by its value; undefined: no record that was ever sent has this value. */
function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(/^r(\d{1,9})-/.exec(value)?.[1] ?? Number.NaN) : Number.NaN;
  return Number.isInteger(number) && valueOf(number) === value ? number : undefined;
}

/** A partition in a history. */
export function partitionName(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

interface Seen {
  readonly number: number;
  readonly atMs: number;
}

/** What a run has sent, what was acknowledged and what was read, by partition and offset. */
export class History {
  #next = 0;
  readonly #acknowledged = new Map<string, Map<number, Seen>>();
  readonly #read = new Map<string, Map<number, Seen>>();
  readonly #problems: string[] = [];

  /** Numbers of records that are going to be sent. */
  take(count: number): number[] {
    return Array.from({ length: count }, () => this.#next++);
  }

  get acknowledgedCount(): number {
    let count = 0;
    for (const offsets of this.#acknowledged.values()) count += offsets.size;
    return count;
  }

  /** A record was acknowledged with this offset. */
  acknowledged(partition: string, offset: number, number: number, atMs: number): void {
    const earlier = note(this.#acknowledged, partition, offset, { number, atMs });
    if (earlier !== undefined) {
      this.#problems.push(`${partition}:${offset} was acknowledged for record ${earlier.number} and for ${number}`);
    }
  }

  /** A record was read at this offset. */
  read(partition: string, { offset, value }: StoredRecord, atMs: number): void {
    const number = numberOf(value);
    if (number === undefined || number >= this.#next) {
      this.#problems.push(`${partition}:${offset} was read with ${show(value)}, which nobody sent`);
      return;
    }
    const earlier = note(this.#read, partition, offset, { number, atMs });
    if (earlier !== undefined) {
      this.#problems.push(`${partition}:${offset} was read as record ${earlier.number} and as ${number}`);
    }
  }

  /** A topic was deleted: nothing of it has to be there. */
  forget(partition: string): void {
    this.#acknowledged.delete(partition);
    this.#read.delete(partition);
  }

  /**
   * Compares what is stored with all that is known.
   *
   * @param durableUntilMs what was acknowledged or read later than this need not have survived
   */
  judge(stored: Stored, durableUntilMs = Number.POSITIVE_INFINITY): Verdict {
    const invented: string[] = [];
    const misplaced: string[] = [];
    const twice: string[] = [];
    const places = new Map<number, string>();
    const numbers = new Map<string, Map<number, number>>();
    let count = 0;
    for (const [partition, records] of stored) {
      const byOffset = new Map<number, number>();
      numbers.set(partition, byOffset);
      let expected = records[0]?.offset ?? 0;
      for (const { offset, value } of records) {
        count += 1;
        const place = `${partition}:${offset}`;
        if (offset !== expected) misplaced.push(`${place} stands where offset ${expected} was expected`);
        expected = offset + 1;
        const number = numberOf(value);
        if (number === undefined || number >= this.#next) {
          invented.push(`${place} holds ${show(value)}`);
          continue;
        }
        const other = places.get(number);
        if (other !== undefined) twice.push(`record ${number} is at ${other} and at ${place}`);
        places.set(number, place);
        byOffset.set(offset, number);
      }
    }
    const lost = missing(this.#acknowledged, numbers, durableUntilMs);
    const unread = missing(this.#read, numbers, durableUntilMs);
    return {
      lost: lost.must.map((what) => `acknowledged: ${what}`),
      changed: [...this.#problems, ...unread.must.map((what) => `read before: ${what}`)],
      invented,
      misplaced,
      twice,
      acknowledged: this.acknowledgedCount,
      stored: count,
      lateAndGone: lost.may,
    };
  }

  /**
   * Goes on from what is stored: what was lost although it need not be is forgotten, so that its offsets may be given
   * again.
   */
  settle(stored: Stored): void {
    for (const known of [this.#acknowledged, this.#read]) {
      for (const [partition, offsets] of known) {
        const end = (stored.get(partition)?.at(-1)?.offset ?? -1) + 1;
        for (const [offset, { number }] of offsets) {
          if (offset >= end) offsets.delete(offset);
          // From now on it is as old as it can be: no later crash may take it.
          else offsets.set(offset, { number, atMs: 0 });
        }
      }
    }
    for (const [partition, records] of stored) for (const record of records) this.read(partition, record, 0);
  }
}

/** Remembers; returns what stood there when it was something else. */
function note(known: Map<string, Map<number, Seen>>, partition: string, offset: number, seen: Seen): Seen | undefined {
  let offsets = known.get(partition);
  if (offsets === undefined) known.set(partition, (offsets = new Map()));
  const earlier = offsets.get(offset);
  if (earlier === undefined) offsets.set(offset, seen);
  return earlier === undefined || earlier.number === seen.number ? undefined : earlier;
}

function missing(
  known: ReadonlyMap<string, ReadonlyMap<number, Seen>>,
  stored: ReadonlyMap<string, ReadonlyMap<number, number>>,
  durableUntilMs: number,
): { must: string[]; may: number } {
  const must: string[] = [];
  let may = 0;
  for (const [partition, offsets] of known) {
    for (const [offset, { number, atMs }] of offsets) {
      const found = stored.get(partition)?.get(offset);
      if (found === number) continue;
      if (atMs > durableUntilMs) may += 1;
      else
        must.push(`${partition}:${offset} was record ${number} and ${found === undefined ? 'is gone' : `is ${found}`}`);
    }
  }
  return { must, may };
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 40 ? text : `${text.slice(0, 37)}…`;
}
