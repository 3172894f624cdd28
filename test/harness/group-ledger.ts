/** A record of a key, by its number: a key's numbers count up from 0 in the order in which they were sent. */
export interface KeyedRecord {
  readonly key: string;
  readonly n: number;
}

/** A record as a group is given it. */
export interface GivenRecord extends KeyedRecord {
  readonly partition: number;
  readonly offset: number;
}

/** Of partitions, an offset each. */
export type Offsets = ReadonlyMap<number, number>;

/** More would not help who looks for the first one's cause. */
const PROBLEMS_MAX = 20;

/** Records of one topic, and what was acknowledged of them: where each of them is. */
export class WrittenRecords {
  readonly #places = new Map<string, KeyedRecord>();

  acknowledged(partition: number, offset: number, record: KeyedRecord): void {
    this.#places.set(placeOf(partition, offset), record);
  }

  get count(): number {
    return this.#places.size;
  }

  /** Those that a group has not been given. */
  missingIn(group: GroupLedger): string[] {
    return [...this.#places].flatMap(([place, { key, n }]) =>
      group.hasRead(place) ? [] : [`${place} was acknowledged for ${key} number ${n}, and never read`],
    );
  }
}

/**
 * What a group was given of a topic, and what it has committed: nothing is passed over, a key's records come in their order, and what
 * was committed before somebody asked is not given to them again.
 */
export class GroupLedger {
  readonly problems: string[] = [];
  /** What was given more than once, none of it committed: at least once allows that. */
  repeated = 0;
  readonly #read = new Map<string, KeyedRecord>();
  /** The first offset of each partition that nobody was given yet. */
  readonly #next = new Map<number, number>();
  readonly #committed = new Map<number, number>();
  readonly #lastOfKeys = new Map<string, number>();

  get count(): number {
    return this.#read.size;
  }

  hasRead(place: string): boolean {
    return this.#read.has(place);
  }

  /** What is committed, as far as it was acknowledged until now. */
  committed(): Offsets {
    return new Map(this.#committed);
  }

  /** A reader was given these. `floor`: what was committed when it asked for them. */
  given(reader: string, records: readonly GivenRecord[], floor: Offsets): void {
    for (const record of records) this.#given(reader, record, floor.get(record.partition) ?? 0);
  }

  /** A commit was acknowledged. */
  acknowledged(offsets: Offsets): void {
    for (const [partition, offset] of offsets) {
      this.#committed.set(partition, Math.max(offset, this.#committed.get(partition) ?? 0));
    }
  }

  /** The group says that this is committed now; no acknowledged commit is undone. `floor`: what was committed when it was asked. */
  told(offsets: Offsets, floor: Offsets): void {
    for (const [partition, offset] of floor) {
      const told = offsets.get(partition) ?? -1;
      if (told < offset) this.problem(`of partition ${partition} ${offset} was committed, and the group has ${told}`);
    }
  }

  problem(what: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(what);
  }

  #given(reader: string, { partition, offset, key, n }: GivenRecord, floor: number): void {
    const place = placeOf(partition, offset);
    if (offset < floor) this.problem(`${reader} was given ${place} although ${floor} was committed before it asked`);
    const next = this.#next.get(partition) ?? 0;
    if (offset > next)
      this.problem(`${reader} was given ${place} before anybody was given ${placeOf(partition, next)}`);
    const before = this.#read.get(place);
    if (before !== undefined) {
      this.repeated++;
      if (before.key !== key || before.n !== n) {
        this.problem(`${place} was ${before.key} number ${before.n}, and is ${key} number ${n}`);
      }
      return;
    }
    this.#read.set(place, { key, n });
    this.#next.set(partition, Math.max(next, offset + 1));
    const last = this.#lastOfKeys.get(key) ?? -1;
    if (n <= last) this.problem(`at ${place} ${key} number ${n} came after ${last}`);
    this.#lastOfKeys.set(key, n);
  }
}

function placeOf(partition: number, offset: number): string {
  return `${partition}:${offset}`;
}
