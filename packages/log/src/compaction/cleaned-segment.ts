import { assert } from '@weir/base/assert.ts';
import type { Disk, DiskError, DiskFile } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { COLD_READ_BYTES } from '@weir/base/limits.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import { placeholder, PLACEHOLDER_OFFSETS_MAX } from '@weir/records/placeholder.ts';
import { emptySegment, type ActiveSegment } from '../segment.ts';
import { cleanedPath } from './segment-swap.ts';

/** Offsets whose batches are gone, of one leader epoch. */
interface Hole {
  readonly base: Offset;
  readonly end: Offset;
  readonly epoch: number;
}

/** The segment that is written in the place of others: their batches, or what is left of them, without a gap. */
export class CleanedSegment {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #segment: ActiveSegment;
  readonly #waiting: Buffer;
  #waitingBytes = 0;
  #hole: Hole | undefined;
  #unsyncedBytes = 0;

  /**
   * @param of.bytes - of what it takes the place of
   * @throws DiskError
   */
  constructor(disk: Disk, directory: string, of: { base: Offset; bytes: number; indexIntervalBytes: number }) {
    const { base, bytes, indexIntervalBytes } = of;
    this.#waiting = Buffer.allocUnsafeSlow(Math.min(COLD_READ_BYTES, bytes));
    this.#disk = disk;
    this.#path = cleanedPath(directory, base);
    this.#segment = emptySegment(base, indexIntervalBytes);
    disk.removeFile(this.#path);
    this.#file = disk.open(this.#path, 'create');
  }

  /** It grows while this does. */
  get segment(): ActiveSegment {
    return this.#segment;
  }

  get unsyncedBytes(): number {
    return this.#unsyncedBytes;
  }

  /** @throws DiskError */
  keep(batch: Buffer): void {
    this.#fill();
    this.#put(batch);
  }

  /**
   * The batch is gone, and a placeholder stands for its offsets.
   *
   * @throws DiskError
   */
  remove(batch: Buffer): void {
    const hole = this.#hole;
    const base = baseOffsetOf(batch, 0);
    const end = offset(lastOffsetOf(batch, 0) + 1);
    const epoch = leaderEpochOf(batch, 0);
    if (hole?.epoch === epoch && end - hole.base <= PLACEHOLDER_OFFSETS_MAX) {
      this.#hole = { ...hole, end };
    } else {
      this.#fill();
      this.#hole = { base, end, epoch };
    }
  }

  /** Writes what waits, all of it when it is whole, and syncs what was written. */
  sync(isWhole: boolean, done: (error: DiskError | undefined) => void): void {
    if (isWhole) this.#fill();
    this.#write();
    this.#unsyncedBytes = 0;
    this.#file.sync(done);
  }

  close(): void {
    this.#file.close();
  }

  /** It is not wanted. */
  discard(): void {
    this.#file.close();
    this.#disk.removeFile(this.#path);
  }

  #fill(): void {
    const hole = this.#hole;
    this.#hole = undefined;
    if (hole !== undefined) this.#put(placeholder(hole));
  }

  #put(batch: Buffer): void {
    if (this.#waitingBytes + batch.length > this.#waiting.length) this.#write();
    if (batch.length > this.#waiting.length) return this.#append(batch);
    batch.copy(this.#waiting, this.#waitingBytes);
    this.#waitingBytes += batch.length;
  }

  #write(): void {
    if (this.#waitingBytes > 0) this.#append(this.#waiting.subarray(0, this.#waitingBytes));
    this.#waitingBytes = 0;
  }

  #append(batches: Buffer): void {
    this.#file.append([batches]);
    this.#unsyncedBytes += batches.length;
    for (let at = 0; at < batches.length;) {
      const bytes = batchBytesOf(batches, at);
      assert(bytes > 0 && at + bytes <= batches.length, 'whole batches are written');
      this.#segment.grow(batches, at);
      at += bytes;
    }
  }
}
