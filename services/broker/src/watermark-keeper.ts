import { DiskError } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { DataDirectory } from './data-directory.ts';

/**
 * Keeps the file of high watermarks near what is committed: for the next start, which may have to serve what was committed
 * before there are replicas enough to commit anything. An older file costs nothing but that.
 */
export class WatermarkKeeper {
  readonly #directory: DataDirectory;
  readonly #watermarks: () => ReadonlyMap<string, Offset>;
  readonly #logger: Logger;
  #written: ReadonlyMap<string, Offset> = new Map();

  constructor(directory: DataDirectory, watermarks: () => ReadonlyMap<string, Offset>, logger: Logger) {
    this.#directory = directory;
    this.#watermarks = watermarks;
    this.#logger = logger;
  }

  /** Writes it without blocking, if anything has changed. */
  write(): void {
    const offsets = this.#watermarks();
    if (isSame(offsets, this.#written)) return;
    if (this.#directory.writeHighWatermarksSoon(offsets, (error) => this.#failed(error))) this.#written = offsets;
  }

  /** Writes it, and returns when it is on disk, or the disk has refused. */
  writeNow(): void {
    try {
      this.#directory.writeHighWatermarks(this.#watermarks());
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#failed(error);
    }
  }

  #failed(error: Error): void {
    // Written again with the next change.
    this.#written = new Map();
    this.#logger.warn({ err: error }, `the high watermarks cannot be written: ${error.message}`);
  }
}

function isSame(a: ReadonlyMap<string, Offset>, b: ReadonlyMap<string, Offset>): boolean {
  if (a.size !== b.size) return false;
  for (const [folder, offset] of a) if (b.get(folder) !== offset) return false;
  return true;
}
