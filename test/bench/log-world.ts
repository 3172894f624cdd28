import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@weir/base/clock.ts';
import type { Disk, DiskError, DiskFile } from '@weir/base/disk.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { SLAB_BYTES } from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { Journal } from '@weir/log/journal/journal.ts';
import { Log } from '@weir/log/log.ts';
import type { LogConfig } from '@weir/log/log-config.ts';
import { OpenFiles } from '@weir/log/open-files.ts';
import { TailCache } from '@weir/log/tail-cache.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { fileDisk } from '@weir/runtime/file-disk.ts';
import { machineClock, machineRandom } from '@weir/runtime/machine.ts';

/** What the logs of a benchmark run on. */
export interface LogWorldOptions {
  readonly journal?: boolean;
  /** Added to every sync, as on a slower disk. */
  readonly syncDelayMs?: number;
  /** Syncs do nothing: what is left is the way to the page cache. */
  readonly withoutSync?: boolean;
  readonly tailCacheBytes?: number;
  /** A directory with logs; a new one without it. */
  readonly root?: string;
  readonly config?: Partial<LogConfig>;
}

/** Logs on the machine's disk, in this process: no network, no broker around them. */
export class LogWorld {
  readonly root: string;
  readonly disk: Disk;
  readonly slabs = new Slabs({ slabBytes: SLAB_BYTES, idleBytesMax: 64 * 1024 ** 2 });
  readonly #cache: TailCache;
  readonly #files: OpenFiles;
  readonly #journal: Journal | undefined;
  readonly #options: LogWorldOptions;

  constructor(options: LogWorldOptions = {}) {
    this.#options = options;
    this.root = options.root ?? mkdtempSync(join(tmpdir(), 'weir-bench-log-'));
    this.disk = slowedDisk(fileDisk(this.root), options);
    this.#cache = new TailCache(options.tailCacheBytes ?? 32 * 1024 ** 2, this.slabs);
    this.#files = new OpenFiles(this.disk, 5_000);
    if (options.journal === false) return;
    this.#journal = new Journal({ disk: this.disk, clock: machineClock, random: machineRandom });
    this.#files.onPressure = () => this.#journal?.relieve();
    this.#journal.begin(32 * 1024 ** 2);
  }

  open(name: string, clock: Clock = machineClock): Log {
    const { log } = Log.open({
      disk: this.disk,
      clock,
      directory: name,
      config: { flush: 'commit', segmentBytes: 1024 ** 3, ...this.#options.config },
      checkpoint: offset(0),
      cleanShutdown: false,
      cache: this.#cache,
      files: this.#files,
      journal: this.#journal,
    });
    log.onFault = (error: DiskError) => {
      throw error;
    };
    if (log.latestEpoch === -1) log.beginEpoch(leaderEpoch(0));
    return log;
  }

  /** A batch in memory of the pool, as one that came from a socket. The caller releases it when it has appended it. */
  batch(template: Buffer): Buffer {
    const bytes = this.slabs.allocate(template.length);
    bytes.set(template);
    return bytes;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A batch of records of 1 KiB, about as long as asked for. */
export function batchTemplate(bytes: number): Buffer {
  const builder = new BatchBuilder({ maxBytes: Math.max(bytes, 1024) + 2_048 });
  const valueBytes = Math.min(bytes - 80, 1_000);
  for (let left = bytes; left >= 80 + valueBytes || left === bytes; left -= valueBytes + 12) {
    builder.append({ key: null, value: Buffer.alloc(valueBytes, left % 251), timestampMs: 1_700_000_000_000 });
  }
  return builder.build();
}

function slowedDisk(disk: Disk, { syncDelayMs, withoutSync }: LogWorldOptions): Disk {
  if (syncDelayMs === undefined && withoutSync !== true) return disk;
  return { ...disk, open: (path, mode) => slowedFile(disk.open(path, mode), { syncDelayMs, withoutSync }) };
}

function slowedFile(
  file: DiskFile,
  { syncDelayMs, withoutSync }: { syncDelayMs: number | undefined; withoutSync: boolean | undefined },
): DiskFile {
  return {
    get size() {
      return file.size;
    },
    append: (buffers) => file.append(buffers),
    writeAt: (position, bytes) => file.writeAt(position, bytes),
    sync(done) {
      if (withoutSync === true) return void setImmediate(() => done(undefined));
      slots.run((leave) => {
        file.sync((error) => {
          setTimeout(() => {
            leave();
            done(error);
          }, syncDelayMs);
        });
      });
    },
    syncNow: () => (withoutSync === true ? undefined : file.syncNow()),
    read: (target, position, done) => file.read(target, position, done),
    readNow: (target, position) => file.readNow(target, position),
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  };
}

/** A slow sync holds a thread of the pool as long as it takes. */
const slots = {
  free: Number(process.env['UV_THREADPOOL_SIZE'] ?? 16),
  waiting: [] as ((leave: () => void) => void)[],
  run(act: (leave: () => void) => void): void {
    if (this.free === 0) {
      this.waiting.push(act);
      return;
    }
    this.free -= 1;
    act(() => {
      this.free += 1;
      const next = this.waiting.shift();
      if (next !== undefined) this.run(next);
    });
  },
};
