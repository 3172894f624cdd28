import { assert } from '@weir/base/assert.ts';
import { DiskError, type Disk } from '@weir/base/disk.ts';
import { offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import { LogCompaction } from './compaction/log-compaction.ts';
import type { ColdReadDone } from './cold-reader.ts';
import { writeDamageMark } from './damage-mark.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import { BAD_BYTES, isDamage, lacksResources, passesByItself } from './log-errors.ts';
import { resolveLogConfig, SEGMENT_BYTES_MAX, unsyncedBytesMax } from './log-config.ts';
import type { LogOptions, ResolvedLogConfig } from './log-config.ts';
import { writeLogStart } from './log-start.ts';
import { LogWriter } from './log-writer.ts';
import type { LogFault } from './log-writer-parts.ts';
import type { Admission } from './producers/admission.ts';
import type { LogProducers } from './producers/log-producers.ts';
import { ProducerStates } from './producers/producer-states.ts';
import type { ColdRead, LogRead, ReadView, TimestampedOffset } from './log-read.ts';
import { LogReads } from './log-reads.ts';
import { recoverLog, type RecoveredLog, type RecoveryReport } from './recovery.ts';
import { expiredSegments, isActiveExpired, type RetentionReport, type RetentionRules } from './retention.ts';
import { SegmentFiles } from './segment-files.ts';
import { SegmentReader } from './segment-reader.ts';
import { removeSegment } from './segment.ts';
import type { Segments } from './segments.ts';
import type { SearchDone } from './timestamp-search.ts';

/** An opened log with what recovery did. */
export interface OpenedLog {
  readonly log: Log;
  readonly recovery: RecoveryReport;
}

/**
 * One partition's log in one folder. Appends are queued and written as a group by `flush`; syncs and cold reads complete
 * through callbacks.
 *
 * Invariants: startOffset ≤ durableEnd ≤ endOffset; batches follow each other without a gap; what is not durable yet is
 * bounded (see LogWriter); the start is durable before anything below it is gone.
 */
export class Log {
  readonly #config: ResolvedLogConfig;
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segments: Segments;
  readonly #epochs: LeaderEpochs;
  readonly #producers: LogProducers;
  readonly #files: SegmentFiles;
  readonly #reads: LogReads;
  readonly #writer: LogWriter;
  /** Only of a log whose topic asks for it. */
  readonly compaction: LogCompaction;
  #startOffset: Offset;

  /** The durable end moved up. Called from within `flush`, `beginEpoch`, `truncateTo` and `close`, and between turns. */
  onAdvance: (durableEnd: Offset) => void = () => {};
  /**
   * The disk failed. After `append`, `read` or `damage`, at most once a log until it begins anew, this replica is offline;
   * after `sync`, which may follow them, the process must end.
   */
  onFault: (error: DiskError, what: LogFault) => void = () => {};
  /** A sync of its own file came back: how long it took and how much was written for it. */
  onSync: (durationMs: number, bytes: number) => void = () => {};

  /**
   * Opens a log, or makes it, and recovers it (see recovery.ts).
   *
   * @throws DiskError; Error when a newer Weir wrote one of its files
   */
  static open(options: LogOptions): OpenedLog {
    const { disk, directory, checkpoint, journalEnd, cleanShutdown, config } = options;
    const resolved = resolveLogConfig(config);
    const recovered = recoverLog({
      disk,
      directory,
      durableFrom: offset(Math.max(checkpoint, journalEnd ?? 0)),
      inJournal: journalEnd !== undefined,
      cleanShutdown,
      batchBytesMax: resolved.groupBytesMax,
      unsyncedBytesMax: unsyncedBytesMax({ ...resolved, flush: options.lastFlush ?? resolved.flush }),
      indexIntervalBytes: resolved.indexIntervalBytes,
    });
    return { log: new Log(options, recovered), recovery: recovered.report };
  }

  private constructor(options: LogOptions, recovered: RecoveredLog) {
    const { segments, epochs, producers, startOffset, truncation, report } = recovered;
    const { disk, clock, directory, cache, checkpoint, journalEnd, journal } = options;
    const config = resolveLogConfig(options.config);
    this.#config = config;
    this.#disk = disk;
    this.#directory = directory;
    this.#segments = segments;
    this.#epochs = epochs;
    this.#producers = producers;
    this.#startOffset = startOffset;
    this.#files = new SegmentFiles(options.files, directory);
    const reads = { disk, directory, epochs, files: this.#files, indexes: cache.indexes, slabs: cache.slabs };
    const reader = new SegmentReader({ ...reads, batchBytesMax: config.groupBytesMax });
    this.#reads = new LogReads(this, {
      segments,
      reader,
      cache,
      isClosed: () => this.#writer.state === 'closed',
      readFault: (error) => this.#readFault(error),
    });
    const durableFrom = offset(Math.max(checkpoint, journalEnd ?? 0));
    const { slabs } = cache;
    this.#writer = new LogWriter(
      {
        disk,
        clock,
        directory,
        config,
        segments,
        epochs,
        producers,
        files: this.#files,
        slabs,
        journal,
        durableFrom,
        truncation,
      },
      report.damage !== undefined,
      {
        advanced: (durableEnd) => this.onAdvance(durableEnd),
        fault: (error, what) => this.onFault(error, what),
        synced: (durationMs, bytes) => this.onSync(durationMs, bytes),
        over: () => this.#reads.clearWindow(),
      },
    );
    this.compaction = new LogCompaction(
      { disk, clock, directory, config, segments, reader, producers, files: this.#files },
      recovered.cleanPoint,
      this,
      {
        replaced: () => this.#reads.replaced(),
        fault: (error) => this.#writer.fault(error, error.duringSync ? 'sync' : 'append'),
        damage: (error) => this.#readFault(error),
      },
    );
  }

  /** A segment that would grow past it is sealed: from now on, and one that has grown past it already at the next group. */
  set segmentBytes(bytes: number) {
    assert(bytes > 0 && bytes <= SEGMENT_BYTES_MAX, `a segment of ${bytes} bytes`);
    this.#config.segmentBytes = bytes;
  }

  /** The first offset that may be read. */
  get startOffset(): Offset {
    return this.#startOffset;
  }

  /** The next offset to be given out. */
  get endOffset(): Offset {
    return this.#writer.endOffset;
  }

  /** One past the last offset that counts: synced with `flush=commit`, written with `flush=interval`. */
  get durableEnd(): Offset {
    return this.#writer.durableEnd;
  }

  /** The epoch of the last record, -1 when there is none: the latest epoch need not have one. */
  get lastRecordEpoch(): LeaderEpoch | -1 {
    return this.endOffset === this.#startOffset ? -1 : this.#epochs.at(this.endOffset - 1);
  }

  /** -1 before the first `beginEpoch` or `appendReplicated`. */
  get latestEpoch(): LeaderEpoch | -1 {
    return this.#epochs.latest;
  }

  /** See LeaderEpochs.endOf. */
  epochEnd(epoch: number): { readonly epoch: number; readonly endOffset: number } {
    return this.#epochs.endOf(epoch, this.endOffset);
  }

  /** The epoch that an offset was appended in; -1 when it is not known. */
  epochAt(value: number): LeaderEpoch | -1 {
    return this.#epochs.at(value);
  }

  /** Bytes that were appended and do not count yet. */
  get pendingBytes(): number {
    return this.#writer.pendingBytes;
  }

  /** Bytes in its segments. */
  get sizeBytes(): number {
    return this.#segments.bytes;
  }

  get segmentCount(): number {
    return this.#segments.count;
  }

  /** Whether a sync has been started and is not back: an orderly stop waits for it before it closes. */
  get syncing(): boolean {
    return this.#writer.syncing;
  }

  /** Since when, on the monotonic clock, a sync of its own file is under way; undefined: none is. */
  get syncingSinceMs(): number | undefined {
    return this.#writer.syncingSinceMs;
  }

  /** False once it is damaged, faulted or closed: `append` and `beginEpoch` must not be called any more. */
  get appendable(): boolean {
    return this.#writer.state === 'open';
  }

  /** Why nothing can be written for now, as a full disk; what was appended waits, and it goes on by itself. */
  get stuck(): string | undefined {
    return this.#writer.stuck;
  }

  /**
   * Begins a leader epoch at the log's end: all before it is made durable, then the epoch is recorded, durably, before
   * it returns (it blocks). The epoch that is current already changes nothing.
   *
   * @throws DiskError, after `onFault` unless it is for want of room or descriptors: then it can be tried again
   */
  beginEpoch(epoch: LeaderEpoch): void {
    this.#writer.beginEpoch(epoch);
  }

  /**
   * Whether a batch may be appended: an idempotent producer's has to follow the one before it, and is not appended again
   * when it is in the log already (it may not count yet). The caller has checked the batch. Undefined: it may be.
   */
  admit(batch: Buffer): Admission {
    return this.#producers.admit(batch);
  }

  /** The idempotent producers as of an offset: what it remembers of their batches that end before it. */
  producersBelow(end: Offset): ProducerStates {
    return this.#producers.below(end);
  }

  /**
   * Gives a batch its offsets and the leader epoch, which it writes into the batch's header, and queues it. The caller
   * has checked the batch and hands its memory over for good; memory of a slab is retained as long as it is needed.
   *
   * @returns the batch's base offset
   * @throws WeirError CORRUPT_MESSAGE, and nothing is appended, when its last offset or a timestamp is no safe integer
   */
  append(batch: Buffer): Offset {
    const base = this.#writer.append(batch);
    this.#producers.appended(batch, this.#writtenEnd);
    this.#reads.appended(batch);
    return base;
  }

  /**
   * Queues a batch of another replica's log as it is: a whole one, which the caller has checked, with the offsets and the
   * leader epoch that it has there. It begins at the log's end, and its epoch is not below the latest. A later epoch
   * begins with it, durably before the batch counts, and without a sync of the log. Memory is as with `append`.
   */
  appendReplicated(batch: Buffer): void {
    this.#writer.appendReplicated(batch);
    this.#producers.appended(batch, this.#writtenEnd);
    this.#reads.appended(batch);
  }

  /**
   * Forgets the records at and behind an offset, from `startOffset` to `endOffset`, and with them the whole batch that
   * contains it and all epochs that begin there: `endOffset` says where the log ends then, not below `startOffset`. Durable
   * before it returns (it blocks); it costs nothing when there is nothing to forget. `onAdvance` is not called for an end
   * that comes down; `checkpointable` comes down as well. A cold read that is under way finds nothing, without an error.
   *
   * A power cut in it leaves the log as it was, or as it is to be, or with some of the segments in between gone.
   *
   * @throws DiskError, after `onFault` unless it is for want of room or descriptors: then it can be tried again
   */
  truncateTo(end: Offset): void {
    const [disk, directory, before] = [this.#disk, this.#directory, this.endOffset];
    assert(end >= this.#startOffset && end <= before, `a log from ${this.#startOffset} to ${before} is cut at ${end}`);
    this.#guard(() => {
      this.compaction.truncate(end);
      if (!this.#writer.truncate(end, this.#startOffset)) return this.restartAt(this.#startOffset);
      if (this.endOffset < before) this.#reads.truncate(this.endOffset);
      const [segments, batchBytesMax] = [this.#segments.snapshot(), this.#config.groupBytesMax];
      this.#producers.truncate(this.endOffset, { disk, directory, segments, batchBytesMax });
      this.#epochs.truncate(this.endOffset, disk, directory);
    });
  }

  /**
   * Deletes everything and begins anew, empty, at an offset: `startOffset`, `endOffset` and `durableEnd`. Durable before
   * it returns (it blocks). For a follower that ends below its leader's log start, or whose log is damaged: what is gone
   * is not missed by any later start. A power cut in it leaves the log as it was, or a start goes on with it, and may know
   * no producers.
   *
   * @param producers - of batches below its start, which another replica remembers
   * @throws DiskError, after `onFault`; a damaged log stays as offline as it was, and may be told to again
   */
  restartAt(start: Offset, producers = new ProducerStates()): void {
    this.#guard(() => {
      this.#writer.restartAt(start);
      this.compaction.clear();
      this.#startOffset = start;
      this.#reads.truncate(offset(0));
      this.#producers.restart(start, producers);
      if (producers.size > 0) this.#disk.syncDirectory(this.#directory);
    });
  }

  /**
   * Sends on its way what was appended; called at the end of a turn. With `flush=commit` the next group is written and
   * its sync started, the journal's or its own, unless one is under way: then the group goes out when that is back.
   */
  flush(): void {
    this.#writer.flush();
  }

  /**
   * Finds whole batches from the one that contains `from` on that lie below `upTo`: up to `maxBytes`, the first in any
   * case. `upTo` is at most `endOffset`; to show nothing that may yet be lost it is at most `durableEnd`.
   */
  read(from: Offset, maxBytes: number, upTo: Offset, view: ReadView = 'records'): LogRead {
    return this.#reads.read(from, maxBytes, upTo, view);
  }

  /**
   * Reads from the disk what `read` planned. At most COLD_READ_BYTES at a time unless the first batch is larger, and a
   * read ends with its segment; no buffers when the first batch reaches `upTo`, or when the log begins behind it by now,
   * or was cut meanwhile. An error was reported to `onFault`. The buffers are the receiver's, who releases them.
   */
  readCold(plan: ColdRead, done: ColdReadDone): void {
    this.#reads.readCold(plan, done);
  }

  /**
   * Finds the first record below `upTo` (at most `durableEnd`) whose timestamp is at or after the one asked for;
   * undefined when there is none.
   */
  offsetForTimestamp(timestampMs: number, upTo: Offset, done: SearchDone<TimestampedOffset | undefined>): void {
    this.#reads.offsetForTimestamp(timestampMs, upTo, done);
  }

  /** Finds the latest timestamp of the batches below `upTo` (at most `durableEnd`); -1 without any. */
  maxTimestamp(upTo: Offset, done: SearchDone<number>): void {
    this.#reads.maxTimestamp(upTo, done);
  }

  /**
   * Deletes the records below an offset (at most `durableEnd`): the start moves up, durably, before it returns, and
   * segments that lie below it are removed. It never moves down.
   *
   * A follower takes over its leader's log start with it, as far as it has come: up to the lesser of that start and
   * `durableEnd`, and the rest later. One that ends below that start takes `restartAt`.
   *
   * @throws DiskError, after `onFault` unless it is for want of room or descriptors: then it can be tried again
   */
  deleteRecords(before: Offset): void {
    assert(before <= this.durableEnd, 'only what counts can be deleted');
    if (this.#writer.state !== 'open') return;
    // With `flush=interval` the start must not be more durable than the end; and a new segment behind all of it gives the
    // disk its room back.
    if (this.#writer.syncedEnd < before || before === this.endOffset) this.#writer.writeAllAndSync();
    if (before === this.endOffset) this.#writer.sealActive();
    this.#moveStart(before);
  }

  /** Removes what the rules do not keep: whole segments, oldest first. The active one is sealed first when it is old. */
  retain(rules: RetentionRules): RetentionReport {
    const none = { segments: 0, bytes: 0 };
    if (this.#writer.state !== 'open') return none;
    try {
      const { active, bytes } = this.#segments;
      if (active !== undefined && isActiveExpired(active, rules)) this.#writer.sealActive();
      const expired = expiredSegments(this.#segments.snapshot(), this.durableEnd, rules);
      const last = expired.at(-1);
      if (last === undefined) return none;
      this.#moveStart(last.endOffset);
      return { segments: expired.length, bytes: bytes - this.#segments.bytes };
    } catch (error) {
      // Reported, or for want of room: the next time tries again.
      if (error instanceof DiskError) return none;
      throw error;
    }
  }

  /** Forgets idempotent producers that have sent nothing for PRODUCER_ID_EXPIRATION_MS; called now and then. */
  expireProducers(nowMs: number): void {
    this.#producers.expire(nowMs, this.#writtenEnd);
  }

  /** All below it is covered by a sync that returned. Only a cut takes it down (see truncation-mark.ts). */
  checkpointable(): Offset {
    return this.#writer.syncedEnd;
  }

  /**
   * Closes the log. `clean`: what was appended is written and synced first, and the index files are written, so that
   * the next start need not scan. Else what is queued is dropped. A cold read that is under way still completes.
   *
   * @returns whether all that was written is durable: only then may the next start take this one's stop for clean
   * @throws DiskError, after `onFault`, when a clean close failed
   */
  close(clean: boolean): boolean {
    if (this.#writer.state === 'closed') return true;
    try {
      return this.#writer.close(clean);
    } finally {
      this.#letGo();
    }
  }

  /** Closes it for good: its files are about to be removed, and the journal need not keep what it has of it. */
  discard(): void {
    try {
      this.#writer.discard();
    } finally {
      this.#letGo();
    }
  }

  /** One past the last record that is in a segment. A damaged log has none that could be added to. */
  get #writtenEnd(): Offset {
    return this.#segments.active?.endOffset ?? offset(0);
  }

  #letGo(): void {
    this.compaction.stop();
    this.#reads.close();
    for (const { baseOffset } of this.#segments.snapshot()) this.#files.forget(baseOffset);
  }

  /** Moves the start up, and removes what lies below it: what an earlier try left there as well. */
  #moveStart(to: Offset): void {
    const disk = this.#disk;
    this.#guard(() => {
      if (to > this.#startOffset) {
        writeLogStart(disk, this.#directory, to);
        this.#startOffset = to;
      }
      const start = this.#startOffset;
      const segments = this.#segments.snapshot();
      const kept = segments.findIndex((segment) => segment.endOffset > start || segment === this.#segments.active);
      const gone = segments.slice(0, kept);
      this.#segments.dropOldest(gone.length);
      this.#reads.dropBefore(start);
      for (const { baseOffset } of gone) {
        this.#files.forget(baseOffset);
        removeSegment(disk, this.#directory, baseOffset);
      }
      this.#producers.segmentsRemoved(this.#segments.at(0).baseOffset);
      this.#epochs.dropBefore(start, disk, this.#directory);
    });
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.code === BAD_BYTES) this.#readFault(error);
      else if (!passesByItself(error)) this.#writer.fault(error, 'append');
      throw error;
    }
  }

  #readFault(error: DiskError): void {
    if (lacksResources(error)) return;
    if (isDamage(error)) writeDamageMark(this.#disk, this.#directory, error.message);
    this.#writer.fault(error, isDamage(error) ? 'damage' : 'read');
  }
}
