import { assert } from '@weir/base/assert.ts';
import type { Disk, DiskFile } from '@weir/base/disk.ts';
import { SyncLane } from './sync-lane.ts';

/** An open file with those who use it. */
export interface HeldFile {
  readonly file: DiskFile;
  readonly path: string;
  readonly writable: boolean;
  users: number;
  /** Not in the pool any more: closed when its last user lets go. */
  retired: boolean;
}

/**
 * The open segment files of all logs of a broker. A descriptor stays open after its use for the next one; above the
 * most, those that nobody uses are closed, the least recently used first. What is in use is never closed, so that the
 * most can be passed for a while.
 */
export class OpenFiles {
  readonly #disk: Disk;
  readonly #max: number;
  readonly #files = new Map<string, HeldFile>();
  /** Those without a user, in the order in which they lost their last one. */
  readonly #unused = new Set<HeldFile>();

  /** In which order those of logs with `flush=interval` are synced. */
  readonly syncs = new SyncLane();

  /** More files are in use than there should be open: whoever holds some without need may let go of them. */
  onPressure: () => void = () => {};

  constructor(disk: Disk, max: number) {
    this.#disk = disk;
    this.#max = max;
  }

  /** Files that are open. */
  get count(): number {
    return this.#files.size;
  }

  /**
   * Opens a file, or shares the open one, until `release`.
   *
   * @throws DiskError
   */
  acquire(path: string, mode: 'append' | 'read'): HeldFile {
    let held = this.#files.get(path);
    if (held !== undefined && mode === 'append' && !held.writable) {
      this.#retire(held);
      held = undefined;
    }
    if (held === undefined) {
      const file = this.#disk.open(path, mode);
      held = { file, path, writable: mode === 'append', users: 0, retired: false };
      this.#files.set(path, held);
      held.users += 1;
      this.#trim();
      return held;
    }
    held.users += 1;
    this.#unused.delete(held);
    return held;
  }

  release(held: HeldFile): void {
    held.users -= 1;
    assert(held.users >= 0, 'a file is released once per use');
    if (held.users > 0) return;
    if (held.retired) {
      held.file.close();
      return;
    }
    this.#unused.add(held);
    this.#trim();
  }

  /** A file that nobody is going to use again: closed now, or when its last user lets go. */
  forget(path: string): void {
    const held = this.#files.get(path);
    if (held !== undefined) this.#retire(held);
  }

  #trim(): void {
    if (this.#files.size <= this.#max) return;
    for (const held of this.#unused) {
      this.#retire(held);
      if (this.#files.size <= this.#max) return;
    }
    this.onPressure();
  }

  #retire(held: HeldFile): void {
    this.#files.delete(held.path);
    this.#unused.delete(held);
    held.retired = true;
    if (held.users === 0) held.file.close();
  }
}
