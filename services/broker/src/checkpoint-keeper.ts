import { DiskError } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { DataDirectory } from './data-directory.ts';
import type { Partitions } from './partition/partitions.ts';

/** Keeps the checkpoint file near what the disks have: for the next start, which scans from there. */
export class CheckpointKeeper {
  readonly #directory: DataDirectory;
  readonly #partitions: Partitions;
  readonly #logger: Logger;
  readonly #syncFailed: (error: DiskError) => void;
  /** What was written last. */
  #written: ReadonlyMap<string, Offset> = new Map();

  constructor(
    directory: DataDirectory,
    partitions: Partitions,
    logger: Logger,
    /** The disk loses what it was told to keep: the process must end. */
    syncFailed: (error: DiskError) => void,
  ) {
    this.#directory = directory;
    this.#partitions = partitions;
    this.#logger = logger;
    this.#syncFailed = syncFailed;
  }

  /** Writes it without blocking, if anything has changed. */
  write(): void {
    const offsets = this.#partitions.checkpoint();
    if (sameOffsets(offsets, this.#written)) return;
    const taken = this.#directory.writeCheckpointSoon(offsets, (error) => this.#failed(error));
    if (taken) this.#written = offsets;
  }

  /** Writes it, and returns when it is on disk. False when the disk refused: the old one is there, and true enough. */
  writeNow(): boolean {
    const offsets = this.#partitions.checkpoint();
    try {
      this.#directory.writeCheckpoint(offsets);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#failed(error);
      return false;
    }
    this.#written = offsets;
    return true;
  }

  #failed(error: Error): void {
    if (error instanceof DiskError && error.duringSync) this.#syncFailed(error);
    // Written again with the next change.
    this.#written = new Map();
    this.#logger.error({ err: error }, `the checkpoint cannot be written: ${error.message}`);
  }
}

function sameOffsets(a: ReadonlyMap<string, Offset>, b: ReadonlyMap<string, Offset>): boolean {
  if (a.size !== b.size) return false;
  for (const [folder, offset] of a) if (b.get(folder) !== offset) return false;
  return true;
}
