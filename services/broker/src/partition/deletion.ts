import { InvariantViolation } from '@weir/base/assert.ts';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import type { Disk } from '@weir/base/disk.ts';
import { APPLY_SLICE_MS, FOLDERS_PER_CHECKPOINT, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { deletedNameOf } from './partition-key.ts';

const PARENT = 'partitions';

/** What the removal of folders needs. */
export interface DeletionParts {
  readonly disk: Disk;
  readonly clock: Clock;
  /** These folders are gone by their names, durably: the checkpoint is not to miss them any more. */
  readonly renamed: (folders: readonly string[]) => void;
  /** Writes the checkpoint without them; false when the disk refused. */
  readonly forget: () => boolean;
  /** The disk refused a step, the first since it took one. It is tried again. */
  readonly failed: (error: DiskError) => void;
}

/**
 * Removes the folders of deleted partitions, in slices, so that the loop stays free. In this order, wherever it is cut:
 *
 * 1. a folder is renamed, and the name is made durable: from then on nobody opens it as a partition;
 * 2. the checkpoint no longer lists it, while its files are removed;
 * 3. the empty folder goes last: as long as the checkpoint on disk may list the partition, the name says where it is.
 *
 * The disk may refuse any of it: then it is tried again later.
 */
export class Deletion {
  readonly #parts: DeletionParts;
  readonly #toRename = new Set<string>();
  /** Renamed, and the names are not durable yet. */
  readonly #renamed = new Set<string>();
  /** Their files that are still to be removed. */
  readonly #emptying = new Map<string, string[]>();
  readonly #empty = new Set<string>();
  /** Could not be renamed; others do not wait for them. */
  readonly #postponed = new Set<string>();
  #scheduled = false;
  #cancelRetry: Cancel | undefined;
  #failing = false;
  #stopped = false;

  constructor(parts: DeletionParts) {
    this.#parts = parts;
  }

  /** Folders that are not gone yet. */
  get pending(): number {
    const { size } = this.#toRename;
    return size + this.#renamed.size + this.#emptying.size + this.#empty.size + this.#postponed.size;
  }

  /** Removes a partition's folder; its log is closed. One that is not there is fine. */
  add(folder: string): void {
    this.#toRename.add(folder);
    this.#schedule();
  }

  /** Goes on with a folder that an earlier run has renamed. */
  addRenamed(folder: string): void {
    this.#renamed.add(folder);
    this.#schedule();
  }

  /** What is left is for the next start. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped || this.#cancelRetry !== undefined) return;
    this.#scheduled = true;
    this.#parts.clock.endOfTurn(() => this.#slice());
  }

  #slice(): void {
    this.#scheduled = false;
    if (this.#stopped) return;
    const until = this.#parts.clock.monotonicMs() + APPLY_SLICE_MS;
    try {
      while (this.#step()) {
        if (this.#parts.clock.monotonicMs() >= until) return this.#schedule();
      }
      if (this.#postponed.size === 0) this.#failing = false;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#againLater(error);
    }
  }

  #againLater(error: DiskError): void {
    if (!this.#failing) this.#parts.failed(error);
    this.#failing = true;
    this.#cancelRetry ??= this.#parts.clock.after(WRITE_RETRY_MS, () => {
      this.#cancelRetry = undefined;
      for (const folder of this.#postponed) this.#toRename.add(folder);
      this.#postponed.clear();
      this.#schedule();
    });
  }

  /** False: nothing is left. */
  #step(): boolean {
    if (this.#toRename.size > 0 && this.#renamed.size < FOLDERS_PER_CHECKPOINT) {
      this.#rename();
    } else if (this.#renamed.size > 0) {
      this.#nameDurably();
    } else if (this.#emptying.size > 0) {
      this.#removeFile();
    } else if (this.#empty.size > 0) {
      this.#removeFolders();
    } else {
      return false;
    }
    return true;
  }

  #rename(): void {
    const folder = first(this.#toRename);
    this.#toRename.delete(folder);
    try {
      this.#parts.disk.rename(pathOf(folder), pathOf(deletedNameOf(folder)));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.code !== 'ENOENT') {
        this.#postponed.add(folder);
        return this.#againLater(error);
      }
    }
    this.#renamed.add(folder);
  }

  #nameDurably(): void {
    this.#parts.disk.syncDirectory(PARENT);
    const folders = [...this.#renamed];
    this.#renamed.clear();
    for (const folder of folders) {
      this.#emptying.set(folder, this.#parts.disk.list(pathOf(deletedNameOf(folder))) ?? []);
    }
    this.#parts.renamed(folders);
  }

  #removeFile(): void {
    const folder = first(this.#emptying.keys());
    const name = this.#emptying.get(folder)!.pop();
    if (name === undefined) {
      this.#emptying.delete(folder);
      this.#empty.add(folder);
      return;
    }
    try {
      this.#parts.disk.removeFile(`${pathOf(deletedNameOf(folder))}/${name}`);
    } catch (error) {
      // It goes with its folder, or keeps that from going.
      if (!(error instanceof DiskError)) throw error;
    }
  }

  #removeFolders(): void {
    if (!this.#parts.forget()) throw new DiskError('EIO', 'the checkpoint cannot be written');
    for (const folder of this.#empty) {
      this.#parts.disk.removeDirectory(pathOf(deletedNameOf(folder)));
      this.#empty.delete(folder);
    }
  }
}

function pathOf(name: string): string {
  return `${PARENT}/${name}`;
}

function first(folders: Iterable<string>): string {
  for (const folder of folders) return folder;
  throw new InvariantViolation('a step without a folder');
}
