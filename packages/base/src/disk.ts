/**
 * The disk as the log sees it. Appends are synchronous (a buffered write costs microseconds), syncs and cold reads
 * complete through callbacks. Behind it stand the machine's files and the simulated disk, which loses, tears and
 * refuses what a real one may.
 *
 * Paths are relative to the disk's root, parts joined by "/".
 */
export interface Disk {
  /** Makes a directory and its parents; one that exists is fine. */
  makeDirectory(path: string): void;
  /** Names in a directory, in no order; undefined when there is no such directory. */
  list(path: string): string[] | undefined;
  /** A whole small file, or undefined when there is none. */
  readFile(path: string): Buffer | undefined;
  /** Opens a file; `create` makes it (and fails when it exists), the others fail when it does not exist. */
  open(path: string, mode: OpenMode): DiskFile;
  /** Puts `from` in the place of `to`, whole or not at all. Durable only after `syncDirectory`. */
  rename(from: string, to: string): void;
  /** Removes a file; one that is not there is fine. */
  removeFile(path: string): void;
  /** Removes a directory and all in it. */
  removeDirectory(path: string): void;
  /** Makes creations, renames and removals in a directory durable. Returns when they are. */
  syncDirectory(path: string): void;
  /** What the file system has room for. */
  space(): DiskSpace;
}

/** `create` and `append` read as well and write at the end, `update` reads and writes in place. */
export type OpenMode = 'create' | 'append' | 'read' | 'update';

/** Room on a file system. */
export interface DiskSpace {
  /** What this process may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** An open file. A method of a closed one throws. */
export interface DiskFile {
  /** Bytes in the file, unsynced ones included. */
  readonly size: number;
  /** Writes at the end, all of it or an error. The buffers may be reused as soon as it returns. */
  append(buffers: readonly Uint8Array[]): void;
  /** Writes over what is there, in a file that was opened with `update`; past its end it grows, a gap reads as zeros. */
  writeAt(position: number, bytes: Uint8Array): void;
  /** Makes all that was appended before the call durable. Never called again after it failed (fsyncgate). */
  sync(done: (error: DiskError | undefined) => void): void;
  /** The same, at once: for starts, rolls and stops. */
  syncNow(): void;
  /** Reads into `target` from `position` on; tells how many bytes there were. */
  read(target: Uint8Array, position: number, done: (error: DiskError | undefined, bytes: number) => void): void;
  /** The same, at once: for recovery. */
  readNow(target: Uint8Array, position: number): number;
  /** Cuts the file. */
  truncate(size: number): void;
  /** Closes it without a sync. Reads and syncs under way end first. */
  close(): void;
}

/** A fault of the disk. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  /** The system's code, as "ENOSPC" or "EIO". */
  readonly code: string;
  /**
   * A sync has failed, of a file or of a directory: what it should have covered may be lost, and a later one would not
   * say so. The process must end, whatever the code is.
   */
  readonly duringSync: boolean;

  constructor(code: string, message: string, options: ErrorOptions & { readonly duringSync?: boolean } = {}) {
    super(message, options);
    this.code = code;
    this.duringSync = options.duringSync ?? false;
  }
}

/**
 * Replaces a small file as a whole: written beside it, synced, renamed, and the directory synced. After it returns a
 * crash finds the new contents, before it the old ones or the new ones, never a mixture.
 */
export function replaceFile(disk: Disk, directory: string, name: string, contents: Uint8Array): void {
  const temporary = `${directory}/${name}.new`;
  disk.removeFile(temporary);
  const file = disk.open(temporary, 'create');
  try {
    file.append([contents]);
    file.syncNow();
  } finally {
    file.close();
  }
  disk.rename(temporary, `${directory}/${name}`);
  disk.syncDirectory(directory);
}
