import { assert } from '@weir/base/assert.ts';
import type { DiskError } from '@weir/base/disk.ts';
import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { LogCompaction } from '@weir/log/compaction/log-compaction.ts';
import type { Log } from '@weir/log/log.ts';
import type { ColdRead, LogRead, TimestampedOffset } from '@weir/log/log-read.ts';
import type { FollowerHost } from './followership.ts';

/**
 * A replica's log and how far of it is committed, as everybody may look at it; what a replica does is in `partition.ts`.
 *
 * Invariant: nothing at or past the high watermark is shown, and that never falls, unless an unclean election has dropped
 * what was below it.
 */
export class ReplicaLog implements FollowerHost {
  /** Undefined when it could not be opened. */
  protected readonly log: Log | undefined;
  readonly folder: string;
  /** All below it is committed, as far as this replica knows. */
  #highWatermark: Offset;

  /** @param highWatermark - as far as an earlier run knew */
  constructor(log: Log | undefined, folder: string, highWatermark: Offset) {
    this.log = log;
    this.folder = folder;
    this.#highWatermark = log === undefined ? offset(0) : clamp(highWatermark, log.startOffset, log.endOffset);
  }

  /** Whether it could be opened. */
  get hasLog(): boolean {
    return this.log !== undefined;
  }

  /** First offset that there is. */
  get logStartOffset(): Offset {
    return this.served.startOffset;
  }

  /** One past the last record, committed or not. */
  get endOffset(): Offset {
    return this.served.endOffset;
  }

  /** One past the last record that this replica's own disk has. */
  get durableEnd(): Offset {
    return this.served.durableEnd;
  }

  /** The end of what is committed and may be read. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  /** Where an epoch ended in its log; -1 twice when the log does not know one that late. */
  epochEnd(epoch: number): { readonly epoch: number; readonly endOffset: number } {
    return this.served.epochEnd(epoch);
  }

  /** The epoch that an offset was appended in, or would be; -1 when it is not known. */
  epochAt(value: number): number {
    return this.served.epochAt(value);
  }

  get sizeBytes(): number {
    return this.log?.sizeBytes ?? 0;
  }

  /** The offset below which a returned sync covers everything; undefined without a log that can be trusted. */
  get checkpointable(): Offset | undefined {
    return this.log?.checkpointable();
  }

  /** Reads whole batches below the high watermark, from memory or with a plan for `readCold`. */
  read(from: Offset, maxBytes: number): LogRead {
    const log = this.served;
    const upTo = this.#highWatermark;
    // What is appended and not committed yet is not out of range: it will be there.
    if (from >= upTo && from <= log.endOffset) return AT_END;
    return log.read(from, maxBytes, upTo);
  }

  readCold(plan: ColdRead, done: (error: DiskError | undefined, buffers: Buffer[], nextOffset: Offset) => void): void {
    this.served.readCold(plan, done);
  }

  /** The first record below the high watermark with at least this timestamp. */
  offsetForTimestamp(
    timestampMs: number,
    done: (error: DiskError | undefined, found: TimestampedOffset | undefined) => void,
  ): void {
    this.served.offsetForTimestamp(timestampMs, this.#highWatermark, done);
  }

  /** The latest timestamp below the high watermark; -1 without any. */
  maxTimestamp(done: (error: DiskError | undefined, timestampMs: number) => void): void {
    this.served.maxTimestamp(this.#highWatermark, done);
  }

  /** Undefined without a log that could be opened. */
  get compaction(): LogCompaction | undefined {
    return this.log?.compaction;
  }

  /** Since when, on the monotonic clock, a sync of its log's own file is under way; undefined: none is. */
  get syncingSinceMs(): number | undefined {
    return this.log?.syncingSinceMs;
  }

  /** Whether a sync of its log is under way. */
  get syncing(): boolean {
    return this.log?.syncing ?? false;
  }

  /** True: the high watermark has moved. */
  raiseWatermark(committed: Offset | undefined): boolean {
    if (committed === undefined || committed <= this.#highWatermark) return false;
    this.#highWatermark = committed;
    return true;
  }

  /** What was committed has been dropped. */
  lowerWatermark(to: Offset): void {
    this.#highWatermark = to;
  }

  /**
   * Drops all that it holds: it is an empty log that begins at 0.
   *
   * @throws DiskError; then it is what it was, or the next start goes on with it
   */
  protected dropRecords(): void {
    this.served.restartAt(offset(0));
    this.lowerWatermark(offset(0));
  }

  /** Only for who knows that it could be opened. */
  protected get served(): Log {
    assert(this.log !== undefined, `${this.folder} has no log`);
    return this.log;
  }
}

function clamp(value: Offset, from: Offset, to: Offset): Offset {
  return offset(Math.min(Math.max(value, from), to));
}

const AT_END: LogRead = { kind: 'atEnd' };
