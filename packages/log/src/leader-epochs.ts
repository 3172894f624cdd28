import { assert } from '@weir/base/assert.ts';
import { DiskError, replaceFile, type Disk, type DiskFile } from '@weir/base/disk.ts';
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
  /** Entries in the file; those that a later one has replaced are among them. */
  #stored = 0;

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
      epochs.note(leaderEpoch(bytes.readUInt32LE(at)), offset(Number(bytes.readBigInt64LE(at + 4))));
      epochs.#stored += 1;
    }
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
    if (this.#entries.at(-1)?.startOffset === startOffset) this.#entries.pop();
    this.#entries.push({ epoch, startOffset });
  }

  /**
   * Adds an epoch, durably: one entry more and one sync, as a broker that starts does this for every partition it leads.
   * When the disk refuses, nothing has changed.
   *
   * @throws DiskError
   */
  begin(epoch: LeaderEpoch, startOffset: Offset, disk: Disk, directory: string): void {
    const before = [...this.#entries];
    this.note(epoch, startOffset);
    try {
      const replaced = this.#stored - before.length;
      if (replaced >= REPLACED_ENTRIES_MAX || !this.#append(disk, directory)) this.write(disk, directory);
    } catch (error) {
      this.#entries = before;
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

  /** Forgets the epochs that start behind an offset. Tells whether there were any. */
  cutTo(end: Offset): boolean {
    const before = this.#entries.length;
    while (this.latestStart > end) this.#entries.pop();
    return this.#entries.length < before;
  }

  /** Writes the file, durably. */
  write(disk: Disk, directory: string): void {
    const parts = [encodeStored(KIND, NO_BODY), ...this.#entries.map(encodeEntry)];
    replaceFile(disk, directory, NAME, Buffer.concat(parts));
    this.#stored = this.#entries.length;
  }

  /** Appends the latest entry. False: there is no file yet. */
  #append(disk: Disk, directory: string): boolean {
    let file: DiskFile;
    try {
      file = disk.open(`${directory}/${NAME}`, 'append');
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return false;
      throw error;
    }
    const { size } = file;
    try {
      file.append([encodeEntry(this.#entries.at(-1)!)]);
      file.syncNow();
      this.#stored += 1;
      return true;
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
