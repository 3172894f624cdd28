import { assert } from '@weir/base/assert.ts';
import { replaceFile, type Disk } from '@weir/base/disk.ts';
import { leaderEpoch, offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import { crc32c } from '@weir/records/crc32c.ts';
import { decodeStored, encodeStored, STORED_FRAME_BYTES } from './stored-file.ts';

const KIND = { magic: 'WEPO', version: 2, name: 'leader-epoch file' };
const NAME = 'leader-epochs';
const ENTRY_BYTES = 16;
const NO_BODY = Buffer.alloc(0);
/** Epochs that got no record, as when a broker starts again and again, stay in the file up to so many. */
const REPLACED_ENTRIES_MAX = 64;

interface EpochStart {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

/**
 * Which leader epoch each offset of a log was appended in (KIP-101).
 *
 * Invariant: both epochs and start offsets of the entries strictly increase.
 */
export class LeaderEpochs {
  #entries: EpochStart[] = [];
  /** So many of the last ones have no record in the log's files yet, and are not in the file either. */
  #ahead = 0;
  /** There is a file, and entries may be appended to it. */
  #whole = false;
  /** Entries in the file; those that a later one has replaced are among them. */
  #stored = 0;
  /** Where the last of them starts; -1 without any. */
  #storedStart = -1;

  /**
   * Reads the file: the frame of a stored file without a body, and behind it the entries, each an epoch (4), the offset
   * at which it starts (8) and a CRC32C (4), little-endian. What lies in front of a missing or bad byte is kept.
   *
   * @throws Error when a newer Weir wrote it
   */
  static read(disk: Disk, directory: string): { readonly epochs: LeaderEpochs; readonly whole: boolean } {
    const path = `${directory}/${NAME}`;
    const bytes = disk.readFile(path);
    const epochs = new LeaderEpochs();
    const broken = { epochs, whole: false };
    if (bytes === undefined || bytes.length < STORED_FRAME_BYTES) return broken;
    const frame = bytes.subarray(0, STORED_FRAME_BYTES + bytes.readUInt32LE(8));
    if (decodeStored(KIND, path, frame)?.length !== 0) return broken;
    for (let at = STORED_FRAME_BYTES; at < bytes.length; at += ENTRY_BYTES) {
      if (at + ENTRY_BYTES > bytes.length) return broken;
      if (crc32c(bytes.subarray(at, at + 12)) !== bytes.readUInt32LE(at + 12)) return broken;
      const startOffset = offset(Number(bytes.readBigInt64LE(at + 4)));
      epochs.note(leaderEpoch(bytes.readUInt32LE(at)), startOffset);
      epochs.#stored += 1;
      epochs.#storedStart = startOffset;
    }
    epochs.#whole = true;
    return { epochs, whole: true };
  }

  /** The latest epoch, -1 before the first. */
  get latest(): LeaderEpoch | -1 {
    return this.#entries.at(-1)?.epoch ?? -1;
  }

  /** Where the latest epoch starts: all below it was durable when the epoch began. */
  get latestStart(): Offset {
    return this.#entries.at(-1)?.startOffset ?? offset(0);
  }

  /** The epoch that covers an offset, -1 when none does. */
  at(value: number): LeaderEpoch | -1 {
    // From the end: what is asked for is nearly always in the latest epochs.
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const entry = this.#entries[i]!;
      if (entry.startOffset <= value) return entry.epoch;
    }
    return -1;
  }

  /** Whether a batch of an epoch at an offset is of another epoch than is known of that offset. */
  contradict(epoch: number, base: Offset): boolean {
    const known = this.at(base);
    return known !== -1 && known !== epoch;
  }

  /**
   * Where an epoch ended: the largest epoch up to it that there was, and the offset at which the next one begins. -1
   * twice: no epoch that late has begun here (KIP-101).
   */
  endOf(epoch: number, logEnd: Offset): { readonly epoch: number; readonly endOffset: number } {
    if (epoch < 0 || epoch > this.latest) return { epoch: -1, endOffset: -1 };
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch);
    if (next === -1) return { epoch: this.latest, endOffset: logEnd };
    // Before the first that is known: nothing of it is left, and what is known begins there.
    return { epoch: this.#entries[next - 1]?.epoch ?? epoch, endOffset: this.#entries[next]!.startOffset };
  }

  /** Adds an epoch in memory. Earlier epochs that got no record are forgotten. */
  note(epoch: LeaderEpoch, startOffset: Offset): void {
    assert(epoch > this.latest, `epoch ${epoch} begins after epoch ${this.latest}`);
    assert(startOffset >= this.latestStart, `epoch ${epoch} starts at ${startOffset}, before the epoch in front of it`);
    if (this.#entries.at(-1)?.startOffset === startOffset) this.#pop();
    this.#entries.push({ epoch, startOffset });
  }

  /** Adds an epoch that a batch brings which is not written yet. The disk has it before the batch: see `record`. */
  noteAhead(epoch: LeaderEpoch, startOffset: Offset): void {
    this.note(epoch, startOffset);
    this.#ahead += 1;
  }

  /** Whether the batch at an offset may not be written before `record` was called for it. */
  isAhead(base: Offset): boolean {
    return this.#ahead > 0 && this.#entries.at(-this.#ahead)!.startOffset <= base;
  }

  /**
   * Brings the epochs that begin at or below an offset to the disk, durably. All in front of that offset is durable: a
   * log that ends below the start of its latest epoch reads as damage.
   *
   * @throws DiskError; what was not recorded can be tried again
   */
  record(base: Offset, disk: Disk, directory: string): void {
    while (this.isAhead(base)) {
      this.#ahead -= 1;
      try {
        this.#store(disk, directory);
      } catch (error) {
        this.#ahead += 1;
        throw error;
      }
    }
  }

  /**
   * Adds an epoch, durably: one entry more and one sync, as a broker that starts does this for every partition it leads.
   * When the disk refuses, nothing has changed.
   *
   * @throws DiskError
   */
  begin(epoch: LeaderEpoch, startOffset: Offset, disk: Disk, directory: string): void {
    const before = [...this.#entries];
    assert(this.#ahead === 0, 'a leader begins its epoch behind all that is written');
    this.note(epoch, startOffset);
    try {
      this.#store(disk, directory);
    } catch (error) {
      this.#entries = before;
      throw error;
    }
  }

  /**
   * Forgets the epochs that start at or behind an offset, durably: the log ends there now, and who leads it next may
   * begin with an earlier one. Costs nothing when there are none. When the disk refuses, nothing has changed.
   *
   * @throws DiskError
   */
  truncate(end: Offset, disk: Disk, directory: string): void {
    const before = this.#entries;
    const ahead = this.#ahead;
    this.#entries = before.filter(({ startOffset }) => startOffset < end);
    this.#ahead = Math.max(0, ahead - (before.length - this.#entries.length));
    if (this.#storedStart < end) return;
    try {
      this.write(disk, directory);
    } catch (error) {
      this.#entries = before;
      this.#ahead = ahead;
      throw error;
    }
  }

  /**
   * Forgets which epochs were before an offset, durably: the log begins there now. When the disk refuses, nothing has
   * changed.
   *
   * @throws DiskError
   */
  dropBefore(start: Offset, disk: Disk, directory: string): void {
    const index = this.#entries.findLastIndex(({ startOffset }) => startOffset <= start);
    if (index <= 0) return;
    const before = this.#entries;
    this.#entries = [{ epoch: before[index]!.epoch, startOffset: start }, ...before.slice(index + 1)];
    try {
      this.write(disk, directory);
    } catch (error) {
      this.#entries = before;
      throw error;
    }
  }

  /** The log was made anew, and its file with it. */
  clear(): void {
    this.#entries = [];
    this.#ahead = 0;
    this.#whole = true;
    this.#stored = 0;
    this.#storedStart = -1;
  }

  /** Forgets the epochs that start behind an offset. Tells whether there were any. */
  cutTo(end: Offset): boolean {
    const before = this.#entries.length;
    while (this.latestStart > end) this.#pop();
    return this.#entries.length < before;
  }

  /** Writes the file, durably. */
  write(disk: Disk, directory: string): void {
    const entries = this.#recorded;
    replaceFile(disk, directory, NAME, Buffer.concat([encodeStored(KIND, NO_BODY), ...entries.map(encodeEntry)]));
    this.#whole = true;
    this.#stored = entries.length;
    this.#storedStart = entries.at(-1)?.startOffset ?? -1;
  }

  /** Those that are in the file, or ought to be. */
  get #recorded(): readonly EpochStart[] {
    return this.#ahead === 0 ? this.#entries : this.#entries.slice(0, -this.#ahead);
  }

  #pop(): void {
    this.#entries.pop();
    this.#ahead = Math.max(0, this.#ahead - 1);
  }

  /** Brings the last of the recorded ones to the disk. */
  #store(disk: Disk, directory: string): void {
    const recorded = this.#recorded;
    const replaced = this.#stored + 1 - recorded.length;
    if (this.#whole && replaced < REPLACED_ENTRIES_MAX) this.#append(recorded.at(-1)!, disk, directory);
    else this.write(disk, directory);
  }

  #append(entry: EpochStart, disk: Disk, directory: string): void {
    const file = disk.open(`${directory}/${NAME}`, 'append');
    const { size } = file;
    try {
      file.append([encodeEntry(entry)]);
      file.syncNow();
      this.#stored += 1;
      this.#storedStart = entry.startOffset;
    } catch (error) {
      // Half an entry would make the next start look at every batch.
      file.truncate(size);
      throw error;
    } finally {
      file.close();
    }
  }
}

function encodeEntry({ epoch, startOffset }: EpochStart): Buffer {
  const entry = Buffer.allocUnsafe(ENTRY_BYTES);
  entry.writeUInt32LE(epoch, 0);
  entry.writeBigInt64LE(BigInt(startOffset), 4);
  entry.writeUInt32LE(crc32c(entry.subarray(0, 12)), 12);
  return entry;
}
