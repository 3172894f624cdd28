import { expect, test } from 'vitest';
import { FLUSH_INTERVAL_MS, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { leaderEpoch, offset, type Offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { baseOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import type { Log } from './log.ts';
import { makeBatch, ManualClock, openForAppends, openLog, testCache } from './test-kit.ts';

const newDisk = (): SimulatedDisk => new SimulatedDisk(seededRandom(1));

function advances(log: Log): number[] {
  const ends: number[] = [];
  log.onAdvance = (end) => ends.push(end);
  return ends;
}

function readCold(disk: SimulatedDisk, log: Log, from: number, maxBytes: number): { bytes: Buffer; next: number } {
  const read = log.read(offset(from), maxBytes, log.durableEnd);
  if (read.kind !== 'cold') throw new Error(`a cold read was expected, not ${read.kind}`);
  let result: { bytes: Buffer; next: number } | undefined;
  log.readCold(read.plan, (error, buffers, nextOffset) => {
    expect(error).toBeUndefined();
    result = { bytes: Buffer.concat(buffers), next: nextOffset };
  });
  while (disk.pendingReads > 0) disk.completeReads(1);
  return result!;
}

test('a batch gets its offset and leader epoch, and stays valid', () => {
  const log = openForAppends(newDisk());
  log.beginEpoch(leaderEpoch(7));
  const first = makeBatch([1, 2, 3]);
  const second = makeBatch([4]);
  expect(log.append(first)).toBe(0);
  expect(log.append(second)).toBe(3);
  expect(log.endOffset).toBe(4);
  expect([baseOffsetOf(second, 0), leaderEpochOf(second, 0)]).toEqual([3, 7]);
  expect(isValidBatchAt(second, 0, second.length)).toBe(true);
});

test('with flush=commit a batch counts when its sync is back, and what came meanwhile goes out as the next group', () => {
  const disk = newDisk();
  const log = openForAppends(disk);
  const ends = advances(log);
  const batch = makeBatch([1]);
  log.append(batch);
  log.flush();
  log.append(makeBatch([2]));
  log.append(makeBatch([3]));
  log.flush();
  log.flush();
  expect([disk.pendingSyncs, log.durableEnd, log.pendingBytes]).toEqual([1, 0, 3 * batch.length]);
  disk.completeSyncs(1);
  expect([ends, disk.pendingSyncs, log.checkpointable()]).toEqual([[1], 1, 1]);
  disk.completeSyncs(1);
  expect([ends, disk.pendingSyncs, log.pendingBytes, log.checkpointable()]).toEqual([[1, 3], 0, 0, 3]);
});

test('a group is no larger than its limit', () => {
  const disk = newDisk();
  const batch = makeBatch([1]);
  const log = openForAppends(disk, { config: { groupBytesMax: 2 * batch.length } });
  const ends = advances(log);
  for (let i = 0; i < 5; i++) log.append(makeBatch([1]));
  log.flush();
  disk.settle();
  expect(ends).toEqual([2, 4, 5]);
});

test('with flush=interval a batch counts when it is written, and a sync follows in time or by size', () => {
  const disk = newDisk();
  const clock = new ManualClock();
  const batch = makeBatch([1]);
  const config = { flush: 'interval', groupBytesMax: 3 * batch.length, flushIntervalBytes: 6 * batch.length } as const;
  const log = openForAppends(disk, { clock, config });
  const ends = advances(log);
  log.append(makeBatch([1]));
  log.flush();
  expect([ends, log.checkpointable(), disk.pendingSyncs]).toEqual([[1], 0, 0]);
  clock.advance(0.75 * FLUSH_INTERVAL_MS - 1);
  expect(disk.pendingSyncs).toBe(0);
  clock.advance(1);
  expect(disk.pendingSyncs).toBe(1);
  disk.completeSyncs();
  expect(log.checkpointable()).toBe(1);
  for (let i = 0; i < 3; i++) log.append(makeBatch([1]));
  log.flush();
  expect([log.durableEnd, disk.pendingSyncs]).toEqual([4, 1]);
});

test('with flush=interval no more than its limit is unsynced, however long a sync takes', () => {
  const disk = newDisk();
  const batch = makeBatch([1]);
  const config = { flush: 'interval', groupBytesMax: 2 * batch.length, flushIntervalBytes: 6 * batch.length } as const;
  const log = openForAppends(disk, { config });
  for (let i = 0; i < 20; i++) log.append(makeBatch([1]));
  log.flush();
  expect([log.durableEnd, disk.pendingSyncs]).toEqual([6, 1]);
  log.flush();
  expect(log.durableEnd).toBe(6);
  disk.settle();
  expect([log.durableEnd, log.pendingBytes]).toEqual([20, 0]);
});

test('segments roll before they grow past their size, each with its index files, and are read as one log', () => {
  const disk = newDisk();
  const cache = testCache(1);
  const batch = makeBatch([1]);
  const config = { segmentBytes: 3 * batch.length, indexIntervalBytes: 1 };
  const log = openForAppends(disk, { cache, config });
  for (let i = 0; i < 8; i++) log.append(makeBatch([i]));
  log.flush();
  disk.settle();
  expect([log.durableEnd, log.segmentCount, log.sizeBytes]).toEqual([8, 3, 8 * batch.length]);
  const names = disk.list('logs/p')!.filter((name) => name !== 'leader-epochs');
  const segment = (base: number): string => String(base).padStart(20, '0');
  expect(names.toSorted()).toEqual([
    ...['.index', '.log', '.timeindex'].map((ending) => segment(0) + ending),
    ...['.index', '.log', '.no-producers', '.timeindex'].map((ending) => segment(3) + ending),
    ...['.log', '.no-producers'].map((ending) => segment(6) + ending),
  ]);
  const bases: number[] = [];
  for (let next = 0; next < 8;) {
    const { bytes, next: end } = readCold(disk, log, next, 1);
    bases.push(baseOffsetOf(bytes, 0));
    next = end;
  }
  expect(bases).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('another size of segments counts from the next group on, also when the active one is larger already', () => {
  const disk = newDisk();
  const batch = makeBatch([1]);
  const log = openForAppends(disk, { config: { segmentBytes: 100 * batch.length } });
  const append = (count: number): void => {
    for (let i = 0; i < count; i++) log.append(makeBatch([i]));
    log.flush();
    disk.settle();
  };
  append(5);
  log.segmentBytes = 2 * batch.length;
  expect(log.segmentCount).toBe(1);
  append(4);
  expect([log.segmentCount, log.durableEnd]).toEqual([3, 9]);
  log.segmentBytes = 100 * batch.length;
  append(10);
  expect([log.segmentCount, log.durableEnd]).toEqual([3, 19]);
});

test('the tail is read from memory, the very buffers, and never past what is asked for', () => {
  const disk = newDisk();
  const log = openForAppends(disk);
  const batches = [makeBatch([1, 2]), makeBatch([3]), makeBatch([4])];
  for (const batch of batches) log.append(batch);
  log.flush();
  expect(log.read(offset(0), 1_000, log.durableEnd)).toEqual({ kind: 'atEnd' });
  disk.settle();
  const read = log.read(offset(1), 1_000, offset(3));
  expect(read).toEqual({ kind: 'batches', buffers: batches.slice(0, 2), nextOffset: 3 });
  expect(read.kind === 'batches' && read.buffers[0] === batches[0]).toBe(true);
  expect(log.read(offset(1), 1, offset(4))).toMatchObject({ kind: 'batches', nextOffset: 2 });
  expect(log.read(offset(0), 1_000, offset(1))).toEqual({ kind: 'atEnd' });
  expect(log.read(offset(5), 1_000, offset(4))).toEqual({ kind: 'outOfRange' });
});

test('a cold read brings a batch whole that is larger than asked for', () => {
  const disk = newDisk();
  const log = openForAppends(disk, { cache: testCache(1) });
  log.append(makeBatch([1]));
  const large = makeBatch([2], { valueBytes: 50_000 });
  log.append(large);
  log.flush();
  disk.settle();
  expect(readCold(disk, log, 1, 100).bytes.equals(large)).toBe(true);
  // Once more from where the first read ended.
  expect(readCold(disk, log, 0, 100).next).toBe(1);
  expect(readCold(disk, log, 1, 100)).toMatchObject({ next: 2 });
});

test('cold reads go on while segments roll and the log closes', () => {
  const disk = newDisk();
  const batch = makeBatch([1]);
  const log = openForAppends(disk, { cache: testCache(1), config: { segmentBytes: batch.length } });
  log.append(makeBatch([1]));
  log.flush();
  disk.settle();
  const read = log.read(offset(0), 1_000, log.durableEnd);
  if (read.kind !== 'cold') throw new Error('a cold read was expected');
  const ends: (Offset | string)[] = [];
  log.readCold(read.plan, (error, _, next) => ends.push(error?.code ?? next));
  for (let i = 0; i < 5; i++) log.append(makeBatch([1]));
  log.flush();
  while (disk.pendingSyncs > 0) disk.completeSyncs(1);
  expect(log.segmentCount).toBe(6);
  log.close(true);
  disk.settle();
  expect(ends).toEqual([1]);
  log.readCold(read.plan, (error) => ends.push(error!.code));
  expect(ends).toEqual([1, 'EBADF']);
});

test('finds the first record at or after a timestamp, inside of a batch as well', () => {
  const disk = newDisk();
  const log = openForAppends(disk, { config: { segmentBytes: 150 } });
  for (const timestamps of [[10, 30, 20], [5], [40, 50], [45, 60]]) log.append(makeBatch(timestamps));
  log.flush();
  disk.settle();
  const find = (timestampMs: number, upTo: number): unknown => {
    let found: unknown = 'nothing was called';
    log.offsetForTimestamp(timestampMs, offset(upTo), (_, result) => {
      found = result;
    });
    disk.settle();
    return found;
  };
  expect(find(0, 8)).toEqual({ offset: 0, timestampMs: 10 });
  expect(find(15, 8)).toEqual({ offset: 1, timestampMs: 30 });
  expect(find(31, 8)).toEqual({ offset: 4, timestampMs: 40 });
  expect(find(51, 8)).toEqual({ offset: 7, timestampMs: 60 });
  expect(find(51, 7)).toBeUndefined();
  expect(find(61, 8)).toBeUndefined();
});

test('a failed sync is reported once, and nothing of its group counts or stays', () => {
  const disk = newDisk();
  const log = openForAppends(disk);
  const faults: string[] = [];
  log.onFault = (error, what) => faults.push(`${what} ${error.code}`);
  log.append(makeBatch([1]));
  log.flush();
  disk.completeSyncs();
  log.append(makeBatch([2]));
  log.flush();
  disk.failNextSync();
  disk.completeSyncs();
  log.flush();
  expect([faults, log.durableEnd, log.appendable, disk.pendingSyncs]).toEqual([['sync EIO'], 1, false, 0]);
  disk.kill();
  expect(openLog(disk).log.endOffset).toBe(1);
});

test('on a full disk what was appended waits, and goes on when there is room', () => {
  for (const code of ['ENOSPC', 'EMFILE']) {
    const disk = newDisk();
    const clock = new ManualClock();
    const log = openForAppends(disk, { clock });
    const faults: string[] = [];
    log.onFault = (error, what) => faults.push(`${what} ${error.code}`);
    log.append(makeBatch([1]));
    log.flush();
    disk.settle();
    disk.failNextAppend(code, 30);
    log.append(makeBatch([2]));
    log.flush();
    expect([faults, log.durableEnd, log.appendable, log.stuck !== undefined]).toEqual([[], 1, true, true]);
    log.append(makeBatch([3]));
    log.flush();
    disk.settle();
    expect([log.durableEnd, log.endOffset]).toEqual([1, 3]);
    clock.advance(WRITE_RETRY_MS);
    disk.settle();
    expect([faults, log.durableEnd, log.stuck]).toEqual([[], 3, undefined]);
    disk.crash();
    const { log: again, recovery } = openLog(disk, { checkpoint: 3 });
    expect([again.endOffset, recovery.tornBytesCut, recovery.damage]).toEqual([3, 0, undefined]);
  }
});

test('a roll on a full disk waits as well, and no offset is given out twice', () => {
  const disk = newDisk();
  const clock = new ManualClock();
  const batch = makeBatch([1]);
  const log = openForAppends(disk, { clock, config: { segmentBytes: batch.length } });
  log.append(makeBatch([1]));
  log.flush();
  disk.settle();
  // The roll writes the index files of the full segment first.
  disk.failNextAppend('ENOSPC', 0);
  log.append(makeBatch([2]));
  log.flush();
  expect([log.segmentCount, log.stuck !== undefined]).toEqual([1, true]);
  clock.advance(WRITE_RETRY_MS);
  disk.settle();
  expect([log.segmentCount, log.durableEnd]).toEqual([2, 2]);
});

test('an epoch that finds the disk full has not begun, and can begin later', () => {
  const disk = newDisk();
  const log = openForAppends(disk);
  disk.failNextAppend('ENOSPC', 0);
  expect(() => log.beginEpoch(leaderEpoch(5))).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
  expect([log.latestEpoch, log.appendable]).toEqual([0, true]);
  log.beginEpoch(leaderEpoch(5));
  expect(log.latestEpoch).toBe(5);
});

test('a fault of the disk while it is read puts the log out of use', () => {
  const disk = newDisk();
  const log = openForAppends(disk, { cache: testCache(1) });
  const faults: string[] = [];
  log.onFault = (error, what) => faults.push(`${what} ${error.code}`);
  log.append(makeBatch([1]));
  log.flush();
  disk.settle();
  const read = log.read(offset(0), 1_000, log.durableEnd);
  if (read.kind !== 'cold') throw new Error('a cold read was expected');
  disk.flipBit(`logs/p/${'0'.repeat(20)}.log`, 16);
  log.readCold(read.plan, (error) => faults.push(error!.code));
  disk.settle();
  expect(faults).toEqual(['damage EBADMSG', 'EBADMSG']);
});

test('an epoch begins behind durable records, and twice is once', () => {
  const disk = newDisk();
  const log = openForAppends(disk);
  const ends = advances(log);
  log.append(makeBatch([1]));
  log.flush();
  log.append(makeBatch([2]));
  log.beginEpoch(leaderEpoch(5));
  // One sync was under way and may yet fail: nothing counts before it is back.
  expect(ends).toEqual([]);
  disk.completeSyncs();
  expect([ends, log.checkpointable()]).toEqual([[2], 2]);
  log.append(makeBatch([3]));
  log.beginEpoch(leaderEpoch(6));
  expect([ends, log.checkpointable(), log.latestEpoch]).toEqual([[2, 3], 3, 6]);
  log.beginEpoch(leaderEpoch(6));
  disk.crash();
  const { log: again } = openLog(disk);
  expect([again.endOffset, again.latestEpoch]).toEqual([3, 6]);
});

test('a sync that fails under a beginning epoch takes back the epoch and what did not count, whatever the segment size', () => {
  const disk = newDisk();
  const batch = makeBatch([1]);
  const config = { segmentBytes: 2 * batch.length, groupBytesMax: batch.length };
  const log = openForAppends(disk, { config });
  log.append(makeBatch([1]));
  log.flush();
  disk.settle();
  log.append(makeBatch([2]));
  log.flush();
  for (let i = 0; i < 4; i++) log.append(makeBatch([3]));
  log.beginEpoch(leaderEpoch(5));
  expect([log.segmentCount, log.durableEnd]).toEqual([1, 1]);
  disk.failNextSync();
  disk.completeSyncs();
  disk.kill();
  const { log: again, recovery } = openLog(disk, { config, checkpoint: 1 });
  expect(recovery.damage).toBeUndefined();
  expect([again.endOffset, again.latestEpoch]).toEqual([1, 0]);
});

test('a clean close brings everything to the disk, and the next start scans nothing', () => {
  const disk = newDisk();
  const log = openForAppends(disk, { config: { segmentBytes: 200, indexIntervalBytes: 1 } });
  for (let i = 0; i < 9; i++) log.append(makeBatch([i]));
  log.close(true);
  expect([log.durableEnd, log.checkpointable()]).toEqual([9, 9]);
  disk.crash();
  const { log: again, recovery } = openLog(disk, { cleanShutdown: true, checkpoint: 9 });
  expect(again.endOffset).toBe(9);
  expect(recovery.damage).toBeUndefined();
  const untouched = newDisk();
  const other = openForAppends(untouched);
  other.append(makeBatch([1]));
  other.close(true);
  const { log: third, recovery: nothing } = openLog(untouched, { cleanShutdown: true, checkpoint: 1 });
  expect(nothing).toEqual({ scannedBytes: 0, tornBytesCut: 0, rebuiltFiles: 0 });
  third.beginEpoch(leaderEpoch(1));
  expect(third.append(makeBatch([2]))).toBe(1);
});

test('syncs are timed, with their bytes', () => {
  const disk = newDisk();
  const clock = new ManualClock();
  const log = openForAppends(disk, { clock });
  const syncs: number[][] = [];
  log.onSync = (...sync) => syncs.push(sync);
  const batch = makeBatch([1]);
  log.append(batch);
  log.flush();
  clock.advance(7);
  disk.completeSyncs();
  expect(syncs).toEqual([[7, batch.length]]);
});

test('a batch that no offset is left for is refused before anything changes', () => {
  const log = openForAppends(newDisk());
  const batch = makeBatch([1]);
  batch.writeInt32BE(0x7fff_ffff, 35);
  expect(() => log.append(batch)).toThrow('safe');
  expect([log.endOffset, log.pendingBytes]).toEqual([0, 0]);
});
