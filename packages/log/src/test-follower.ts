import { strict as assert } from 'node:assert';
import { leaderEpoch, offset, type Offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { baseOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import type { Log } from './log.ts';
import type { LogConfig } from './log-config.ts';
import { stampBatch } from './stamp-batch.ts';
import { asProducers, makeBatch, openLog, testCache, type TestSequence } from './test-kit.ts';

/** For tests: of `replicated`, with one record. */
export const BATCH_BYTES = makeBatch([1]).length;
/** For tests: four batches of one record in each segment. */
export const CONFIG = { segmentBytes: 4 * BATCH_BYTES, groupBytesMax: 2 * BATCH_BYTES, indexIntervalBytes: 1 };

/** For tests. */
export function newDisk(seed = 1): SimulatedDisk {
  return new SimulatedDisk(seededRandom(seed));
}

/** For tests: a batch as a leader of that epoch has it. */
export function replicated(
  base: number,
  epoch: number,
  { records = 1, by }: { records?: number; by?: TestSequence } = {},
): Buffer {
  const batch = makeBatch(
    Array.from({ length: records }, (_, i) => base + i),
    { fill: epoch },
  );
  if (by !== undefined) asProducers(batch, by);
  stampBatch(batch, offset(base), leaderEpoch(epoch));
  return batch;
}

/** For tests: appends batches of one record each, of these epochs, and makes them durable. */
export function replicate(log: Log, disk: SimulatedDisk, epochs: readonly number[]): void {
  for (const epoch of epochs) log.appendReplicated(replicated(log.endOffset, epoch));
  log.flush();
  disk.settle();
  assert.equal(log.durableEnd, log.endOffset);
}

/** For tests: what is in a log: offset and epoch of each batch, read from memory or disk. */
export function contents(log: Log, disk: SimulatedDisk): string[] {
  const found: string[] = [];
  const upTo = log.durableEnd;
  const take = (buffers: readonly Buffer[], nextOffset: Offset): Offset => {
    for (const batch of buffers) found.push(`${baseOffsetOf(batch, 0)}@${leaderEpochOf(batch, 0)}`);
    return nextOffset;
  };
  for (let next = log.startOffset; next < upTo;) {
    const from = next;
    const read = log.read(from, 1, upTo);
    if (read.kind === 'batches') next = take(read.buffers, read.nextOffset);
    if (read.kind === 'cold') {
      log.readCold(read.plan, (error, buffers, nextOffset) => {
        next = error === undefined ? take(buffers, nextOffset) : from;
      });
      disk.settle();
    }
    assert.ok(next > from, `nothing is read at ${from}`);
  }
  return found;
}

/** For tests: whether it was done; if not, the power went. */
export function tryUntilPowerCut(disk: SimulatedDisk, act: () => void): boolean {
  try {
    act();
    disk.crashAfter(1_000_000);
    return true;
  } catch (error) {
    assert.ok(disk.powerCut, String(error));
    return false;
  }
}

/** For tests: `0@1` and so on, a batch of one record for each epoch. */
export function named(...epochs: readonly number[]): string[] {
  return epochs.map((epoch, base) => `${base}@${epoch}`);
}

/** For tests: a follower's log on a new disk, with batches of these epochs. */
export function follower(
  epochs: readonly number[],
  config: Partial<LogConfig> = CONFIG,
  { cacheBytes = 1_000_000, seed = 1 } = {},
): { readonly disk: SimulatedDisk; readonly log: Log } {
  const disk = newDisk(seed);
  const { log } = openLog(disk, { config, cache: testCache(cacheBytes) });
  replicate(log, disk, epochs);
  return { disk, log };
}
