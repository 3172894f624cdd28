import { assert } from '@weir/base/assert.ts';
import type { Disk, DiskFile } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import { segmentPath } from './segment.ts';

/** Files of sealed segments that stay open for further reads, per log. */
const SEALED_FILES_MAX = 2;

/** An open file with those who are reading it. */
interface SegmentFile {
  readonly file: DiskFile;
  users: number;
  /** No longer on the list: closed when its last user lets go. */
  retired: boolean;
}

/** The open files of a log: the active segment's, and a few sealed ones. */
export class SegmentFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  /** By base offset, in the order of their last use. */
  readonly #files = new Map<Offset, SegmentFile>();
  #activeBase: Offset | undefined;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Takes over the file of the segment that becomes the active one; the one before it is a sealed one from now on. */
  addActive(baseOffset: Offset, file: DiskFile): void {
    this.#files.set(baseOffset, { file, users: 0, retired: false });
    this.#activeBase = baseOffset;
    this.#evict();
  }

  /**
   * Opens a segment's file, or shares the open one, until `release`.
   *
   * @throws DiskError
   */
  acquire(baseOffset: Offset): SegmentFile {
    let held = this.#files.get(baseOffset);
    if (held === undefined) {
      const file = this.#disk.open(segmentPath(this.#directory, baseOffset, '.log'), 'read');
      held = { file, users: 0, retired: false };
    }
    this.#files.delete(baseOffset);
    this.#files.set(baseOffset, held);
    held.users += 1;
    this.#evict();
    return held;
  }

  release(held: SegmentFile): void {
    held.users -= 1;
    assert(held.users >= 0, 'a segment file is released once per use');
    if (held.retired && held.users === 0) held.file.close();
  }

  /** Closes all; those in use when they are released. */
  close(): void {
    for (const baseOffset of this.#files.keys()) this.#retire(baseOffset);
  }

  #evict(): void {
    const sealed = [...this.#files.keys()].filter((baseOffset) => baseOffset !== this.#activeBase);
    for (const baseOffset of sealed.slice(0, -SEALED_FILES_MAX)) this.#retire(baseOffset);
  }

  #retire(baseOffset: Offset): void {
    const held = this.#files.get(baseOffset);
    if (held === undefined) return;
    this.#files.delete(baseOffset);
    held.retired = true;
    if (held.users === 0) held.file.close();
  }
}
