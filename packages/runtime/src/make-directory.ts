import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a directory and its parents; one that exists is fine. One by one: Node's own recursive `mkdirSync` never returns
 * where a parent exists and says that it does not, as /proc does.
 *
 * @throws Error with the system's code
 */
export function makeDirectory(path: string): void {
  const missing: string[] = [];
  let at = resolve(path);
  for (; ; at = dirname(at)) {
    const found = statSync(at, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) break;
    if (found !== undefined) {
      throw Object.assign(new Error(`${at} is not a directory`), { code: 'ENOTDIR' });
    }
    missing.push(at);
  }
  for (const directory of missing.toReversed()) {
    try {
      mkdirSync(directory);
    } catch (error) {
      // Somebody else was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
