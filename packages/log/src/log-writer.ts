import { assert, present } from '@weir/base/assert.ts';
import { DiskError, type DiskFile } from '@weir/base/disk.ts';
import { offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import { JOURNAL_GROUP_BYTES_MAX } from '@weir/base/limits.ts';
import { baseOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import { ActiveFile } from './active-file.ts';
import { AppendQueue } from './append-queue.ts';
import { cutUnsynced } from './cut-unsynced.ts';
import { DiskSteps } from './disk-steps.ts';
import { IntervalSync } from './interval-sync.ts';
import type { JournalGroup, JournalMember } from './journal/journal.ts';
import { passesByItself } from './log-errors.ts';
import type { LogFault, LogWriterEvents, LogWriterParts, Mark } from './log-writer-parts.ts';
import { closeSegment, sealSegment } from './seal-segment.ts';
import { SettleWaiters } from './settle-waiters.ts';
import { restartLog } from './restart-log.ts';
import { emptySegment, type ActiveSegment } from './segment.ts';
import { planTruncation, truncateSegments } from './truncate-segments.ts';
import { writeTruncationMark, type TruncationMark } from './truncation-mark.ts';
import { WriteProgress } from './write-progress.ts';

/**
 * The end of a log that is written: what was appended waits in a queue, goes to the active segment in groups, and counts
 * once a sync covers it (`flush=commit`), or once it is written (`flush=interval`). The sync is the journal's for small
 * groups, the segment file's own for large ones.
 *
 * Invariants: durableEnd ≤ endOffset; with `flush=commit` at most one group of at most `groupBytesMax` is neither in the
 * journal nor synced, and it lies in the active segment alone; a segment is durable before the next one exists.
 */
export class LogWriter implements JournalMember {
  readonly #parts: LogWriterParts;
  readonly #events: LogWriterEvents;
  readonly #queue: AppendQueue;
  #state: 'open' | 'damaged' | 'faulted' | 'closed';
  readonly #progress: WriteProgress;
  /** The group is in the journal's round: what that will cover, and its memory, which the journal has yet to write. */
  #inJournal: { readonly mark: Mark; readonly batches: readonly Buffer[] } | undefined;
  readonly #file: ActiveFile;
  /** A sync that was made while another one was under way counts once that one is back without an error. */
  #syncedMeanwhile: Mark | undefined;
  /** Who waits for the own file. */
  readonly #settling = new SettleWaiters();
  readonly #intervalSync: IntervalSync;
  readonly #steps: DiskSteps;
  #discarded = false;
  /** A write that failed was cut off the segment's file, and it is not certain that a sync covers that. */
  #isCutBack = false;
  /** Of the last cut. */
  #truncation: TruncationMark | undefined;

  constructor(parts: LogWriterParts, damaged: boolean, events: LogWriterEvents) {
    const { segments, durableFrom } = parts;
    this.#parts = parts;
    const fault = (error: DiskError, what: LogFault): void => this.fault(error, what);
    this.#steps = new DiskSteps(parts.clock, fault, () => this.#goOn());
    this.#events = events;
    this.#intervalSync = new IntervalSync(parts, () => this.#startSync());
    this.#state = damaged ? 'damaged' : 'open';
    this.#truncation = parts.truncation;
    this.#file = new ActiveFile(parts.clock, parts.files);
    const end = segments.count === 0 ? offset(0) : segments.at(segments.count - 1).endOffset;
    this.#queue = new AppendQueue(parts, end);
    // A damaged log ends below its checkpoint: that must not come down, or the next start would take it for torn.
    const syncedEnd = damaged ? offset(Math.max(end, durableFrom)) : end;
    this.#progress = new WriteProgress(end, syncedEnd, segments.active?.bytes ?? 0);
  }

  get endOffset(): Offset {
    return this.#queue.endOffset;
  }

  get durableEnd(): Offset {
    return this.#progress.durableEnd;
  }

  /** All below it is covered by a sync that returned. */
  get syncedEnd(): Offset {
    return this.#progress.synced.end;
  }

  get pendingBytes(): number {
    return this.#progress.uncountedBytes + this.#queue.bytes;
  }

  get syncing(): boolean {
    return this.#file.syncing || this.#inJournal !== undefined;
  }

  get syncingSinceMs(): number | undefined {
    return this.#file.syncingSinceMs;
  }

  get state(): 'open' | 'damaged' | 'faulted' | 'closed' {
    return this.#state;
  }

  /** Why nothing can be written for now, though nothing is lost: it goes on by itself. */
  get stuck(): string | undefined {
    return this.#steps.stuckOn;
  }

  /** See `Log.append`. */
  append(batch: Buffer): Offset {
    assert(this.#state === 'open', 'batches go to a log that takes appends');
    return this.#queue.append(batch);
  }

  /** See `Log.appendReplicated`. */
  appendReplicated(batch: Buffer): void {
    assert(this.#state === 'open', 'batches go to a log that takes appends');
    this.#queue.appendReplicated(batch);
  }

  flush(): void {
    if (!this.#mayWrite) return;
    if (this.#parts.config.flush === 'commit') this.#flushGroup();
    else this.#flushThrough();
  }

  /** See `Log.beginEpoch`. */
  beginEpoch(epoch: LeaderEpoch): void {
    const { disk, directory, epochs } = this.#parts;
    assert(this.#state === 'open', 'an epoch begins in a log that takes appends');
    if (epoch === epochs.latest) return;
    this.writeAllAndSync();
    this.#steps.guard('append', () => epochs.begin(epoch, this.endOffset, disk, directory));
  }

  /**
   * Brings all that was appended to the log's own files before it returns.
   *
   * @throws DiskError, after `fault` unless it is for want of room or descriptors: then it can be tried again
   */
  writeAllAndSync(): void {
    if (this.#progress.unsettledBytes > 0) this.#syncNow();
    while (this.#queue.first !== undefined) {
      this.#steps.guard('append', () => this.#parts.slabs.releaseAll(this.#writeGroup()));
      this.#syncNow();
    }
  }

  /**
   * See `Log.truncateTo`. False, and nothing has changed: the batch that contains `end` begins below the log's start.
   *
   * @throws DiskError, after `fault` unless it is for want of room or descriptors: then nothing has changed
   */
  truncate(end: Offset, start: Offset): boolean {
    assert(this.#state === 'open', 'only a log that takes appends is cut');
    if (end < this.#active().endOffset) return this.#truncateWritten(end, start);
    // A part of it may have been written, and is not to come back with a power cut.
    if (this.#isCutBack) this.#syncNow();
    this.#queue.truncate(end);
    return true;
  }

  /**
   * See `Log.restartAt`.
   *
   * @throws DiskError, after `fault`
   */
  restartAt(start: Offset): void {
    const { config, directory, disk, epochs, files, segments } = this.#parts;
    assert(this.#state === 'open' || this.#state === 'damaged', 'only a log that is open begins anew');
    const truncation = { durable: start, until: this.#writtenUntil };
    for (const { baseOffset } of segments.snapshot()) files.forget(baseOffset);
    this.#truncation = this.#steps.once(() => restartLog(disk, directory, truncation));
    segments.restart(emptySegment(start, config.indexIntervalBytes));
    epochs.clear();
    this.#queue.clear(start);
    this.#state = 'open';
    this.#progress.restart(this.#mark());
    this.#cutUnderWay();
  }

  /**
   * Seals the active segment although it has room, so that it can be removed. False: not now, a sync is under way or
   * the disk has no room.
   *
   * @throws DiskError, after `fault`
   */
  sealActive(): boolean {
    if (!this.#mayWrite || this.#active().bytes === 0) return false;
    if (this.#progress.unsettledBytes > 0) {
      this.#startSync();
      return false;
    }
    return this.#steps.attempt(() => this.#roll()) !== undefined;
  }

  /** A disk fault, met here or by a reader. */
  fault(error: DiskError, what: LogFault): void {
    if (what === 'sync' || error.duringSync) return this.#syncFailed(error);
    if (this.#state !== 'open') return;
    this.#state = what === 'damage' ? 'damaged' : 'faulted';
    this.#letGo();
    this.#events.fault(error, what);
  }

  /**
   * Takes no more appends. `clean`: everything is written and synced first.
   *
   * @returns whether all that was written is durable in the log's own files
   * @throws DiskError, after `fault`
   */
  close(clean: boolean): boolean {
    try {
      if (clean && this.#state === 'open') {
        this.writeAllAndSync();
        // While an older sync is under way it is not certain that all is durable: then the next start scans.
        if (!this.#file.syncing) this.#steps.guard('append', () => closeSegment(this.#parts, this.#active()));
      }
      return !this.#file.syncing && this.#progress.unsettledBytes === 0;
    } finally {
      this.#state = 'closed';
      this.#letGo();
    }
  }

  /** Takes no more appends, and nobody needs what is in it: the journal does not either. */
  discard(): void {
    this.#discarded = true;
    this.close(false);
    this.#settling.release();
  }

  takeGroup(): JournalGroup | undefined {
    const { directory } = this.#parts;
    const first = this.#queue.first;
    if (!this.#mayWrite || first === undefined) return undefined;
    // It has grown, or needs a new segment: that is not the round's business.
    if (!this.#mayJournal(first)) {
      this.#flushOwn();
      return undefined;
    }
    const { baseOffset: segmentBase, bytes: position, endOffset: base } = this.#active();
    const batches = this.#steps.attempt(() => this.#writeGroup());
    if (batches === undefined) return undefined;
    const mark = this.#mark();
    this.#inJournal = { mark, batches };
    const [epoch, bytes] = [leaderEpochOf(batches[0]!, 0), mark.position - position];
    return { place: { directory, segmentBase, position, base, end: mark.end, epoch, bytes }, batches };
  }

  journaled(error: DiskError | undefined): void {
    const mark = this.#leaveJournal();
    if (error !== undefined) return this.#syncFailed(error);
    if (this.#state !== 'open') return;
    this.#cover(mark);
    this.flush();
  }

  alone(): void {
    if (this.#mayWrite && this.#queue.first !== undefined) this.#flushOwn();
  }

  unjournaled(): void {
    this.#leaveJournal();
    if (this.#state === 'open') this.#startSync();
  }

  settle(end: Offset, done: () => void): void {
    // What has been cut off since is not waited for.
    const upTo = offset(Math.min(end, this.#parts.segments.active?.endOffset ?? 0));
    if (this.#progress.settled.end >= upTo || this.#discarded) return done();
    // Of a log that was closed before all of it was synced the journal keeps what it has.
    this.#settling.add(upTo, done);
    if (this.#state !== 'closed') this.#startSync();
  }

  #truncateWritten(end: Offset, start: Offset): boolean {
    const { directory, disk } = this.#parts;
    const cut = planTruncation(this.#parts, end);
    if (cut.endOffset < start) return false;
    // Behind the mark nothing counts that the journal has of this log.
    if (this.#progress.settled.end < cut.endOffset) this.#steps.guard('sync', () => this.#hold().syncNow());
    // Should the sync under way fail, then this one may have been no good.
    const durable = this.#file.syncing ? Math.min(cut.endOffset, this.#progress.synced.end) : cut.endOffset;
    const truncation = { durable: offset(durable), until: this.#writtenUntil };
    this.#truncation = this.#steps.guard('append', () => writeTruncationMark(disk, directory, truncation));
    const goneBytes = this.#steps.once(() => truncateSegments(this.#parts, cut));
    const mark = this.#mark();
    this.#queue.clear(mark.end);
    this.#progress.truncate(mark, goneBytes, { synced: !this.#file.syncing });
    this.#cutUnderWay();
    if (!this.#file.syncing) this.#count(mark);
    return true;
  }

  /** What is under way when the log is cut covers no more than the cut did; and the journal needs nothing of the rest. */
  #cutUnderWay(): void {
    if (this.#file.syncing) this.#syncedMeanwhile = this.#mark();
    if (this.#inJournal !== undefined) this.#inJournal = { ...this.#inJournal, mark: this.#progress.synced };
    this.#file.release();
    this.#settling.release();
  }

  /** Nothing was ever written at or behind it, by this run or one before. */
  get #writtenUntil(): Offset {
    return offset(Math.max(this.endOffset, this.#progress.synced.end, this.#truncation?.until ?? 0));
  }

  /**
   * Not while its group is on the way. And not while its file is being synced: the system would make the write wait for
   * that, and with it everything else in this process (measured: 20 ms; ADR 10).
   */
  get #mayWrite(): boolean {
    return (
      this.#state === 'open' &&
      this.#steps.stuckOn === undefined &&
      !this.#file.syncing &&
      this.#inJournal === undefined
    );
  }

  #flushGroup(): void {
    const first = this.#queue.first;
    if (first === undefined) return;
    if (this.#parts.journal?.accepting === true && this.#mayJournal(first)) this.#parts.journal.want(this);
    else this.#flushOwn();
  }

  /** Groups that are large, need a new segment, or have offsets that were cut before (see TruncationMark) stay out of it. */
  #mayJournal(first: Buffer): boolean {
    const isFresh = baseOffsetOf(first, 0) >= (this.#truncation?.until ?? 0);
    return isFresh && this.#queue.bytes <= JOURNAL_GROUP_BYTES_MAX && this.#hasRoom(first);
  }

  /** The next group with a sync of its own. */
  #flushOwn(): void {
    const first = present(this.#queue.first, 'a group has a batch');
    // A segment is sealed without a wait: what the journal alone has of it is synced before, in the background.
    if (!this.#hasRoom(first) && this.#progress.unsettledBytes > 0) return void this.#startSync();
    const batches = this.#steps.attempt(() => this.#writeGroup());
    if (batches === undefined) return;
    this.#parts.slabs.releaseAll(batches);
    this.#startSync();
  }

  #flushThrough(): void {
    const { config, epochs } = this.#parts;
    const { groupBytesMax, flushIntervalBytes } = config;
    for (let first = this.#queue.first; first !== undefined; first = this.#queue.first) {
      const unsynced = this.#progress.unsyncedBytes;
      // A segment is sealed, and an epoch begins, behind what is durable.
      const waits = !this.#hasRoom(first) || epochs.isAhead(baseOffsetOf(first, 0));
      if (unsynced > 0 && (waits || unsynced + groupBytesMax > flushIntervalBytes)) break;
      const batches = this.#steps.attempt(() => this.#writeGroup());
      if (batches === undefined) break;
      this.#parts.slabs.releaseAll(batches);
    }
    if (this.#state !== 'open') return;
    if (this.#queue.first !== undefined) this.#startSync();
    else this.#intervalSync.unsynced(this.#progress.unsyncedBytes);
    this.#count(this.#mark());
  }

  /** Writes the next group, into a new segment when the active one has no room for its first batch. */
  #writeGroup(): readonly Buffer[] {
    const { config, directory, disk, epochs } = this.#parts;
    const first = present(this.#queue.first, 'a group has a batch');
    // While a sync is under way (an epoch begins meanwhile) the segment grows past its size instead: should the sync fail,
    // all that did not count has to lie in one file to be cut.
    if (!this.#hasRoom(first) && !this.#file.syncing) this.#roll();
    // No record is on the disk without its epoch: what recovery finds of another one than is recorded is not believed.
    epochs.record(baseOffsetOf(first, 0), disk, directory);
    const active = this.#active();
    const before = active.bytes;
    const count = this.#queue.count(config.groupBytesMax, (batch, groupBytes) =>
      active.hasRoomFor(batch, before + groupBytes, config.segmentBytes),
    );
    const file = this.#hold();
    try {
      active.append(file, this.#queue.peek(count));
    } catch (error) {
      // It may be tried again, when the disk has room: then it begins where this one began.
      if (error instanceof DiskError && passesByItself(error)) {
        file.truncate(before);
        this.#isCutBack = true;
      }
      throw error;
    }
    this.#progress.wrote(active.bytes - before);
    return this.#queue.take(count);
  }

  #hasRoom(batch: Buffer): boolean {
    const active = this.#active();
    return active.hasRoomFor(batch, active.bytes, this.#parts.config.segmentBytes);
  }

  /** Seals the active segment, which is durable before the next one exists: that is returned. */
  #roll(): ActiveSegment {
    assert(!this.#file.syncing, 'a segment is not sealed while a sync of it is under way');
    // Whatever has been written: a group that was cut back for want of room is not to come back in a sealed segment.
    this.#syncNow();
    const next = sealSegment(this.#parts, this.#active());
    this.#file.release();
    this.#parts.segments.roll(next);
    this.#progress.rolled();
    return next;
  }

  #hold(): DiskFile {
    return this.#file.hold(this.#active().baseOffset);
  }

  /** Unless one is under way, or there is no need for it: tells whether it has started one. */
  #startSync(): boolean {
    if (this.#file.syncing) return false;
    const mark = this.#mark();
    const bytes = this.#progress.unsettledBytes;
    if (bytes === 0) this.#settle(mark);
    if (bytes === 0 || this.#steps.attempt(() => this.#hold()) === undefined) return false;
    // To open a file may make other logs settle, and this one as well.
    if (this.#file.syncing) return false;
    this.#file.sync(this.#active().baseOffset, (error, durationMs) => {
      this.#intervalSync.back();
      if (error !== undefined) return this.#syncFailed(error);
      this.#events.synced(durationMs, bytes);
      const covered = this.#syncedMeanwhile ?? mark;
      this.#syncedMeanwhile = undefined;
      if (this.#state === 'open') this.#cover(covered);
      this.#settle(covered);
      if (this.#state !== 'open') return;
      this.flush();
      this.#intervalSync.unsynced(this.#progress.unsyncedBytes);
    });
    return true;
  }

  #syncNow(): void {
    const file = this.#steps.guard('append', () => this.#hold());
    this.#steps.guard('sync', () => file.syncNow());
    this.#isCutBack = false;
    // A failed sync is reported once. Should it be the one under way that gets the report, then this one was no good.
    const mark = this.#mark();
    if (this.#file.syncing) {
      this.#syncedMeanwhile = mark;
    } else {
      this.#cover(mark);
      this.#settle(mark);
    }
  }

  #cover(mark: Mark): void {
    if (this.#progress.cover(mark)) this.#count(mark);
  }

  #settle(mark: Mark): void {
    this.#progress.settle(mark);
    if (this.#progress.unsettledBytes === 0) this.#file.release();
    this.#settling.settled(this.#progress.settled.end);
    if (this.#settling.size > 0) this.#startSync();
  }

  #leaveJournal(): Mark {
    const { mark, batches } = present(this.#inJournal, 'a group is in the round');
    this.#inJournal = undefined;
    this.#parts.slabs.releaseAll(batches);
    return mark;
  }

  #mark(): Mark {
    return this.#progress.mark(this.#active());
  }

  #count(mark: Mark): void {
    if (this.#progress.count(mark)) this.#events.advanced(mark.end);
  }

  #active(): ActiveSegment {
    return present(this.#parts.segments.active, 'a log that takes appends has an active segment');
  }

  #goOn(): void {
    if (this.#state === 'closed') return;
    const uncovered = this.#parts.config.flush === 'commit' && this.#progress.unsyncedBytes > 0;
    if (uncovered || this.#settling.size > 0) this.#startSync();
    this.flush();
  }

  /** Told even of a log that is offline or closed by now: whoever goes on after it reads back what is not on the disk. */
  #syncFailed(error: DiskError): void {
    if (this.#state !== 'closed') {
      this.#state = 'faulted';
      if (this.#parts.config.flush === 'commit') cutUnsynced(this.#parts, this.#progress.synced);
      this.#letGo();
    }
    this.#events.fault(error, 'sync');
  }

  #letGo(): void {
    this.#intervalSync.cancel();
    this.#steps.cancel();
    this.#queue.clear();
    this.#file.release();
    this.#events.over();
  }
}
