import type { Offset } from '@weir/base/ids.ts';
import type { HeldFile, OpenFiles } from './open-files.ts';
import { segmentPath } from './segment.ts';
import type { SyncLane } from './sync-lane.ts';

/** The segment files of one log, within the pool of all. */
export class SegmentFiles {
  readonly #pool: OpenFiles;
  readonly #directory: string;

  constructor(pool: OpenFiles, directory: string) {
    this.#pool = pool;
    this.#directory = directory;
  }

  /** Which all logs share. */
  get syncs(): SyncLane {
    return this.#pool.syncs;
  }

  /**
   * A segment's file, until `release`; `append` for the active one's writer.
   *
   * @throws DiskError
   */
  acquire(baseOffset: Offset, mode: 'append' | 'read' = 'read'): HeldFile {
    return this.#pool.acquire(this.#path(baseOffset), mode);
  }

  release(held: HeldFile): void {
    this.#pool.release(held);
  }

  /** Nobody is going to read this segment again. Reads under way end first. */
  forget(baseOffset: Offset): void {
    this.#pool.forget(this.#path(baseOffset));
  }

  #path(baseOffset: Offset): string {
    return segmentPath(this.#directory, baseOffset, '.log');
  }
}
