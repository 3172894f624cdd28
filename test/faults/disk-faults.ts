import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Workshop } from './workshop.ts';

/** As in native/faulty-disk.c. */
const CONTROL_BYTES = 320;
const PART_AT = 64;
const HITS_AT = 16;
const CALLS = { sync: 1, write: 2, read: 4 } as const;

/** What happens to the disk calls of a process. */
export interface Fault {
  readonly call: keyof typeof CALLS;
  /** Without one the call is made after the wait. */
  readonly error?: 'EIO' | 'ENOSPC';
  readonly waitMs?: number;
  /** Calls that it happens to; without it, all. */
  readonly times?: number;
  /** Of the paths that it happens to. */
  readonly part: string;
}

/** Faults in the disk calls of processes that are started with `environment`: switched on and off while they run. */
export class DiskFaults {
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: number;

  constructor(workshop: Workshop) {
    const path = join(workshop.directory('control'), 'control');
    writeFileSync(path, Buffer.alloc(CONTROL_BYTES));
    this.#file = openSync(path, 'r+');
    workshop.cleanups.add('closing the control file', () => closeSync(this.#file));
    this.environment = {
      LD_PRELOAD: workshop.faultyDisk,
      FAULTY_DISK_CONTROL: path,
      // With io_uring the calls would not pass the C library.
      UV_USE_IO_URING: '0',
    };
  }

  set({ call, error, waitMs = 0, times = -1, part }: Fault): void {
    this.clear();
    const control = Buffer.alloc(CONTROL_BYTES);
    control.writeInt32LE(error === undefined ? 0 : constants.errno[error], 4);
    control.writeUInt32LE(waitMs, 8);
    control.writeInt32LE(times, 12);
    control.write(part, PART_AT);
    writeSync(this.#file, control, 4, CONTROL_BYTES - 4, 4);
    control.writeUInt32LE(CALLS[call], 0);
    writeSync(this.#file, control, 0, 4, 0);
  }

  /** No more faults; a call that waits goes on waiting. */
  clear(): void {
    writeSync(this.#file, Buffer.alloc(4), 0, 4, 0);
  }

  /** Calls that were hit since `set`. */
  get hits(): number {
    const bytes = Buffer.alloc(4);
    readSync(this.#file, bytes, 0, 4, HITS_AT);
    return bytes.readUInt32LE(0);
  }
}
