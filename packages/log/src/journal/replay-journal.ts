import { DiskError, type Disk, type DiskFile } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { passesByItself } from '../log-errors.ts';
import { segmentBasesIn } from '../log-folder.ts';
import { segmentPath } from '../segment.ts';
import { readTruncationMark } from '../truncation-mark.ts';
import { JOURNAL_HEADER_BYTES, journalNumbers, journalPath, markOf } from './journal-file.ts';
import { decodeFrame, type Frame } from './journal-frame.ts';

/** What the journal gave back. */
export interface JournalReplay {
  /**
   * A log's directory → the offset below which its records are durable: a log that ends before it has lost some, also one that
   * is not there. 0 when all that the journal has of it is older than its last cut.
   */
  readonly ends: ReadonlyMap<string, Offset>;
  /** Why groups that were durable may be missing, and nobody knows whose; undefined when none are. */
  readonly damage: string | undefined;
  readonly groups: number;
  /** Groups that the logs' files did not have, or not whole, and have now. */
  readonly restored: number;
  /** Directories of logs whose files refused their groups: the journal is the only one that has them. */
  readonly refused: readonly string[];
}

/**
 * Puts what the journal holds into the logs' files, each group at its place and durably, after whatever ended the last
 * process. Doing it twice does no harm.
 *
 * The last frame may be torn: it never counted. A bad frame in front of a good one was durable once.
 *
 * @param expected whether there has to be a journal: without one, what only it had is lost
 * @throws DiskError when a sync failed, or for want of room or descriptors; Error when a newer Weir wrote a file
 */
export function replayJournal(disk: Disk, { expected }: { readonly expected: boolean }): JournalReplay {
  const numbers = journalNumbers(disk);
  const replay = new Replay(disk);
  if (numbers === undefined) {
    if (expected) replay.note('the journal is missing');
    return replay.report();
  }
  try {
    for (const [i, number] of numbers.entries()) {
      const first = numbers[0]!;
      if (number !== first + i) replay.note(`${journalPath(first + i)} is missing`);
      replay.file(number);
    }
  } finally {
    replay.closeTargets();
  }
  return replay.report();
}

/** Segment files that stay open while groups for many logs come in turn. */
const TARGETS_MAX = 128;

class Replay {
  readonly #disk: Disk;
  readonly #ends = new Map<string, Offset>();
  #nextFrame: number | undefined;
  /** A place with a bad frame, until a good one behind it proves that it was durable. */
  #doubtful: string | undefined;
  #damage: string | undefined;
  #groups = 0;
  #restored = 0;
  /** Logs that are not there. */
  readonly #skipped = new Set<string>();
  readonly #refused = new Set<string>();
  /** By directory: groups below it are older than the log's last cut. */
  readonly #cuts = new Map<string, Offset>();
  /** By directory: where its segments begin, in order. */
  readonly #segments = new Map<string, readonly Offset[]>();
  readonly #targets = new Map<string, DiskFile>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  note(damage: string): void {
    this.#damage ??= damage;
  }

  report(): JournalReplay {
    return {
      ends: this.#ends,
      damage: this.#damage,
      groups: this.#groups,
      restored: this.#restored,
      refused: [...this.#refused],
    };
  }

  file(number: number): void {
    const path = journalPath(number);
    const bytes = this.#read(path);
    if (bytes === undefined) return;
    const mark = markOf(number, bytes);
    if (mark === undefined) {
      // A crash may leave a file that was just made without its header, which is durable before the first frame.
      if (bytes.subarray(JOURNAL_HEADER_BYTES).some((byte) => byte !== 0)) {
        this.note(`the header of ${path} is damaged`);
      }
      return;
    }
    let at = JOURNAL_HEADER_BYTES;
    while (at < bytes.length) {
      const frame = decodeFrame(mark, bytes, at);
      if (frame !== undefined) {
        this.#frame(frame, path);
        at = frame.end;
        continue;
      }
      this.#doubtful ??= `${path} has a bad frame at byte ${at}`;
      at = bytes.indexOf(mark, at + 1);
      if (at < 0) return;
    }
  }

  #read(path: string): Buffer | undefined {
    try {
      return this.#disk.readFile(path);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.note(`${path} cannot be read: ${error.message}`);
      return undefined;
    }
  }

  #frame({ number, groups }: Frame, path: string): void {
    if (this.#doubtful !== undefined) {
      this.note(this.#doubtful);
    } else if (this.#nextFrame !== undefined && number !== this.#nextFrame) {
      this.note(`frames ${this.#nextFrame} to ${number - 1} are missing in front of ${path}`);
    }
    this.#nextFrame = number + 1;
    this.#doubtful = undefined;
    for (const group of groups) this.#group(group);
  }

  #group(group: Frame['groups'][number]): void {
    const { directory, end } = group;
    if (this.#skipped.has(directory) || this.#refused.has(directory)) return this.#raise(directory, end);
    this.#groups += 1;
    try {
      // All that is left of those is durable in the log's own files.
      if (group.base < this.#cutOf(directory)) return this.#raise(directory, offset(0));
      if (this.#isSealed(group)) return this.#raise(directory, end);
      if (!this.#restore(group) && this.#disk.list(directory) === undefined) {
        // The partition was deleted; one that lost its folder is missed by the checkpoint.
        this.#skipped.add(directory);
        return this.#raise(directory, end);
      }
    } catch (error) {
      // Without room or descriptors the start has to wait: everything is still in the journal.
      if (!(error instanceof DiskError) || passesByItself(error)) throw error;
      // That is this log's trouble: it opens with the same error, or ends too early.
      this.#refused.add(directory);
    }
    this.#raise(directory, end);
  }

  #raise(directory: string, end: Offset): void {
    this.#ends.set(directory, offset(Math.max(end, this.#ends.get(directory) ?? 0)));
  }

  #cutOf(directory: string): Offset {
    let cut = this.#cuts.get(directory);
    if (cut === undefined) {
      const mark = readTruncationMark(this.#disk, directory);
      if (mark === 'damaged') throw new DiskError('EBADMSG', `the truncation mark of ${directory} is damaged`);
      cut = mark?.until ?? offset(0);
      this.#cuts.set(directory, cut);
    }
    return cut;
  }

  /**
   * Whether another segment follows behind the group: the group's own was durable in its file before that one was made, and
   * may have been written anew by compaction since.
   */
  #isSealed({ directory, segmentBase, end }: Frame['groups'][number]): boolean {
    let bases = this.#segments.get(directory);
    if (bases === undefined) {
      bases = segmentBasesIn(this.#disk.list(directory) ?? []);
      this.#segments.set(directory, bases);
    }
    return bases.some((base) => base > segmentBase && base >= end);
  }

  /** False when the segment is not there: it may be gone by retention; else the log finds out that it ends too early. */
  #restore({ directory, segmentBase, position, batches }: Frame['groups'][number]): boolean {
    const target = this.#target(segmentPath(directory, segmentBase, '.log'));
    if (target === undefined) return false;
    const there = Buffer.allocUnsafe(batches.length);
    if (target.readNow(there, position) !== batches.length || !there.equals(batches)) this.#restored += 1;
    // Written in any case: after a failed sync the system shows what is not on the disk, and takes it for written.
    target.writeAt(position, batches);
    return true;
  }

  /** A segment file, which stays open for the next group; undefined when it is not there. */
  #target(path: string): DiskFile | undefined {
    const open = this.#targets.get(path);
    if (open !== undefined) return open;
    if (this.#targets.size >= TARGETS_MAX) this.closeTargets();
    try {
      const target = this.#disk.open(path, 'update');
      this.#targets.set(path, target);
      return target;
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Syncs and closes what was written to. A failed sync ends the start. */
  closeTargets(): void {
    try {
      for (const file of this.#targets.values()) file.syncNow();
    } finally {
      for (const file of this.#targets.values()) file.close();
      this.#targets.clear();
    }
  }
}
