import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Workshop } from './workshop.ts';

/** A small ext4 of its own, in a file that a loop device makes a disk of. */
export class LoopDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;
  readonly #workshop: Workshop;
  #mounted = false;

  constructor(workshop: Workshop, mebibytes: number) {
    this.#workshop = workshop;
    const directory = workshop.directory('disk');
    this.#image = `${directory}.image`;
    this.path = directory;
    const file = openSync(this.#image, 'w');
    ftruncateSync(file, mebibytes * 1024 * 1024);
    closeSync(file);
    // Without blocks that only root may use: the processes here are root's, and would not see the disk fill up.
    run('mkfs.ext4', ['-q', '-F', '-m', '0', this.#image]);
    workshop.cleanups.add(`unmounting ${this.path}`, () => this.unmount());
    this.mount();
  }

  /** A directory on it that is made by whoever uses it. */
  at(name: string): string {
    return join(this.path, name);
  }

  mount(): void {
    run('mount', ['-t', 'ext4', '-o', 'loop', this.#image, this.path]);
    this.#mounted = true;
  }

  /** The loop device goes with the mount. */
  unmount(): void {
    if (!this.#mounted) return;
    run('umount', [this.path]);
    this.#mounted = false;
  }

  /** From now on every call fails with EIO; what was not synced is not there at the next mount. */
  cutPower(): void {
    run(this.#workshop.cutPower, [this.path]);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }
}

function run(program: string, words: readonly string[]): void {
  execFileSync(program, words, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 });
}
