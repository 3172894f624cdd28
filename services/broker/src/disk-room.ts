import type { Cancel, Clock } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import type { Disk, DiskSpace } from '@weir/base/disk.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  DISK_RESERVE_BYTES_MAX,
  DISK_RESERVE_BYTES_MIN,
  DISK_RESERVE_SHARE,
  DISK_SPACE_INTERVAL_MS,
} from '@weir/base/limits.ts';

/** A batch goes to its log, and on the way perhaps through the journal. */
const WRITES_PER_BATCH = 2;

/**
 * Watches how full the disk is, so that batches are refused before it is full: what was taken, checkpoints, deletions
 * and the next start need room to write. What is appended between two looks is counted here.
 */
export class DiskRoom {
  readonly #disk: Disk;
  readonly #clock: Clock;
  #space: DiskSpace = { freeBytes: Number.MAX_SAFE_INTEGER, totalBytes: Number.MAX_SAFE_INTEGER };
  #takenBytes = 0;
  #full = false;
  #cancel: Cancel | undefined;

  /** The disk became too full for batches, or has room again. */
  onChange: (full: boolean, space: DiskSpace, reserveBytes: number) => void = () => {};

  constructor(disk: Disk, clock: Clock) {
    this.#disk = disk;
    this.#clock = clock;
  }

  /** Looks now, and from now on every DISK_SPACE_INTERVAL_MS. */
  start(): void {
    this.look();
    this.#cancel = this.#clock.every(DISK_SPACE_INTERVAL_MS, () => this.look());
  }

  stop(): void {
    this.#cancel?.();
  }

  get space(): DiskSpace {
    return this.#space;
  }

  /** What is kept free. */
  get reserveBytes(): number {
    const share = Math.floor(this.#space.totalBytes * DISK_RESERVE_SHARE);
    return Math.min(Math.max(share, DISK_RESERVE_BYTES_MIN), DISK_RESERVE_BYTES_MAX);
  }

  look(): void {
    try {
      this.#space = this.#disk.space();
      this.#takenBytes = 0;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // What was known last is the best guess; writes will tell.
      return;
    }
    this.#note(this.#free(0) < this.reserveBytes);
  }

  /** A batch was taken. */
  took(bytes: number): void {
    this.#takenBytes += WRITES_PER_BATCH * bytes;
  }

  /** Whether so much can be written without eating into what is kept free. */
  hasRoom(bytes: number): boolean {
    return this.#space.freeBytes - this.#takenBytes - bytes >= this.reserveBytes;
  }

  /** Why a batch of this size is not taken, or undefined. */
  problem(bytes: number): Refusal | undefined {
    const free = this.#free(bytes);
    if (free >= this.reserveBytes) return undefined;
    this.#note(true);
    return refusal(
      'KAFKA_STORAGE_ERROR',
      `the disk of this broker is nearly full: ${mebibytes(this.#space.freeBytes)} MiB are free, of which ` +
        `${mebibytes(this.reserveBytes)} MiB are kept back; delete topics or records, or give it a larger disk`,
    );
  }

  #free(bytes: number): number {
    return this.#space.freeBytes - this.#takenBytes - WRITES_PER_BATCH * bytes;
  }

  #note(full: boolean): void {
    if (full === this.#full) return;
    this.#full = full;
    this.onChange(full, this.#space, this.reserveBytes);
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}
