import { assert } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import { DiskError, type Disk, type DiskFile } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import { JOURNAL_FILES_MAX, JOURNAL_ROUND_BYTES, JOURNAL_SETTLES_MAX } from '@weir/base/limits.ts';
import type { Random } from '@weir/base/random.ts';
import { passesByItself } from '../log-errors.ts';
import { createJournalFile, JOURNAL_DIRECTORY, journalNumbers, journalPath } from './journal-file.ts';
import { encodeFrameHeader, FRAME_MARK_BYTES, type GroupPlace } from './journal-frame.ts';

/** What a log puts into a round. */
export interface JournalGroup {
  readonly place: GroupPlace;
  readonly batches: readonly Buffer[];
}

/** A log, as the journal sees it. */
export interface JournalMember {
  /** Writes its next group to its own file, unsynced, and hands it over; undefined: nothing for this round. */
  takeGroup(): JournalGroup | undefined;
  /** The group that was taken is durable; an error: its sync failed, and the process must end. */
  journaled(error: DiskError | undefined): void;
  /** Nobody else is in the round: the log syncs its own file, which costs as much and is written once. */
  alone(): void;
  /** The journal took nothing: the log has to sync its own file. */
  unjournaled(): void;
  /** Syncs its own file up to an offset, unless that has happened; a failed sync is not `done`, it ends the process. */
  settle(end: Offset, done: () => void): void;
}

interface JournalFile {
  readonly number: number;
  readonly mark: Buffer;
  readonly file: DiskFile;
  /** Who has groups in it, and up to which offset. */
  readonly ends: Map<JournalMember, Offset>;
}

/** What the journal needs. */
export interface JournalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * One sync for the small groups of many logs. A log writes its group to its own file, without a sync, and hands the same
 * bytes to the journal; when the journal is synced, the groups of all logs in that round are durable. The logs' own
 * files are synced behind it, and a journal file is removed once all logs that have groups in it have done so. After a
 * crash `replayJournal` puts into the logs' files what the system had not written yet.
 *
 * Why: with a hundred partitions and a record each, syncs of their own make a twentieth of the throughput (ADR 9).
 *
 * Invariant: a group whose log's own file is not synced lies in a journal file that is there.
 */
export class Journal {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #random: Random;
  #fileBytes = 0;
  /** Oldest first; the last one is being written. */
  readonly #files: JournalFile[] = [];
  #nextNumber = 1;
  #nextFrame = 1;
  #wanting = new Set<JournalMember>();
  #inRound: JournalMember[] = [];
  #syncingSinceMs: number | undefined;
  #scheduled = false;
  #settling = 0;
  #broken = false;
  #relieving = false;
  #resting = false;
  /** False before `begin` and after `close`. */
  #open = false;

  /** A sync came back: how long it took, and how many groups it made durable. */
  onRound: (durationMs: number, groups: number) => void = () => {};
  /** It cannot be written any more: logs sync their own files until the next start. */
  onBroken: (error: DiskError) => void = () => {};

  constructor({ disk, clock, random }: JournalOptions) {
    this.#disk = disk;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Takes groups from now on, in the place of the last run's journal, which is removed: what it held is durable in the
   * logs' own files once all of them are open. On a small disk its files are small.
   *
   * @throws DiskError
   */
  begin(fileBytes: number): void {
    const disk = this.#disk;
    this.#fileBytes = fileBytes;
    const numbers = journalNumbers(disk);
    this.#nextNumber = (numbers?.at(-1) ?? 0) + 1;
    disk.makeDirectory(JOURNAL_DIRECTORY);
    disk.syncDirectory('.');
    for (const number of numbers ?? []) this.#removeFile(number);
    this.#open = true;
  }

  /** Whether groups are taken. Otherwise, as when it waits for the logs' own syncs, logs do without it. */
  get accepting(): boolean {
    return this.#open && !this.#broken && this.#files.length <= JOURNAL_FILES_MAX;
  }

  /** Since when, on the monotonic clock, a round's sync is under way; undefined: none is. */
  get syncingSinceMs(): number | undefined {
    return this.#syncingSinceMs;
  }

  get #syncing(): boolean {
    return this.#syncingSinceMs !== undefined;
  }

  /** Bytes in its files. */
  get bytes(): number {
    let bytes = 0;
    for (const { file } of this.#files) bytes += file.size;
    return bytes;
  }

  /** The log has a group for the next round: that goes out at the end of this turn, or when the one before is back. */
  want(member: JournalMember): void {
    this.#wanting.add(member);
    if (this.#scheduled || this.#syncing) return;
    this.#scheduled = true;
    this.#clock.endOfTurn(() => {
      this.#scheduled = false;
      this.#nextRound();
    });
  }

  /**
   * Lets logs settle that have groups in the oldest file, so that it can go: there are too many open files. At the end of
   * the turn: who opens a file is in the middle of something.
   */
  relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    this.#clock.endOfTurn(() => {
      this.#relieving = false;
      this.#relieve();
    });
  }

  /** No log is asked to settle any more: they are about to be closed, which settles them. */
  rest(): void {
    this.#resting = true;
  }

  #relieve(): void {
    if (this.#resting || this.#settling > 0 || this.#files.length === 0) return;
    if (this.#files.length === 1) {
      if (this.#syncing || this.#files[0]!.ends.size === 0) return;
      try {
        this.#startFile();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        return;
      }
    }
    this.#trim();
  }

  /**
   * Ends it. `settled`: all its logs were closed with all they wrote durable in their own files, so that nothing of it is
   * needed any more.
   *
   * @throws DiskError
   */
  close(settled: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    for (const { file, number } of this.#files) {
      file.close();
      if (settled) this.#removeFile(number);
    }
  }

  /** Durably, before the next one goes: a file that is missing between others reads as damage. */
  #removeFile(number: number): void {
    this.#disk.removeFile(journalPath(number));
    this.#disk.syncDirectory(JOURNAL_DIRECTORY);
  }

  /** Writes and syncs the next round, unless one is under way: then it goes out when that is back. */
  #nextRound(): void {
    if (this.#syncing || !this.#open) return;
    if (this.#wanting.size === 1) {
      for (const member of this.#wanting) {
        this.#wanting.delete(member);
        member.alone();
      }
      return;
    }
    const groups = this.#takeGroups();
    if (groups.length === 0) return;
    let current: JournalFile;
    try {
      current = this.#fileForRound();
      this.#write(current, groups);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (!passesByItself(error)) this.#break(error);
      const refused = this.#inRound;
      this.#inRound = [];
      for (const member of refused) member.unjournaled();
      return this.#nextRound();
    }
    for (const [i, { place }] of groups.entries()) current.ends.set(this.#inRound[i]!, place.end);
    const startedMs = this.#clock.monotonicMs();
    this.#syncingSinceMs = startedMs;
    current.file.sync((error) => this.#synced(error, this.#clock.monotonicMs() - startedMs));
  }

  #takeGroups(): JournalGroup[] {
    assert(this.#inRound.length === 0, 'one round is under way at a time');
    const groups: JournalGroup[] = [];
    let bytes = 0;
    for (const member of this.#wanting) {
      this.#wanting.delete(member);
      const group = member.takeGroup();
      if (group === undefined) continue;
      groups.push(group);
      this.#inRound.push(member);
      bytes += group.place.bytes;
      if (bytes >= JOURNAL_ROUND_BYTES) break;
    }
    return groups;
  }

  #fileForRound(): JournalFile {
    if (this.#broken) throw new DiskError('EIO', 'the journal cannot be written');
    const current = this.#files.at(-1);
    if (current !== undefined && current.file.size < this.#fileBytes) return current;
    const next = this.#startFile();
    this.#trim();
    return next;
  }

  #startFile(): JournalFile {
    const mark = Buffer.from(this.#random.bytes(FRAME_MARK_BYTES));
    const number = this.#nextNumber;
    // Should it fail, and leave a file behind, the next try has another name; an empty file is no gap.
    this.#nextNumber = number + 1;
    const file = this.#create(number, mark);
    const started = { number, mark, file, ends: new Map<JournalMember, Offset>() };
    this.#files.push(started);
    return started;
  }

  #create(number: number, mark: Buffer): DiskFile {
    try {
      return createJournalFile(this.#disk, number, mark);
    } catch (error) {
      const left = (this.#disk.list(JOURNAL_DIRECTORY) ?? []).some((name) => journalPath(number).endsWith(name));
      if (!left) this.#nextNumber = number;
      throw error;
    }
  }

  #write({ file, mark }: JournalFile, groups: readonly JournalGroup[]): void {
    const before = file.size;
    const buffers = [
      encodeFrameHeader(
        mark,
        this.#nextFrame,
        groups.map(({ place }) => place),
      ),
    ];
    for (const { batches } of groups) for (const batch of batches) buffers.push(batch);
    try {
      file.append(buffers);
    } catch (error) {
      // Half a frame in front of a whole one would read as damage.
      this.#cutBack(file, before);
      throw error;
    }
    this.#nextFrame += 1;
  }

  #cutBack(file: DiskFile, size: number): void {
    try {
      if (file.size > size) file.truncate(size);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#break(error);
    }
  }

  #break(error: DiskError): void {
    if (this.#broken) return;
    this.#broken = true;
    this.onBroken(error);
  }

  #synced(error: DiskError | undefined, durationMs: number): void {
    this.#syncingSinceMs = undefined;
    const members = this.#inRound;
    this.#inRound = [];
    if (error !== undefined) this.#broken = true;
    else this.onRound(durationMs, members.length);
    for (const member of members) member.journaled(error);
    if (error === undefined) this.#nextRound();
  }

  /** Lets the logs of the oldest file settle, as long as it is not the one that is written; then it goes. */
  #trim(): void {
    const oldest = this.#files[0];
    if (oldest === undefined || this.#files.length === 1 || this.#settling > 0 || !this.#open || this.#resting) return;
    const waiting = oldest.ends.entries();
    const settleOn = (): void => {
      for (;;) {
        const { done, value } = waiting.next();
        if (done === true) break;
        const [member, end] = value;
        let within = true;
        let settled = false;
        member.settle(end, () => {
          settled = true;
          if (!within) settleOn();
        });
        within = false;
        if (!settled) return;
      }
      this.#settling -= 1;
      if (this.#settling === 0) this.#remove(oldest);
    };
    this.#settling = JOURNAL_SETTLES_MAX;
    for (let started = 0; started < JOURNAL_SETTLES_MAX; started++) settleOn();
  }

  #remove(oldest: JournalFile): void {
    if (!this.#open) return;
    assert(this.#files[0] === oldest, 'the oldest journal file goes first');
    this.#files.shift();
    oldest.file.close();
    try {
      this.#removeFile(oldest.number);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // What stays behind only repeats what the logs have; but the directory cannot be trusted with more.
      this.#break(error);
    }
    this.#trim();
  }
}
