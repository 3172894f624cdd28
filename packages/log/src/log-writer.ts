import { assert, present } from '@weir/base/assert.ts';
import type { Cancel } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import { offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import { FLUSH_INTERVAL_MS, JOURNAL_GROUP_BYTES_MAX } from '@weir/base/limits.ts';
import { AppendQueue } from './append-queue.ts';
import { cutUnsynced } from './cut-unsynced.ts';
import type { JournalGroup, JournalMember } from './journal/journal.ts';
import { passesByItself } from './log-errors.ts';
import type { LogFault, LogWriterEvents, LogWriterParts, Mark } from './log-writer-parts.ts';
import type { HeldFile } from './open-files.ts';
import { closeSegment, sealSegment } from './seal-segment.ts';
import type { ActiveSegment } from './segment.ts';
import { SettleWaiters } from './settle-waiters.ts';
import { stampBatch } from './stamp-batch.ts';
import { WriteRetry } from './write-retry.ts';

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
  readonly #queue = new AppendQueue();
  #state: 'open' | 'damaged' | 'faulted' | 'closed';
  #endOffset: Offset;
  #durableEnd: Offset;
  #writtenBytes = 0;
  #countedBytes = 0;
  /** What a returned sync covers, the journal's or the file's own. */
  #synced: Mark;
  /** What the active segment's own file has durably. */
  #settled: Mark;
  /** The group is in the journal's round: what that will cover, and its memory, which the journal has yet to write. */
  #inJournal: { readonly mark: Mark; readonly batches: readonly Buffer[] } | undefined;
  /** Since when a sync of the own file is under way; never two, as a failure is reported to one of them alone. */
  #syncingSinceMs: number | undefined;
  /** A sync that was made while another one was under way counts once that one is back without an error. */
  #syncedMeanwhile: Mark | undefined;
  /** Who waits for the own file. */
  readonly #settling = new SettleWaiters();
  /** The active segment's file, held as long as it has something unsettled. */
  #held: HeldFile | undefined;
  #cancelTimer: Cancel | undefined;
  readonly #retry: WriteRetry;
  #discarded = false;

  constructor(parts: LogWriterParts, damaged: boolean, events: LogWriterEvents) {
    const { segments, durableFrom } = parts;
    this.#parts = parts;
    this.#retry = new WriteRetry(parts.clock);
    this.#events = events;
    this.#state = damaged ? 'damaged' : 'open';
    this.#endOffset = segments.count === 0 ? offset(0) : segments.at(segments.count - 1).endOffset;
    this.#durableEnd = this.#endOffset;
    // A damaged log ends below its checkpoint: that must not come down, or the next start would take it for torn.
    this.#synced = {
      end: offset(Math.max(this.#endOffset, durableFrom)),
      writtenBytes: 0,
      position: segments.active?.bytes ?? 0,
    };
    this.#settled = this.#synced;
  }

  get endOffset(): Offset {
    return this.#endOffset;
  }

  get durableEnd(): Offset {
    return this.#durableEnd;
  }

  /** All below it is covered by a sync that returned. */
  get syncedEnd(): Offset {
    return this.#synced.end;
  }

  get pendingBytes(): number {
    return this.#writtenBytes + this.#queue.bytes - this.#countedBytes;
  }

  get syncing(): boolean {
    return this.#syncUnderWay || this.#inJournal !== undefined;
  }

  get syncingSinceMs(): number | undefined {
    return this.#syncingSinceMs;
  }

  get #syncUnderWay(): boolean {
    return this.#syncingSinceMs !== undefined;
  }

  get state(): 'open' | 'damaged' | 'faulted' | 'closed' {
    return this.#state;
  }

  /** Why nothing can be written for now, though nothing is lost: it goes on by itself. */
  get stuck(): string | undefined {
    return this.#retry.why;
  }

  /** Gives a batch its offsets and queues it; see `Log.append`. */
  append(batch: Buffer): Offset {
    const { config, epochs, slabs } = this.#parts;
    assert(this.#state === 'open', 'batches go to a log that takes appends');
    assert(batch.length <= config.groupBytesMax, 'a batch fits a group');
    const epoch = epochs.latest;
    assert(epoch !== -1, 'an epoch begins before the first append');
    const base = this.#endOffset;
    this.#endOffset = stampBatch(batch, base, epoch);
    slabs.retain(batch);
    this.#queue.push(batch);
    return base;
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
    this.#guard('append', () => epochs.begin(epoch, this.#endOffset, disk, directory));
  }

  /**
   * Brings all that was appended to the log's own files before it returns.
   *
   * @throws DiskError, after `fault` unless it is for want of room or descriptors: then it can be tried again
   */
  writeAllAndSync(): void {
    if (this.#settled.writtenBytes < this.#writtenBytes) this.#syncNow();
    while (this.#queue.first !== undefined) {
      this.#guard('append', () => this.#parts.slabs.releaseAll(this.#writeGroup()));
      this.#syncNow();
    }
  }

  /**
   * Seals the active segment although it has room, so that it can be removed. False: not now, a sync is under way or
   * the disk has no room.
   *
   * @throws DiskError, after `fault`
   */
  sealActive(): boolean {
    if (!this.#mayWrite || this.#active().bytes === 0) return false;
    if (this.#settled.writtenBytes < this.#writtenBytes) {
      this.#startSync();
      return false;
    }
    return this.#attempt(() => this.#roll());
  }

  /** A disk fault, met here or by a reader. */
  fault(error: DiskError, what: LogFault): void {
    if (what === 'sync' || error.duringSync) return this.#syncFailed(error);
    if (this.#state !== 'open') return;
    this.#state = 'faulted';
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
        if (!this.#syncUnderWay) this.#guard('append', () => closeSegment(this.#parts, this.#active()));
      }
      return !this.#syncUnderWay && this.#settled.writtenBytes === this.#writtenBytes;
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
    const { directory, epochs } = this.#parts;
    const first = this.#queue.first;
    if (!this.#mayWrite || first === undefined) return undefined;
    // It has grown, or needs a new segment: that is not the round's business.
    if (this.#queue.bytes > JOURNAL_GROUP_BYTES_MAX || !this.#hasRoom(first)) {
      this.#flushOwn();
      return undefined;
    }
    const active = this.#active();
    const { bytes: position, endOffset: base } = active;
    const batches = this.#tryGroup();
    if (batches === undefined) return undefined;
    const mark = this.#mark();
    this.#inJournal = { mark, batches };
    const bytes = mark.position - position;
    const place = {
      directory,
      segmentBase: active.baseOffset,
      position,
      base,
      end: mark.end,
      epoch: epochs.latest,
      bytes,
    };
    return { place, batches };
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
    if (this.#settled.end >= end || this.#discarded || this.#parts.segments.active === undefined) return done();
    // Of a log that was closed before all of it was synced the journal keeps what it has.
    this.#settling.add(end, done);
    if (this.#state !== 'closed') this.#startSync();
  }

  /**
   * Not while its group is on the way. And not while its file is being synced: the system would make the write wait for
   * that, and with it everything else in this process (measured: 20 ms; ADR 10).
   */
  get #mayWrite(): boolean {
    return (
      this.#state === 'open' && this.#retry.why === undefined && !this.#syncUnderWay && this.#inJournal === undefined
    );
  }

  #flushGroup(): void {
    const first = this.#queue.first;
    if (first === undefined) return;
    const { journal } = this.#parts;
    if (journal?.accepting === true && this.#queue.bytes <= JOURNAL_GROUP_BYTES_MAX && this.#hasRoom(first)) {
      journal.want(this);
    } else {
      this.#flushOwn();
    }
  }

  /** The next group with a sync of its own. */
  #flushOwn(): void {
    const first = present(this.#queue.first, 'a group has a batch');
    // A segment is sealed without a wait: what the journal alone has of it is synced before, in the background.
    if (!this.#hasRoom(first) && this.#settled.writtenBytes < this.#writtenBytes) return this.#startSync();
    const batches = this.#tryGroup();
    if (batches === undefined) return;
    this.#parts.slabs.releaseAll(batches);
    this.#startSync();
  }

  #flushThrough(): void {
    const { groupBytesMax, flushIntervalBytes } = this.#parts.config;
    while (this.#queue.first !== undefined) {
      const unsynced = this.#writtenBytes - this.#synced.writtenBytes;
      if (unsynced > 0 && (unsynced + groupBytesMax > flushIntervalBytes || !this.#hasRoom(this.#queue.first))) break;
      const batches = this.#tryGroup();
      if (batches === undefined) break;
      this.#parts.slabs.releaseAll(batches);
    }
    if (this.#state !== 'open') return;
    const unsynced = this.#writtenBytes - this.#synced.writtenBytes;
    if (unsynced * 2 >= flushIntervalBytes || this.#queue.first !== undefined) this.#startSync();
    else this.#armTimer();
    this.#count(this.#mark());
  }

  /** `#writeGroup`; undefined when the disk did not take it. */
  #tryGroup(): readonly Buffer[] | undefined {
    let batches: readonly Buffer[] | undefined;
    this.#attempt(() => (batches = this.#writeGroup()));
    return batches;
  }

  /** Writes the next group, into a new segment when the active one has no room for its first batch. */
  #writeGroup(): readonly Buffer[] {
    const { config } = this.#parts;
    const first = present(this.#queue.first, 'a group has a batch');
    // While a sync is under way (an epoch begins meanwhile) the segment grows past its size instead: should the sync fail,
    // all that did not count has to lie in one file to be cut.
    if (!this.#hasRoom(first) && !this.#syncUnderWay) this.#roll();
    const active = this.#active();
    const before = active.bytes;
    const count = this.#queue.count(config.groupBytesMax, (batch, groupBytes) =>
      active.hasRoomFor(batch, before + groupBytes, config.segmentBytes),
    );
    const { file } = this.#hold();
    try {
      active.append(file, this.#queue.peek(count));
    } catch (error) {
      // It may be tried again, when the disk has room: then it begins where this one began.
      if (error instanceof DiskError && passesByItself(error)) file.truncate(before);
      throw error;
    }
    this.#writtenBytes += active.bytes - before;
    return this.#queue.take(count);
  }

  #hasRoom(batch: Buffer): boolean {
    const active = this.#active();
    return active.hasRoomFor(batch, active.bytes, this.#parts.config.segmentBytes);
  }

  /** Seals the active segment, which is durable before the next one exists. */
  #roll(): void {
    const { files, segments } = this.#parts;
    assert(!this.#syncUnderWay, 'a segment is not sealed while a sync of it is under way');
    // Whatever has been written: a group that was cut back for want of room is not to come back in a sealed segment.
    this.#syncNow();
    const next = sealSegment(this.#parts, this.#active());
    if (this.#held !== undefined) files.release(this.#held);
    this.#held = undefined;
    segments.roll(next);
    this.#synced = { ...this.#synced, position: 0 };
    this.#settled = this.#synced;
  }

  #hold(): HeldFile {
    this.#held ??= this.#parts.files.acquire(this.#active().baseOffset, 'append');
    return this.#held;
  }

  #startSync(): void {
    const { clock, files } = this.#parts;
    if (this.#syncUnderWay) return;
    const mark = this.#mark();
    if (mark.writtenBytes === this.#settled.writtenBytes) return this.#settle(mark);
    if (!this.#attempt(() => this.#hold())) return;
    // To open a file may make other logs settle, and this one as well.
    if (this.#syncUnderWay) return;
    const held = files.acquire(this.#active().baseOffset, 'append');
    const startedMs = clock.monotonicMs();
    this.#syncingSinceMs = startedMs;
    const bytes = mark.writtenBytes - this.#settled.writtenBytes;
    held.file.sync((error) => {
      files.release(held);
      this.#syncingSinceMs = undefined;
      if (error !== undefined) return this.#syncFailed(error);
      this.#events.synced(clock.monotonicMs() - startedMs, bytes);
      const covered = this.#syncedMeanwhile ?? mark;
      this.#syncedMeanwhile = undefined;
      if (this.#state === 'open') this.#cover(covered);
      this.#settle(covered);
      if (this.#state !== 'open') return;
      this.flush();
      if (this.#synced.writtenBytes < this.#writtenBytes) this.#armTimer();
    });
  }

  #syncNow(): void {
    const { file } = this.#guard('append', () => this.#hold());
    this.#guard('sync', () => file.syncNow());
    // A failed sync is reported once. Should it be the one under way that gets the report, then this one was no good.
    if (this.#syncUnderWay) {
      this.#syncedMeanwhile = this.#mark();
      return;
    }
    this.#cover(this.#mark());
    this.#settle(this.#synced);
  }

  /** A sync that returned covers this. */
  #cover(mark: Mark): void {
    if (mark.writtenBytes > this.#synced.writtenBytes) this.#synced = mark;
    this.#count(mark);
  }

  /** So does the segment's own file. */
  #settle(mark: Mark): void {
    // A segment that was sealed meanwhile was synced before that.
    if (mark.writtenBytes > this.#settled.writtenBytes) this.#settled = mark;
    if (this.#held !== undefined && this.#settled.writtenBytes === this.#writtenBytes) {
      this.#parts.files.release(this.#held);
      this.#held = undefined;
    }
    this.#settling.settled(this.#settled.end);
    if (this.#settling.size > 0) this.#startSync();
  }

  #leaveJournal(): Mark {
    const { mark, batches } = present(this.#inJournal, 'a group is in the round');
    this.#inJournal = undefined;
    this.#parts.slabs.releaseAll(batches);
    return mark;
  }

  #armTimer(): void {
    const { clock, config } = this.#parts;
    if (config.flush === 'commit' || this.#syncUnderWay) return;
    if (this.#synced.writtenBytes === this.#writtenBytes) return;
    this.#cancelTimer ??= clock.after(FLUSH_INTERVAL_MS, () => {
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
    this.#events.advanced(end);
  }

  #active(): ActiveSegment {
    return present(this.#parts.segments.active, 'a log that takes appends has an active segment');
  }

  /**
   * Runs a step that can be taken again as it was. For want of room or descriptors it is, after a while; any other disk
   * fault is this log's end. False when it was not done.
   */
  #attempt(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (!passesByItself(error)) this.fault(error, 'append');
      else if (this.#state !== 'closed') this.#retry.after(error, () => this.#goOn());
      return false;
    }
  }

  #goOn(): void {
    const uncovered = this.#parts.config.flush === 'commit' && this.#synced.writtenBytes < this.#writtenBytes;
    if (uncovered || this.#settling.size > 0) this.#startSync();
    this.flush();
  }

  #guard<T>(what: LogFault, act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (error instanceof DiskError && !(what === 'append' && passesByItself(error))) this.fault(error, what);
      throw error;
    }
  }

  /** Told even of a log that is offline or closed by now: whoever goes on after it reads back what is not on the disk. */
  #syncFailed(error: DiskError): void {
    if (this.#state !== 'closed') {
      this.#state = 'faulted';
      if (this.#parts.config.flush === 'commit') cutUnsynced(this.#parts, this.#synced);
      this.#letGo();
    }
    this.#events.fault(error, 'sync');
  }

  #letGo(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#retry.cancel();
    this.#parts.slabs.releaseAll(this.#queue.clear());
    if (this.#held !== undefined) this.#parts.files.release(this.#held);
    this.#held = undefined;
    this.#events.over();
  }
}
