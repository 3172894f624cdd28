import { closeSync, fdatasyncSync, openSync, readFileSync, statfsSync, writeSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { temporaryDirectory } from './children.ts';

const MIB = 1024 ** 2;
/** Processes that start meanwhile take theirs from it. */
const FREE_BYTES_MAX = 1024 * MIB;
const CHUNK_BYTES = 8 * MIB;
/** Of the disk, this stays free for the brokers. */
const DISK_BYTES_LEFT = 20 * 1024 * MIB;

/**
 * Keeps the system's page cache full of files that nobody needs, as it is on a machine that has run for a while. Memory
 * that is free is not the same: on a virtual machine the host takes it back, and to write a gigabyte into pages that have
 * to be had from there costs seconds of CPU time, which whoever writes next pays (measured: 2.5 s/GB against 0.3).
 */
export class PageCache {
  readonly #directory = temporaryDirectory('page-cache');
  /** Written round and round: the part that is overwritten next is the one that was pushed out first. */
  readonly #file: number;
  readonly #bytesMax: number;
  #at = 0;

  constructor() {
    this.#file = openSync(join(this.#directory.path, 'filler'), 'w');
    const { bavail, bsize } = statfsSync(this.#directory.path);
    const most = Math.min(totalmem(), bavail * bsize - DISK_BYTES_LEFT);
    this.#bytesMax = Math.floor(most / CHUNK_BYTES) * CHUNK_BYTES;
  }

  /** Fills what is free. `say` is told of it when it takes a while. */
  fill(say: (text: string) => void): void {
    const missing = freeBytes() - FREE_BYTES_MAX;
    if (missing <= 0 || this.#bytesMax <= 0) return;
    if (missing > 4 * FREE_BYTES_MAX)
      say(`filling the page cache: ${(missing / 1e9).toFixed(0)} GB of memory are free`);
    const chunk = Buffer.alloc(CHUNK_BYTES, 1);
    // Not without end where something else frees memory all the time.
    for (let written = 0; written < missing * 2 && freeBytes() > FREE_BYTES_MAX; written += CHUNK_BYTES) {
      writeSync(this.#file, chunk, 0, chunk.length, this.#at);
      this.#at = (this.#at + CHUNK_BYTES) % this.#bytesMax;
    }
    fdatasyncSync(this.#file);
  }

  remove(): void {
    closeSync(this.#file);
    this.#directory.remove();
  }
}

/** 0 where the system does not tell: then there is nothing to be filled. */
function freeBytes(): number {
  try {
    const kib = /^MemFree: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}
