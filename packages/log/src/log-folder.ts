import { DiskError, type Disk, type DiskFile } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { TORN_TAIL_KEPT_BYTES_MAX } from '@weir/base/limits.ts';
import { passesByItself } from './log-errors.ts';
import { segmentName, segmentPath } from './segment.ts';

const TORN = '.torn';

/** The folder of a log: which files it has, and those changes to it that recovery makes. */
export class LogFolder {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #names: ReadonlySet<string>;

  private constructor(disk: Disk, directory: string, names: readonly string[]) {
    this.#disk = disk;
    this.#directory = directory;
    this.#names = new Set(names);
  }

  /** Looks at a folder, which need not be there yet. Leftovers of replaced files go. */
  static open(disk: Disk, directory: string): LogFolder {
    const names = disk.list(directory) ?? [];
    const leftovers = names.filter((name) => name.endsWith('.new'));
    for (const name of leftovers) disk.removeFile(`${directory}/${name}`);
    return new LogFolder(disk, directory, names);
  }

  /** What was there when the folder was looked at. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Base offsets of the log files, in order. */
  get segmentBases(): Offset[] {
    return segmentBasesIn(this.#names);
  }

  /** Whether a file was there when the folder was looked at. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** A file's size, -1 when it is not there. */
  sizeOf(name: string): number {
    return this.#withFile(name, -1, (file) => file.size);
  }

  /** The first bytes of a file, fewer when it is shorter or not there. */
  front(name: string, length: number): Buffer {
    return this.#withFile(name, Buffer.alloc(0), (file) => {
      const bytes = Buffer.allocUnsafe(length);
      return bytes.subarray(0, file.readNow(bytes, 0));
    });
  }

  /**
   * Makes an empty segment, and the folder around it. Their names are durable later: the folder's is the caller's
   * business, the segment's comes with the first leader epoch, without which there is no append.
   */
  createSegment(baseOffset: Offset): void {
    this.#disk.makeDirectory(this.#directory);
    this.#disk.open(segmentPath(this.#directory, baseOffset, '.log'), 'create').close();
  }

  /** Removes a segment's index files. */
  removeIndexes(baseOffset: Offset): void {
    for (const kind of ['.index', '.timeindex'] as const) {
      if (!this.#names.has(`${segmentName(baseOffset)}${kind}`)) continue;
      this.#disk.removeFile(segmentPath(this.#directory, baseOffset, kind));
    }
  }

  /**
   * Copies a file from a position on, up to TORN_TAIL_KEPT_BYTES_MAX, into a file of its own, durably, in the place of
   * an earlier one of its kind. A disk without room for it keeps none.
   *
   * @returns its path, or undefined when the disk is full
   */
  keepAside(file: DiskFile, { position, name }: { position: number; name: string }): string | undefined {
    for (const old of this.#names) {
      if (old.endsWith(TORN)) this.#disk.removeFile(`${this.#directory}/${old}`);
    }
    const bytes = Buffer.allocUnsafe(Math.min(TORN_TAIL_KEPT_BYTES_MAX, file.size - position));
    const length = file.readNow(bytes, position);
    const path = `${this.#directory}/${name}${TORN}`;
    try {
      const copy = this.#disk.open(path, 'create');
      try {
        copy.append([bytes.subarray(0, length)]);
        copy.syncNow();
      } finally {
        copy.close();
      }
      return path;
    } catch (error) {
      // A disk that is full may be what tore the tail: that must not keep the log from opening.
      if (!(error instanceof DiskError) || !passesByItself(error)) throw error;
      this.#disk.removeFile(path);
      return undefined;
    }
  }

  #withFile<T>(name: string, missing: T, act: (file: DiskFile) => T): T {
    if (!this.#names.has(name)) return missing;
    const file = this.#disk.open(`${this.#directory}/${name}`, 'read');
    try {
      return act(file);
    } finally {
      file.close();
    }
  }
}

/** The base offsets of the log files among these, in order. */
export function segmentBasesIn(names: Iterable<string>): Offset[] {
  const bases: Offset[] = [];
  for (const name of names) {
    const base = /^\d{20}\.log$/.test(name) ? Number(name.slice(0, 20)) : Number.NaN;
    if (Number.isSafeInteger(base)) bases.push(offset(base));
  }
  return bases.toSorted((a, b) => a - b);
}

/**
 * Makes an empty segment in a folder, durably.
 *
 * @throws DiskError; no file is left then, as far as the disk lets it
 */
export function createSegmentFile(disk: Disk, directory: string, baseOffset: Offset): void {
  const path = segmentPath(directory, baseOffset, '.log');
  disk.open(path, 'create').close();
  try {
    disk.syncDirectory(directory);
  } catch (error) {
    // It may be tried again.
    disk.removeFile(path);
    throw error;
  }
}
