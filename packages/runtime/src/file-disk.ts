import * as fs from 'node:fs';
import { join } from 'node:path';
import { assert, violated } from '@weir/base/assert.ts';
import { DiskError, type Disk, type DiskFile, type OpenMode } from '@weir/base/disk.ts';
import { makeDirectory } from './make-directory.ts';

/** Buffers in one `writev`: Linux's IOV_MAX. */
const WRITE_BUFFERS_MAX = 1_024;

/** The machine's file system below a directory, which exists. */
export function fileDisk(root: string): Disk {
  const at = (path: string): string => join(root, path);
  return {
    makeDirectory: (path) => faulty(at(path), () => makeDirectory(at(path))),
    list: (path) => orUndefined(at(path), () => fs.readdirSync(at(path))),
    readFile: (path) => orUndefined(at(path), () => fs.readFileSync(at(path))),
    open: (path, mode) => faulty(at(path), () => new File(at(path), mode)),
    rename: (from, to) => faulty(at(from), () => fs.renameSync(at(from), at(to))),
    removeFile: (path) => orUndefined(at(path), () => fs.unlinkSync(at(path))),
    removeDirectory: (path) => faulty(at(path), () => fs.rmSync(at(path), { recursive: true, force: true })),
    syncDirectory: (path) => faulty(at(path), () => syncDirectory(at(path))),
    space: () =>
      faulty(root, () => {
        const { bavail, blocks, bsize } = fs.statfsSync(root);
        return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
      }),
  };
}

class File implements DiskFile {
  readonly #path: string;
  readonly #fd: number;
  #size: number;
  /** Syncs and reads in the thread pool: the descriptor stays open until they are back. */
  #underWay = 0;
  #closed = false;

  constructor(path: string, mode: OpenMode) {
    this.#path = path;
    this.#fd = fs.openSync(path, flagsOf(mode), 0o644);
    this.#size = fs.fstatSync(this.#fd).size;
  }

  get size(): number {
    return this.#size;
  }

  append(buffers: readonly Uint8Array[]): void {
    this.#check();
    for (let i = 0; i < buffers.length; i += WRITE_BUFFERS_MAX) {
      this.#appendSome(buffers.length <= WRITE_BUFFERS_MAX ? buffers : buffers.slice(i, i + WRITE_BUFFERS_MAX));
    }
  }

  writeAt(position: number, bytes: Uint8Array): void {
    this.#check();
    for (let written = 0; written < bytes.length;) {
      const from = written;
      written += faulty(this.#path, () => fs.writeSync(this.#fd, bytes, from, bytes.length - from, position + from));
    }
    this.#size = Math.max(this.#size, position + bytes.length);
  }

  sync(done: (error: DiskError | undefined) => void): void {
    this.#check();
    this.#underWay += 1;
    fs.fdatasync(this.#fd, (error) => {
      this.#landed();
      done(error === null ? undefined : diskError(error, this.#path, true));
    });
  }

  syncNow(): void {
    this.#check();
    syncing(this.#path, () => fs.fdatasyncSync(this.#fd));
  }

  read(target: Uint8Array, position: number, done: (error: DiskError | undefined, bytes: number) => void): void {
    this.#check();
    this.#underWay += 1;
    const readOn = (filled: number): void => {
      fs.read(this.#fd, target, filled, target.length - filled, position + filled, (error, bytes) => {
        const total = filled + bytes;
        // A short read that is not the end of the file goes on where it stopped.
        if (error === null && bytes > 0 && total < target.length) return readOn(total);
        this.#landed();
        if (error === null) done(undefined, total);
        else done(diskError(error, this.#path), 0);
      });
    };
    readOn(0);
  }

  readNow(target: Uint8Array, position: number): number {
    this.#check();
    return faulty(this.#path, () => {
      let filled = 0;
      while (filled < target.length) {
        const bytes = fs.readSync(this.#fd, target, filled, target.length - filled, position + filled);
        if (bytes === 0) break;
        filled += bytes;
      }
      return filled;
    });
  }

  truncate(size: number): void {
    this.#check();
    assert(size <= this.#size, `${this.#path} is truncated, not extended`);
    faulty(this.#path, () => fs.ftruncateSync(this.#fd, size));
    this.#size = size;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay === 0) fs.closeSync(this.#fd);
  }

  #appendSome(buffers: readonly Uint8Array[]): void {
    let rest = buffers;
    while (rest.length > 0) {
      const [first] = rest;
      // Of several buffers Node makes an array of its own first.
      const written = faulty(this.#path, () =>
        rest.length === 1 ? fs.writeSync(this.#fd, first!) : fs.writevSync(this.#fd, rest),
      );
      this.#size += written;
      rest = after(rest, written);
    }
  }

  #landed(): void {
    this.#underWay -= 1;
    if (this.#closed && this.#underWay === 0) fs.closeSync(this.#fd);
  }

  #check(): void {
    if (this.#closed) violated(`${this.#path} was closed`);
  }
}

/** What is left of the buffers after their first bytes; empty ones at the front go. */
function after(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes;
  let i = 0;
  while (i < buffers.length && left >= buffers[i]!.length) left -= buffers[i++]!.length;
  if (i === buffers.length) return [];
  return [buffers[i]!.subarray(left), ...buffers.slice(i + 1)];
}

function flagsOf(mode: OpenMode): number {
  const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
  switch (mode) {
    case 'create':
      return O_CREAT | O_EXCL | O_RDWR | O_APPEND;
    case 'append':
      return O_RDWR | O_APPEND;
    case 'read':
      return O_RDONLY;
    case 'update':
      return O_RDWR;
  }
}

function syncDirectory(path: string): void {
  const fd = fs.openSync(path, 'r');
  try {
    syncing(path, () => fs.fsyncSync(fd));
  } finally {
    fs.closeSync(fd);
  }
}

function faulty<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof DiskError ? error : diskError(error, path);
  }
}

/** The same for a sync. */
function syncing(path: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw diskError(error, path, true);
  }
}

/** The same, where a path that is not there is an answer. */
function orUndefined<T>(path: string, act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw diskError(error, path);
  }
}

function diskError(error: unknown, path: string, duringSync = false): DiskError {
  const message = error instanceof Error ? error.message : String(error);
  return new DiskError(codeOf(error), `${message} (${path})`, { cause: error, duringSync });
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'EIO';
}
