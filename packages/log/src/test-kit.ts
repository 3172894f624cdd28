import type { Cancel, Clock } from '@weir/base/clock.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import type { Compression } from '@weir/records/compression.ts';
import { BATCH_CRC_FROM, writeCrc } from '@weir/records/batch-header.ts';
import { crc32c } from '@weir/records/crc32c.ts';
import type { Disk } from '@weir/base/disk.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { Log, type OpenedLog } from './log.ts';
import type { Journal } from './journal/journal.ts';
import type { LogConfig } from './log-config.ts';
import { OpenFiles } from './open-files.ts';
import { TailCache } from './tail-cache.ts';

/** For tests: a clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { dueMs: number; callback: () => void }[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  every(): Cancel {
    throw new Error('the log asks for no repeated timers');
  }

  endOfTurn(callback: () => void): void {
    callback();
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter((timer) => timer.dueMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => timer.dueMs > this.#nowMs);
    for (const { callback } of due) callback();
  }
}

/** For tests: the same, on which a turn of the event loop ends when the test says so. */
export class TurnClock extends ManualClock {
  #endings: (() => void)[] = [];

  override endOfTurn(callback: () => void): void {
    this.#endings.push(callback);
  }

  endTurn(): void {
    for (const ending of this.#endings.splice(0)) ending();
  }

  /** Ends this turn, and those that follow from it. */
  endTurns(): void {
    while (this.#endings.length > 0) this.endTurn();
  }
}

/** For tests: a producer's batch with a record for each timestamp; without bytes of a value it has tombstones. */
export function makeBatch(
  timestamps: readonly number[],
  { valueBytes = 10, fill = 0, keys = [] }: { valueBytes?: number; fill?: number; keys?: readonly string[] } = {},
): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_000_000 });
  for (const [i, timestampMs] of timestamps.entries()) {
    const key = keys.length === 0 ? null : Buffer.from(keys[i % keys.length]!);
    builder.append({ key, value: valueBytes < 0 ? null : Buffer.alloc(valueBytes, fill), timestampMs });
  }
  return builder.build();
}

/** For tests: a record of a key; null: a tombstone. */
export type KeyedRecord = readonly [key: string | null, value: string | null, timestampMs?: number];

/** For tests: a producer's batch of such records. */
export function keyedBatch(records: readonly KeyedRecord[], compression: Compression = 'none'): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_000_000, compression });
  for (const [key, value, timestampMs = 0] of records) {
    builder.append({
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      timestampMs,
    });
  }
  return builder.build();
}

/** For tests: where a batch belongs among those of an idempotent producer. */
export interface TestSequence {
  readonly producerId: number;
  readonly epoch?: number;
  readonly sequence: number;
}

/** For tests: makes it the batch of an idempotent producer. */
export function asProducers(batch: Buffer, { producerId, epoch = 0, sequence }: TestSequence): Buffer {
  batch.writeBigInt64BE(BigInt(producerId), 43);
  batch.writeInt16BE(epoch, 51);
  batch.writeInt32BE(sequence, 53);
  writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
  return batch;
}

/** For tests: a tail cache whose memory is overwritten as soon as nobody should look at it any more. */
export function testCache(budgetBytes: number): TailCache {
  return new TailCache(budgetBytes, new Slabs({ slabBytes: 64 * 1024, idleBytesMax: 1_000_000, poison: true }));
}

/** For tests: opens the log in `logs/p` with what a test does not care about filled in. */
export function openLog(
  disk: Disk,
  options: {
    config?: Partial<LogConfig>;
    checkpoint?: number;
    cleanShutdown?: boolean;
    lastFlush?: LogConfig['flush'];
    cache?: TailCache;
    clock?: Clock;
    files?: OpenFiles;
    journal?: Journal;
    journalEnd?: number;
  } = {},
): OpenedLog {
  disk.makeDirectory('logs/p');
  disk.syncDirectory('');
  disk.syncDirectory('logs');
  return Log.open({
    disk,
    clock: options.clock ?? new ManualClock(),
    directory: 'logs/p',
    config: { flush: 'commit', segmentBytes: 1_000_000, ...options.config },
    checkpoint: offset(options.checkpoint ?? 0),
    cleanShutdown: options.cleanShutdown ?? false,
    cache: options.cache ?? testCache(1_000_000),
    files: options.files ?? new OpenFiles(disk, 100),
    ...(options.journal === undefined ? {} : { journal: options.journal }),
    ...(options.journalEnd === undefined ? {} : { journalEnd: offset(options.journalEnd) }),
    ...(options.lastFlush === undefined ? {} : { lastFlush: options.lastFlush }),
  });
}

/** For tests: the same with an epoch begun. */
export function openForAppends(disk: Disk, options: Parameters<typeof openLog>[1] = {}): Log {
  const { log } = openLog(disk, options);
  log.beginEpoch(leaderEpoch(log.latestEpoch + 1));
  return log;
}
