import { assert, present } from '@weir/base/assert.ts';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { DiskError, type Disk } from '@weir/base/disk.ts';
import { offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import { FLUSH_INTERVAL_MS } from '@weir/base/limits.ts';
import {
  batchBytesOf,
  lastOffsetOf,
  maxTimestampOf,
  writeBaseOffset,
  writeLeaderEpoch,
} from '@weir/records/batch-header.ts';
import { AppendQueue } from './append-queue.ts';
import { ColdReader } from './cold-reader.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import { closedError, lacksResources } from './log-errors.ts';
import { resolveLogConfig, unsyncedBytesMax, type LogOptions, type ResolvedLogConfig } from './log-config.ts';
import { createSegmentFile } from './log-folder.ts';
import type { ColdRead, LogRead, TimestampedOffset } from './log-read.ts';
import { OffsetIndex } from './offset-index.ts';
import { recoverLog, type RecoveredLog, type RecoveryReport } from './recovery.ts';
import { SegmentFiles } from './segment-files.ts';
import { SegmentReader } from './segment-reader.ts';
import { ActiveSegment } from './segment.ts';
import type { Segments } from './segments.ts';
import type { TailWindow } from './tail-cache.ts';
import { TimeIndex } from './time-index.ts';
import { searchTimestamp } from './timestamp-search.ts';

/** An opened log with what recovery did. */
export interface OpenedLog {
  readonly log: Log;
  readonly recovery: RecoveryReport;
}

/** What a log was doing when the disk failed. */
export type LogFault = 'append' | 'sync' | 'read';

/** A place up to which the log was written. */
interface Mark {
  readonly end: Offset;
  /** Bytes written to the log since it was opened. */
  readonly writtenBytes: number;
  /** In the active segment's file. */
  readonly position: number;
}

/**
 * One partition's log in one folder. Appends are queued and written as a group by `flush`; syncs and cold reads complete
 * through callbacks.
 *
 * Invariants: startOffset ≤ durableEnd ≤ endOffset; batches follow each other without a gap; with `flush=commit` at
 * most one group of at most `groupBytesMax` is written and not synced, and it lies in the active segment alone.
 */
export class Log {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #config: ResolvedLogConfig;
  readonly #segments: Segments;
  readonly #epochs: LeaderEpochs;
  readonly #files: SegmentFiles;
  readonly #reader: SegmentReader;
  readonly #coldReader: ColdReader;
  readonly #window: TailWindow;
  readonly #queue = new AppendQueue();
  #state: 'open' | 'damaged' | 'faulted' | 'closed';
  #endOffset: Offset;
  #durableEnd: Offset;
  #appendedBytes = 0;
  #writtenBytes = 0;
  #countedBytes = 0;
  /** What a returned sync covers. */
  #synced: Mark;
  #syncUnderWay = false;
  /** A sync that was made while another one was under way counts once that one is back without an error. */
  #syncedMeanwhile: Mark | undefined;
  #cancelTimer: Cancel | undefined;

  /** The durable end moved. Called from within `flush`, `beginEpoch` and `close` as well as between turns. */
  onAdvance: (durableEnd: Offset) => void = () => {};
  /**
   * The disk failed. After `append` or `read`, at most once a log, this replica is offline; after `sync`, which may
   * follow them, the process must end.
   */
  onFault: (error: DiskError, what: LogFault) => void = () => {};
  /** A sync came back: how long it took and how much was written for it. */
  onSync: (durationMs: number, bytes: number) => void = () => {};

  /**
   * Opens a log, or makes it, and recovers it (see recovery.ts).
   *
   * @throws DiskError; Error when a newer Weir wrote one of its files
   */
  static open(options: LogOptions): OpenedLog {
    const { disk, directory, checkpoint, cleanShutdown, config } = options;
    const resolved = resolveLogConfig(config);
    const recovered = recoverLog({
      disk,
      directory,
      checkpoint,
      cleanShutdown,
      batchBytesMax: resolved.groupBytesMax,
      unsyncedBytesMax: unsyncedBytesMax({ ...resolved, flush: options.lastFlush ?? resolved.flush }),
      indexIntervalBytes: resolved.indexIntervalBytes,
    });
    return { log: new Log(options, recovered), recovery: recovered.report };
  }

  private constructor(options: LogOptions, { segments, epochs, report }: RecoveredLog) {
    const { disk, clock, directory, cache } = options;
    this.#disk = disk;
    this.#clock = clock;
    this.#directory = directory;
    this.#config = resolveLogConfig(options.config);
    this.#segments = segments;
    this.#epochs = epochs;
    this.#state = report.damage === undefined ? 'open' : 'damaged';
    this.#endOffset = segments.count === 0 ? offset(0) : segments.at(segments.count - 1).endOffset;
    this.#durableEnd = this.#endOffset;
    // A damaged log ends below its checkpoint: that must not come down, or the next start would take it for torn.
    this.#synced = {
      end: offset(Math.max(this.#endOffset, options.checkpoint)),
      writtenBytes: 0,
      position: segments.active?.bytes ?? 0,
    };
    this.#files = new SegmentFiles(disk, directory);
    if (segments.active !== undefined) this.#files.addActive(segments.active.baseOffset, segments.active.file);
    const reads = { disk, directory, files: this.#files, indexes: cache.indexes };
    this.#reader = new SegmentReader({ ...reads, batchBytesMax: this.#config.groupBytesMax });
    this.#coldReader = new ColdReader(segments, this.#reader);
    this.#window = cache.window();
  }

  /** The first offset that is kept. */
  get startOffset(): Offset {
    return this.#segments.count === 0 ? offset(0) : this.#segments.at(0).baseOffset;
  }

  /** The next offset to be given out. */
  get endOffset(): Offset {
    return this.#endOffset;
  }

  /** One past the last offset that counts: synced with `flush=commit`, written with `flush=interval`. */
  get durableEnd(): Offset {
    return this.#durableEnd;
  }

  /** -1 before the first `beginEpoch`. */
  get latestEpoch(): LeaderEpoch | -1 {
    return this.#epochs.latest;
  }

  /** Bytes that were appended and do not count yet. */
  get pendingBytes(): number {
    return this.#appendedBytes - this.#countedBytes;
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
    return this.#syncUnderWay;
  }

  /** False once it is damaged, faulted or closed: `append` and `beginEpoch` must not be called any more. */
  get appendable(): boolean {
    return this.#state === 'open';
  }

  /**
   * Begins a leader epoch at the log's end: all before it is made durable, then the epoch is recorded, durably, before
   * it returns (it blocks). The epoch that is current already changes nothing.
   *
   * @throws DiskError, after `onFault`
   */
  beginEpoch(epoch: LeaderEpoch): void {
    assert(this.#state === 'open', 'an epoch begins in a log that takes appends');
    if (epoch === this.#epochs.latest) return;
    this.#writeAllAndSync();
    this.#guard('append', () => {
      this.#epochs.note(epoch, this.#endOffset);
      this.#epochs.write(this.#disk, this.#directory);
    });
  }

  /**
   * Gives a batch its offsets and the leader epoch, which it writes into the batch's header, and queues it. The caller
   * has checked the batch and hands its memory over for good.
   *
   * @returns the batch's base offset
   * @throws WeirError CORRUPT_MESSAGE, and nothing is appended, when its last offset or a timestamp is no safe integer
   */
  append(batch: Buffer): Offset {
    assert(this.#state === 'open', 'batches go to a log that takes appends');
    assert(batch.length === batchBytesOf(batch, 0), 'one whole batch is appended at a time');
    assert(batch.length <= this.#config.groupBytesMax, 'a batch fits a group');
    const epoch = this.#epochs.latest;
    assert(epoch !== -1, 'an epoch begins before the first append');
    const base = this.#endOffset;
    writeBaseOffset(batch, 0, base);
    writeLeaderEpoch(batch, 0, epoch);
    maxTimestampOf(batch, 0);
    const last = lastOffsetOf(batch, 0);
    assert(last >= base, 'a batch has at least one record');
    this.#endOffset = offset(last + 1);
    this.#appendedBytes += batch.length;
    this.#queue.push(batch);
    this.#window.add(batch);
    return base;
  }

  /**
   * Sends on its way what was appended; called at the end of a turn. With `flush=commit` the next group is written and
   * its sync started, unless one is under way: then the group goes out when that is back.
   */
  flush(): void {
    if (this.#state !== 'open') return;
    if (this.#config.flush === 'commit') this.#flushGroup();
    else this.#flushThrough();
  }

  /**
   * Finds whole batches from the one that contains `from` on that lie below `upTo`: up to `maxBytes`, the first in any
   * case. `upTo` is at most `endOffset`; to show nothing that may yet be lost it is at most `durableEnd`.
   */
  read(from: Offset, maxBytes: number, upTo: Offset): LogRead {
    if (from < this.startOffset || from > this.#endOffset) return { kind: 'outOfRange' };
    if (from >= upTo) return { kind: 'atEnd' };
    const buffers = this.#window.read(from, maxBytes, upTo);
    if (buffers === undefined) {
      if (from >= this.#durableEnd) return { kind: 'atEnd' };
      return { kind: 'cold', plan: { from, maxBytes, upTo: offset(Math.min(upTo, this.#durableEnd)) } };
    }
    const last = buffers.at(-1);
    if (last === undefined) return { kind: 'atEnd' };
    return { kind: 'batches', buffers, nextOffset: offset(lastOffsetOf(last, 0) + 1) };
  }

  /**
   * Reads from the disk what `read` planned. At most COLD_READ_BYTES at a time unless the first batch is larger, and a
   * read ends with its segment; no buffers when the first batch reaches `upTo`. An error was reported to `onFault`.
   */
  readCold(plan: ColdRead, done: (error: DiskError | undefined, buffers: Buffer[], nextOffset: Offset) => void): void {
    if (this.#state === 'closed') return done(closedError(), [], plan.from);
    this.#coldReader.read(plan, (error, buffers, nextOffset) => {
      if (error !== undefined) this.#readFault(error);
      done(error, buffers, nextOffset);
    });
  }

  /**
   * Finds the first record below `upTo` (at most `durableEnd`) whose timestamp is at or after the one asked for;
   * undefined when there is none.
   */
  offsetForTimestamp(
    timestampMs: number,
    upTo: Offset,
    done: (error: DiskError | undefined, found: TimestampedOffset | undefined) => void,
  ): void {
    if (this.#state === 'closed') return done(closedError(), undefined);
    searchTimestamp({ segments: this.#segments, reader: this.#reader }, { timestampMs, upTo }, (error, found) => {
      if (error !== undefined) this.#readFault(error);
      done(error, found);
    });
  }

  /** All below it is covered by a sync that returned. It never decreases. */
  checkpointable(): Offset {
    return this.#synced.end;
  }

  /**
   * Closes the log. `clean`: what was appended is written and synced first, and the index files are written, so that
   * the next start need not scan. Else what is queued is dropped. A cold read that is under way still completes.
   *
   * @returns whether all that was written is durable: only then may the next start take this one's stop for clean
   * @throws DiskError, after `onFault`, when a clean close failed
   */
  close(clean: boolean): boolean {
    if (this.#state === 'closed') return true;
    try {
      if (clean && this.#state === 'open') {
        this.#writeAllAndSync();
        // While an older sync is under way it is not certain that all is durable: then the next start scans.
        if (!this.#syncUnderWay) this.#guard('append', () => this.#active().writeIndexes(this.#disk, this.#directory));
      }
      return !this.#syncUnderWay && this.#synced.writtenBytes === this.#writtenBytes;
    } finally {
      this.#state = 'closed';
      this.#letGo();
      this.#files.close();
    }
  }

  #flushGroup(): void {
    if (this.#syncUnderWay || this.#queue.first === undefined) return;
    if (this.#try(() => this.#writeGroup())) this.#startSync();
  }

  #flushThrough(): void {
    const { groupBytesMax, flushIntervalBytes } = this.#config;
    while (this.#queue.first !== undefined) {
      const full = this.#writtenBytes - this.#synced.writtenBytes + groupBytesMax > flushIntervalBytes;
      if (full && this.#synced.writtenBytes < this.#writtenBytes) break;
      // A segment is not sealed while a sync of it is under way.
      if (this.#syncUnderWay && !this.#hasRoom(this.#queue.first)) break;
      if (!this.#try(() => this.#writeGroup())) break;
    }
    if (this.#state !== 'open') return;
    const mark = this.#mark();
    const unsyncedBytes = mark.writtenBytes - this.#synced.writtenBytes;
    // At half of what may be unsynced, so that the other half can go on while the sync is under way.
    if (unsyncedBytes * 2 >= flushIntervalBytes || this.#queue.first !== undefined) this.#startSync();
    else this.#armTimer();
    this.#count(mark);
  }

  /** Writes the next group, into a new segment when the active one has no room for its first batch. */
  #writeGroup(): void {
    const first = present(this.#queue.first, 'a group has a batch');
    // While a sync is under way (an epoch begins meanwhile) the segment grows past its size instead: should the sync fail,
    // all that did not count has to lie in one file to be cut.
    if (!this.#hasRoom(first) && !this.#syncUnderWay) this.#roll();
    const active = this.#active();
    const { groupBytesMax, segmentBytes } = this.#config;
    const before = active.bytes;
    const group = this.#queue.take(groupBytesMax, (batch, groupBytes) =>
      active.hasRoomFor(batch, before + groupBytes, segmentBytes),
    );
    active.append(group);
    this.#writtenBytes += active.bytes - before;
  }

  #hasRoom(batch: Buffer): boolean {
    const active = this.#active();
    return active.hasRoomFor(batch, active.bytes, this.#config.segmentBytes);
  }

  /** Seals the active segment, which is durable before the next one exists. */
  #roll(): void {
    assert(!this.#syncUnderWay, 'a segment is not sealed while a sync of it is under way');
    const active = this.#active();
    if (this.#synced.end < active.endOffset) this.#syncNow();
    active.writeIndexes(this.#disk, this.#directory);
    const baseOffset = active.endOffset;
    const file = createSegmentFile(this.#disk, this.#directory, baseOffset);
    const next = new ActiveSegment({
      summary: { baseOffset, endOffset: baseOffset, bytes: 0, maxTimestampMs: -1 },
      file,
      offsets: new OffsetIndex(),
      times: new TimeIndex(),
      indexIntervalBytes: this.#config.indexIntervalBytes,
    });
    this.#segments.roll(next);
    this.#files.addActive(baseOffset, file);
    this.#synced = { ...this.#synced, position: 0 };
  }

  #startSync(): void {
    const mark = this.#mark();
    if (this.#syncUnderWay || mark.writtenBytes === this.#synced.writtenBytes) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#syncUnderWay = true;
    const startedMs = this.#clock.monotonicMs();
    const bytes = mark.writtenBytes - this.#synced.writtenBytes;
    this.#active().file.sync((error) => {
      this.#syncUnderWay = false;
      if (error !== undefined) return this.#syncFailed(error);
      if (this.#state !== 'open') return;
      this.onSync(this.#clock.monotonicMs() - startedMs, bytes);
      const covered = this.#syncedMeanwhile ?? mark;
      this.#syncedMeanwhile = undefined;
      this.#synced = covered;
      this.#count(covered);
      this.flush();
      if (this.#state === 'open' && this.#synced.writtenBytes < this.#writtenBytes) this.#armTimer();
    });
  }

  /** Brings all that was appended to the disk before it returns. */
  #writeAllAndSync(): void {
    if (this.#synced.writtenBytes < this.#writtenBytes) this.#syncNow();
    while (this.#queue.first !== undefined) {
      this.#guard('append', () => this.#writeGroup());
      this.#syncNow();
    }
  }

  #syncNow(): void {
    this.#guard('sync', () => this.#active().file.syncNow());
    // A failed sync is reported once. Should it be the one under way that gets the report, then this one was no good.
    if (this.#syncUnderWay) {
      this.#syncedMeanwhile = this.#mark();
      return;
    }
    this.#synced = this.#mark();
    this.#count(this.#synced);
  }

  #armTimer(): void {
    if (this.#config.flush === 'commit' || this.#syncUnderWay) return;
    if (this.#synced.writtenBytes === this.#writtenBytes) return;
    this.#cancelTimer ??= this.#clock.after(FLUSH_INTERVAL_MS, () => {
      this.#cancelTimer = undefined;
      if (this.#state === 'open') this.#startSync();
    });
  }

  #mark(): Mark {
    const active = this.#active();
    return { end: active.endOffset, writtenBytes: this.#writtenBytes, position: active.bytes };
  }

  #count({ end, writtenBytes }: Mark): void {
    if (end <= this.#durableEnd) return;
    this.#durableEnd = end;
    this.#countedBytes = writtenBytes;
    this.onAdvance(end);
  }

  #active(): ActiveSegment {
    return present(this.#segments.active, 'a log that takes appends has an active segment');
  }

  /** Runs a step whose disk faults are this log's end; false when it failed. */
  #try(act: () => void): boolean {
    try {
      this.#guard('append', act);
      return true;
    } catch (error) {
      if (error instanceof DiskError) return false;
      throw error;
    }
  }

  #guard(what: LogFault, act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof DiskError) this.#fault(error, what);
      throw error;
    }
  }

  #fault(error: DiskError, what: LogFault): void {
    if (what === 'sync') return this.#syncFailed(error);
    if (this.#state !== 'open') return;
    this.#state = 'faulted';
    this.#letGo();
    this.onFault(error, what);
  }

  /** Told even of a log that is offline or closed by now: whoever goes on after it reads back what is not on the disk. */
  #syncFailed(error: DiskError): void {
    if (this.#state !== 'closed') {
      this.#state = 'faulted';
      if (this.#config.flush === 'commit') this.#cutUnsynced();
      this.#letGo();
    }
    this.onFault(error, 'sync');
  }

  /**
   * After a failed sync the system has marked as clean what never reached the disk: a process that starts over it could
   * read it back and take it for durable. None of it counted, so it goes, as far as the disk still lets it; and with it
   * an epoch that began behind it while the sync was under way.
   */
  #cutUnsynced(): void {
    try {
      this.#active().file.truncate(this.#synced.position);
      if (this.#epochs.cutTo(this.#synced.end)) this.#epochs.write(this.#disk, this.#directory);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  #readFault(error: DiskError): void {
    if (!lacksResources(error)) this.#fault(error, 'read');
  }

  #letGo(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#queue.clear();
    this.#window.clear();
  }
}
