import type { Refusal } from '@weir/base/errors.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import type { TopicPartition } from '../group/assignor.ts';
import type { Fetcher } from './fetcher.ts';
import type { Subscription } from './subscription.ts';

/** What a feed needs. */
export interface PartitionFeedParts {
  readonly fetcher: Fetcher;
  /** How much may be read ahead. */
  readonly creditBytes: number;
  /** There are records to take. */
  readonly ready: (feed: PartitionFeed) => void;
  /** It cannot be read on from where it is. */
  readonly ended: (feed: PartitionFeed, why: Refusal) => void;
}

/** Batches that have come and were not taken. */
interface Frame {
  readonly batches: Buffer;
  readonly fromOffset: number;
  readonly nextOffset: number;
}

/**
 * One partition of a consumer: what was read ahead of it, and how far its owner has come.
 *
 * Invariant: what has come and was not taken, and what still may come, is no more than `creditBytes`, and a batch.
 */
export class PartitionFeed {
  readonly place: TopicPartition;
  readonly #parts: PartitionFeedParts;
  /** Where the next record is taken; undefined: not known yet. */
  #position: number | undefined;
  /** What the owner is done with: it has asked for more since. */
  #processed: number | undefined;
  /** What is known to be committed. */
  committed: number | undefined;
  #isPaused = false;
  #isClosed = false;
  #subscription: Subscription | undefined;
  #frames: Frame[] = [];
  /** Of `#frames` and of the current one, as they are stored. */
  #bytes = 0;
  #current: { readonly records: readonly RecordView[]; next: number; readonly frame: Frame } | undefined;

  constructor(place: TopicPartition, parts: PartitionFeedParts) {
    this.place = place;
    this.#parts = parts;
  }

  get position(): number | undefined {
    return this.#position;
  }

  get processed(): number | undefined {
    return this.#processed;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether it waits to be told where to begin. */
  get isLost(): boolean {
    return this.#position === undefined && !this.#isClosed;
  }

  /** Whether there may be a record to take. */
  get hasRecords(): boolean {
    return !this.#isPaused && !this.#isClosed && (this.#current !== undefined || this.#frames.length > 0);
  }

  /** Reads from an offset on, and forgets what was read ahead. */
  seek(offset: number): void {
    this.#drop();
    this.#position = offset;
    this.#processed = offset;
    this.#read();
  }

  /** Reads from an offset on, of which the owner is not done with what is before. */
  putBack(offset: number): void {
    if (this.#isClosed) return;
    this.#drop();
    this.#position = offset;
    this.#read();
  }

  /** Begins where the group has come to. */
  begin(committed: number): void {
    this.committed = committed;
    this.seek(committed);
  }

  /** Where it is, nothing is any more: it waits to be told where to begin. */
  lose(): void {
    this.#drop();
    this.#position = undefined;
  }

  /** Reads on after it has ended. */
  readOn(): void {
    if (this.#position === undefined || this.#subscription !== undefined) return;
    this.#drop();
    this.#read();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.hasRecords) this.#parts.ready(this);
  }

  /** Of what may be taken, as it is stored. */
  get aheadBytes(): number {
    return this.hasRecords ? this.#bytes : 0;
  }

  /**
   * The next record that was read ahead, unless its key and value are larger.
   *
   * @throws WeirError CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE
   */
  take(maxBytes = Number.POSITIVE_INFINITY): RecordView | undefined {
    while (this.hasRecords) {
      this.#current ??= this.#open(this.#frames.shift()!);
      const { records, frame } = this.#current;
      const record = records[this.#current.next];
      if (record !== undefined) {
        if (bytesOf(record) > maxBytes) return undefined;
        this.#current.next++;
        this.#position = record.offset + 1;
        return record;
      }
      this.#position = frame.nextOffset;
      this.#current = undefined;
      this.#bytes -= frame.batches.length;
      this.#subscription?.credit(frame.batches.length);
    }
    return undefined;
  }

  /** The owner is done with all that it has taken. */
  confirm(): void {
    this.#processed = this.#position;
  }

  /** Nothing is read or taken any more. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #open(frame: Frame): { records: RecordView[]; next: number; frame: Frame } {
    const records: RecordView[] = [];
    readRecords(frame.batches, (record) => void records.push(record), frame.fromOffset);
    return { records, next: 0, frame };
  }

  #read(): void {
    const { fetcher, creditBytes, ready, ended } = this.#parts;
    if (this.#isClosed) return;
    const subscription = fetcher.subscribe(
      { ...this.place, offset: this.#position!, creditBytes },
      {
        batches: (batches, { fromOffset, nextOffset }) => {
          this.#frames.push({ batches, fromOffset, nextOffset });
          this.#bytes += batches.length;
          if (this.hasRecords) ready(this);
        },
        caughtUp: () => {},
        ended: (why) => {
          this.#subscription = undefined;
          ended(this, why);
        },
      },
    );
    this.#subscription = subscription;
  }

  #drop(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#frames = [];
    this.#bytes = 0;
    this.#current = undefined;
  }
}

/** What a record's key and value take. */
export function bytesOf({ key, value }: RecordView): number {
  return (key?.length ?? 0) + (value?.length ?? 0);
}
