import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileDisk } from './file-disk.ts';
import { makeDirectory } from './make-directory.ts';
import type { OwnedDirectory } from './world.ts';

/**
 * Makes and locks a directory. The lock is SQLite's on an empty database: the system lets go of it when the process
 * ends, however it ends, and it is not fooled by a process id that another container uses as well.
 *
 * @throws Error that names the directory when another process has it
 */
export function openDirectory(path: string): OwnedDirectory {
  makeDirectory(path);
  const lock = new DatabaseSync(join(path, 'lock'), { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new Error(
      `${path} is in use by another Weir process: stop that one, or give this one a data directory of its own`,
      { cause: error },
    );
  }
  return { disk: fileDisk(path), release: () => lock.close() };
}
