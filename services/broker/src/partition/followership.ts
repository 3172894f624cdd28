import { assert } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Log } from '@weir/log/log.ts';
import { decodeSnapshot } from '@weir/log/producers/producer-snapshot.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import { isPlaceholder, restOfPlaceholder } from '@weir/records/placeholder.ts';
import { appendKeeping } from '../append-keeping.ts';

/** Where a follower goes on: the end of its log, all of it durable, and the epoch of its last record (-1: it has none). */
export interface FollowPoint {
  readonly endOffset: Offset;
  readonly lastEpoch: number;
}

/** Where the leader's log stops to say what the follower's says: its largest epoch up to the follower's last, and its end. */
export interface Divergence {
  /** -1: it has none. */
  readonly epoch: number;
  readonly endOffset: number;
}

/** What a leader sends. */
export interface LeaderFrame {
  /** Whole batches behind each other, in memory that is good until the call returns; what is kept is retained. */
  readonly records: Buffer;
  /** A snapshot of producers below the log's end, where it has no record; undefined for none. */
  readonly producers: Buffer | undefined;
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/** What following changes of its partition. */
export interface FollowerHost {
  readonly highWatermark: Offset;
  raiseWatermark(to: Offset): unknown;
  /** Committed records were dropped, after an unclean election. */
  lowerWatermark(to: Offset): void;
}

/** What a partition does as a follower, in one leader epoch. It throws what its log throws; the partition goes offline then. */
export class Followership {
  readonly leader: number;
  readonly epoch: number;
  /** The leader epoch that the last unclean election began; -1: none. */
  readonly #uncleanEpoch: number;
  readonly #log: Log;
  readonly #name: string;
  readonly #host: FollowerHost;
  /** Where the leader's log begins; the own one follows once it is durable that far. */
  #leaderStart = 0;

  constructor(
    log: Log,
    of: { readonly name: string; readonly leader: number; readonly epoch: number; readonly uncleanEpoch: number },
    host: FollowerHost,
  ) {
    this.#log = log;
    this.#name = of.name;
    this.leader = of.leader;
    this.epoch = of.epoch;
    this.#uncleanEpoch = of.uncleanEpoch;
    this.#host = host;
  }

  /** Where to go on; undefined: what was taken before is not durable yet. */
  point(): FollowPoint | undefined {
    const log = this.#log;
    if (log.durableEnd < log.endOffset) return undefined;
    // Epochs that it led without a record are none that the leader has heard of.
    log.truncateTo(log.endOffset);
    return { endOffset: log.endOffset, lastEpoch: log.lastRecordEpoch };
  }

  /**
   * Appends what the leader has sent, byte for byte.
   *
   * @returns why the rest of it was not appended: then it has to be sent again
   */
  take({ records, producers, highWatermark, logStartOffset }: LeaderFrame, slabs: Slabs): Refusal | undefined {
    const log = this.#log;
    if (log.stuck !== undefined) return refusal('KAFKA_STORAGE_ERROR', `the log cannot be written now: ${log.stuck}`);
    if (producers !== undefined && !this.#remember(producers)) {
      return refusal('CORRUPT_MESSAGE', `what the leader of ${this.#name} remembers of producers is damaged`);
    }
    for (let at = 0; at < records.length;) {
      if (!isValidBatchAt(records, at, records.length)) {
        return refusal('CORRUPT_MESSAGE', `what came from the leader of ${this.#name} is no batch at byte ${at}`);
      }
      const bytes = batchBytesOf(records, at);
      const batch = this.#unknownPart(records.subarray(at, at + bytes));
      this.#beginWith(batch);
      const problem = this.#misplaced(batch);
      if (problem !== undefined) return problem;
      appendKeeping(batch, { slabs, keptBytes: records.length }, (kept) => log.appendReplicated(kept));
      at += bytes;
    }
    this.#leaderStart = Math.max(this.#leaderStart, logStartOffset);
    this.#host.raiseWatermark(offset(Math.min(highWatermark, log.endOffset)));
    this.followStart();
    return undefined;
  }

  /** Whether the leader's log begins later than the own one, which is durable that far by now. */
  get isStartDue(): boolean {
    const { startOffset, durableEnd } = this.#log;
    return this.#leaderStart > startOffset && this.#leaderStart <= durableEnd;
  }

  /** The log begins where the leader's does, if that is due. */
  followStart(): true {
    if (this.isStartDue) this.#log.deleteRecords(offset(this.#leaderStart));
    return true;
  }

  /**
   * The logs do not agree: the own one is cut to the end of what they have in common (R8). One that has no record begins
   * where the leader's does.
   */
  cut({ epoch, endOffset }: Divergence, leaderStart: Offset): void {
    const log = this.#log;
    if (log.endOffset === log.startOffset) {
      this.#mayLose(leaderStart);
      return log.restartAt(leaderStart);
    }
    const local = log.epochEnd(epoch);
    // Of an epoch that only one of them has nothing is common.
    const common = epoch === -1 ? 0 : local.epoch === epoch ? Math.min(endOffset, local.endOffset) : local.endOffset;
    const end = offset(Math.min(Math.max(common, log.startOffset), log.endOffset));
    assert(end < log.endOffset, `${this.#name}: the leader's log is not another one up to ${log.endOffset}`);
    this.#mayLose(end);
    log.truncateTo(end);
    // A placeholder that reached over it has gone as a whole.
    if (log.endOffset < this.#host.highWatermark) this.#host.lowerWatermark(log.endOffset);
  }

  /**
   * The leader's log begins where the own one ends, or behind that: it is dropped, and goes on from there.
   *
   * @param producers - a snapshot of producers below that; undefined when they come later, or there are none
   */
  restart(leaderStart: Offset, producers: Buffer | undefined): void {
    const log = this.#log;
    assert(leaderStart >= log.endOffset, `${this.#name}: the leader's log begins at ${leaderStart}`);
    log.restartAt(leaderStart, producers && decodeSnapshot(this.#name, leaderStart, producers));
    this.#host.raiseWatermark(leaderStart);
  }

  /**
   * Compaction puts one placeholder in the place of several batches, some of which may be here: of it the rest is taken. A
   * log without a record begins with all of it.
   */
  #unknownPart(batch: Buffer): Buffer {
    const { startOffset, endOffset } = this.#log;
    const reachesBack = baseOffsetOf(batch, 0) < endOffset && lastOffsetOf(batch, 0) >= endOffset;
    if (!reachesBack || startOffset === endOffset || !isPlaceholder(batch, 0)) return batch;
    return restOfPlaceholder(batch, endOffset);
  }

  /** A log that begins anew within a batch begins with that batch: what it does not need of it is hidden again later. */
  #beginWith(batch: Buffer): void {
    const log = this.#log;
    const base = baseOffsetOf(batch, 0);
    const isWithin = base < log.startOffset && lastOffsetOf(batch, 0) >= log.startOffset;
    if (isWithin && log.endOffset === log.startOffset) log.restartAt(base, log.producersBelow(base));
  }

  /** Takes over what the leader remembers of batches that were deleted. False: it cannot be read. */
  #remember(snapshot: Buffer): boolean {
    const log = this.#log;
    const end = log.endOffset;
    const producers = decodeSnapshot(this.#name, end, snapshot);
    if (producers === undefined) return false;
    if (log.startOffset === end) log.restartAt(end, producers);
    return true;
  }

  /** What is committed is not to be cut, unless an unclean election has dropped it from the partition (R8). */
  #mayLose(end: Offset): void {
    if (end >= this.#host.highWatermark) return;
    assert(
      this.#log.lastRecordEpoch < this.#uncleanEpoch,
      `${this.#name}: the leader lacks committed records from ${end} to ${this.#host.highWatermark}`,
    );
    this.#host.lowerWatermark(end);
  }

  #misplaced(batch: Buffer): Refusal | undefined {
    const log = this.#log;
    const base = baseOffsetOf(batch, 0);
    const epoch = leaderEpochOf(batch, 0);
    if (base === log.endOffset && epoch >= log.lastRecordEpoch && epoch <= this.epoch) return undefined;
    return refusal(
      'CORRUPT_MESSAGE',
      `a batch of ${this.#name} at ${base} in epoch ${epoch} does not follow on ${log.endOffset} in epoch ${log.lastRecordEpoch}`,
    );
  }
}
