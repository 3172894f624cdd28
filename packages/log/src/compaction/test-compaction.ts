import { strict as assert } from 'node:assert';
import { COMPACTION_PAUSE_MS } from '@weir/base/limits.ts';
import type { Offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { readBatches, readRecords } from '@weir/records/read-records.ts';
import type { Log } from '../log.ts';
import type { ReadView } from '../log-read.ts';
import type { LogConfig } from '../log-config.ts';
import { keyedBatch, ManualClock, openForAppends, openLog, testCache } from '../test-kit.ts';
import type { KeyedRecord } from '../test-kit.ts';
import type { CompactionRules } from './cleanable.ts';
import type { CompactionResult } from './compaction.ts';

/**
 * For tests: a pass over a log, to its end; undefined: there was nothing to do. What `beforeSwap` begins to read is under way
 * while segments are swapped.
 */
export function compact(
  log: Log,
  { disk, clock }: { readonly disk: SimulatedDisk; readonly clock: ManualClock },
  {
    mapBytes = 100_000,
    beforeSwap,
    ...rules
  }: Partial<CompactionRules> & { readonly mapBytes?: number; readonly beforeSwap?: () => void } = {},
): CompactionResult | undefined {
  const full = { nowMs: 0, minLagMs: 0, deleteRetentionMs: 1_000, upTo: log.durableEnd, ...rules };
  const cleanable = log.compaction.cleanable(full);
  if (cleanable === undefined) return undefined;
  const results: CompactionResult[] = [];
  log.compaction.begin({ cleanable, rules: full, mapBytes }, (result) => results.push(result));
  for (let steps = 0; log.compaction.isUnderWay && steps < 10_000; steps++) {
    disk.completeReads();
    if (disk.pendingSyncs > 0) beforeSwap?.();
    disk.completeSyncs();
    clock.advance(COMPACTION_PAUSE_MS);
  }
  assert.equal(results.length, 1, 'a pass ends, once');
  return results[0];
}

/** For tests: all batches of a log from an offset on, read from the disk or from memory. */
export function batchesOf(log: Log, disk: SimulatedDisk, view: ReadView, from: Offset = log.startOffset): Buffer {
  const found: Buffer[] = [];
  const upTo = log.durableEnd;
  const take = (buffers: readonly Buffer[], nextOffset: Offset): void => {
    for (const buffer of buffers) found.push(Buffer.from(buffer));
    if (nextOffset < upTo) readFrom(nextOffset);
  };
  const readFrom = (next: Offset): void => {
    const read = log.read(next, 1_000, upTo, view);
    if (read.kind === 'batches') return take(read.buffers, read.nextOffset);
    assert.ok(read.kind === 'cold', `${read.kind} at ${next}`);
    log.readCold(read.plan, (error, buffers, nextOffset) => {
      assert.equal(error, undefined);
      assert.ok(nextOffset > next, `nothing is read at ${next}`);
      take(buffers, nextOffset);
    });
    disk.settle();
  };
  if (from < upTo) readFrom(from);
  return Buffer.concat(found);
}

/** For tests: the records of a log: `offset key=value`, or `offset key` for a tombstone. */
export function recordsOf(log: Log, disk: SimulatedDisk): string[] {
  const found: string[] = [];
  readRecords(batchesOf(log, disk, 'records'), ({ offset, key, value }) => {
    found.push(`${offset} ${key?.toString() ?? ''}${value === null ? '' : `=${value.toString()}`}`);
  });
  return found;
}

/** For tests: a log on a simulated disk, in which nothing is read from memory. */
export interface Bed {
  readonly disk: SimulatedDisk;
  readonly clock: ManualClock;
  readonly log: Log;
}

export const CONFIG = { segmentBytes: 250, groupBytesMax: 10_000, indexIntervalBytes: 1 };

export function newBed(config: Partial<LogConfig> = CONFIG): Bed {
  const disk = new SimulatedDisk(seededRandom(1));
  const clock = new ManualClock();
  return { disk, clock, log: openForAppends(disk, { config, clock, cache: testCache(1) }) };
}

export function append({ log, disk }: Bed, ...batches: readonly (Buffer | readonly KeyedRecord[])[]): void {
  for (const batch of batches) {
    log.append(Buffer.isBuffer(batch) ? batch : keyedBatch(batch));
    log.flush();
    disk.settle();
  }
}

/** The active segment is not cleaned: what is to be cleaned has to be sealed. */
export function seal({ log, disk }: Bed): void {
  log.flush();
  disk.settle();
  log.retain({ nowMs: 1e9, retentionMs: -1, retentionBytes: -1, segmentMs: 0 });
}

/** Base, end, epoch and number of records of each batch that lies there. */
export function layout({ log, disk }: Bed): string[] {
  return [...readBatches(batchesOf(log, disk, 'batches'))].map(
    ({ baseOffset, lastOffset, leaderEpoch: epoch, recordCount }) =>
      `${baseOffset}-${lastOffset}@${epoch}:${recordCount}`,
  );
}

export function reopened({ disk, clock, log }: Bed): Bed {
  const checkpoint = log.checkpointable();
  disk.crash();
  const opened = openLog(disk, { config: CONFIG, clock, checkpoint, cache: testCache(1) });
  assert.equal(opened.recovery.damage, undefined);
  return { disk, clock, log: opened.log };
}
