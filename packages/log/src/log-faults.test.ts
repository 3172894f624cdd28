import { expect, test } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import type { Log } from './log.ts';
import { BATCH_BYTES, contents, follower, newDisk, replicate, replicated } from './test-follower.ts';
import { makeBatch, openForAppends, openLog, testCache } from './test-kit.ts';

/** What a log reports, in order. */
function faultsOf(log: Log): string[] {
  const faults: string[] = [];
  log.onFault = (_error, what) => faults.push(what);
  return faults;
}

test('a failed sync is told, and what it did not cover is cut, although a read has failed before it', () => {
  const disk = new SimulatedDisk(seededRandom(7), { blockBytes: 16 });
  const log = openForAppends(disk, { config: { flush: 'commit' } });
  const faults = faultsOf(log);
  log.append(makeBatch([1]));
  log.flush();
  disk.completeSyncs();
  log.append(makeBatch([2], { valueBytes: 2000 }));
  log.flush();
  disk.failNextRead();
  log.readCold({ from: offset(0), maxBytes: 1000, upTo: offset(1) }, () => {});
  disk.completeReads();
  disk.failNextSync();
  disk.completeSyncs();
  expect(faults).toEqual(['read', 'sync']);
  log.close(false);
  disk.kill();
  // The process alone died: the page cache would still have had it.
  expect(openLog(disk).log.durableEnd).toBe(1);
});

test('a sync that fails after the log was closed is told, and the close has not called itself durable', () => {
  const disk = new SimulatedDisk(seededRandom(3), { blockBytes: 64 });
  const log = openForAppends(disk, { config: { flush: 'interval', groupBytesMax: 400, flushIntervalBytes: 800 } });
  const faults = faultsOf(log);
  for (let i = 0; i < 2; i++) {
    log.append(makeBatch([1], { valueBytes: 300 }));
    log.flush();
  }
  expect(log.syncing).toBe(true);
  expect(log.close(true)).toBe(false);
  disk.failNextSync();
  disk.completeSyncs();
  expect(faults).toEqual(['sync']);
});

test('a close says whether all that was written is durable', () => {
  const closed = (flush: 'commit' | 'interval', clean: boolean): boolean => {
    const log = openForAppends(new SimulatedDisk(seededRandom(1)), { config: { flush } });
    log.append(makeBatch([1]));
    log.flush();
    return log.close(clean);
  };
  expect(closed('interval', true)).toBe(true);
  expect(closed('interval', false)).toBe(false);
});

test('a flipped bit in a header that a search by timestamp skips ends the search, not the process', () => {
  const disk = new SimulatedDisk(seededRandom(7));
  const log = openForAppends(disk, {});
  for (let i = 0; i < 3; i++) {
    log.append(makeBatch([i * 100]));
    log.flush();
    disk.completeSyncs();
  }
  // The sign of the first batch's last offset delta.
  disk.flipBit('logs/p/00000000000000000000.log', 23, 7);
  let code: string | undefined;
  log.offsetForTimestamp(150, offset(3), (error) => (code = error?.code));
  disk.completeReads();
  expect(code).toBe('EBADMSG');
});

test('a read that lacks descriptors fails alone', () => {
  const disk = new SimulatedDisk(seededRandom(7));
  const log = openForAppends(disk, {});
  const faults = faultsOf(log);
  log.append(makeBatch([1]));
  log.flush();
  disk.completeSyncs();
  disk.failNextRead('EMFILE');
  let code: string | undefined;
  log.readCold({ from: offset(0), maxBytes: 1000, upTo: offset(1) }, (error) => (code = error?.code));
  disk.completeReads();
  expect(code).toBe('EMFILE');
  expect(faults).toEqual([]);
  expect(log.appendable).toBe(true);
});

test('how far a torn tail may reach is told by how the records were written, not by how they will be', () => {
  const disk = new SimulatedDisk(seededRandom(7));
  const config = { groupBytesMax: 400, flushIntervalBytes: 100_000 };
  const log = openForAppends(disk, { config: { flush: 'commit', ...config } });
  log.beginEpoch(leaderEpoch(log.latestEpoch + 1));
  for (let i = 0; i < 8; i++) {
    log.append(makeBatch([i], { valueBytes: 200 }));
    log.flush();
    disk.completeSyncs();
  }
  disk.kill();
  disk.flipBit('logs/p/00000000000000000000.log', 100, 0);
  const { recovery } = openLog(disk, { config: { flush: 'interval', ...config }, lastFlush: 'commit' });
  expect(recovery.damage).toBeDefined();
  expect(recovery.tornBytesCut).toBe(0);
});

test('a failed sync of a directory or a small file ends the process, whatever its code, and is not tried again', () => {
  for (const code of ['EIO', 'ENOSPC']) {
    const disk = new SimulatedDisk(seededRandom(3));
    const log = openForAppends(disk);
    const faults: string[] = [];
    log.onFault = (error, what) => faults.push(`${what} ${error.code}`);
    log.append(makeBatch([1]));
    log.flush();
    disk.settle();
    disk.failNextSync(code);
    expect(() => log.beginEpoch(leaderEpoch(log.latestEpoch + 1))).toThrow(
      expect.objectContaining({ duringSync: true }),
    );
    expect([faults, log.appendable]).toEqual([[`sync ${code}`], false]);
  }
});

test('a leader epoch that has rotted in a batch is found by who reads it, as no CRC covers it', () => {
  for (const [offsets, epochs] of [
    [[1], [1, 1, 2, 2]],
    [
      [0, 1, 2, 3],
      [1, 2, 3, 4],
    ],
  ] as const) {
    for (const rotten of offsets) {
      for (let bit = 0; bit < 32; bit++) {
        const { disk, log } = follower(epochs, {});
        const faults = faultsOf(log);
        disk.flipBit('logs/p/00000000000000000000.log', rotten * BATCH_BYTES + 12 + (bit >> 3), bit & 7);
        const found: unknown[] = [];
        log.readCold({ from: offset(rotten), maxBytes: 1, upTo: offset(4) }, (error) => found.push(error?.code));
        disk.settle();
        expect([found, faults]).toEqual([['EBADMSG'], ['damage']]);
      }
    }
  }
});

test('a leader epoch that has rotted is found by who cuts the log behind it, and by a search by timestamp', () => {
  const epochByte = 12 + 3;
  const cut = follower([1, 1, 2, 2], {});
  const faults = faultsOf(cut.log);
  cut.disk.flipBit('logs/p/00000000000000000000.log', BATCH_BYTES + epochByte);
  expect(() => cut.log.truncateTo(offset(3))).toThrow(expect.objectContaining({ code: 'EBADMSG' }));
  expect([faults, cut.log.endOffset]).toEqual([['damage'], 4]);
  const searched = follower([1, 1, 2, 2], {});
  searched.disk.flipBit('logs/p/00000000000000000000.log', epochByte);
  let code: string | undefined;
  searched.log.offsetForTimestamp(2, offset(4), (error) => (code = error?.code));
  searched.disk.settle();
  expect(code).toBe('EBADMSG');
});

test('a read does not mind epochs that were forgotten with what lies before the start', () => {
  const disk = newDisk();
  const { log } = openLog(disk);
  log.appendReplicated(replicated(0, 1, { records: 4 }));
  replicate(log, disk, [3, 4]);
  log.deleteRecords(offset(2));
  expect(contents(log, disk)).toEqual(['0@1', '4@3', '5@4']);
  const { log: again } = openLog(disk, { cache: testCache(1) });
  expect(contents(again, disk)).toEqual(['0@1', '4@3', '5@4']);
});

test('a segment that is gone or ends too early is damage to who reads it', () => {
  for (const spoil of ['remove', 'shorten'] as const) {
    const { disk, log } = follower([1, 1, 1, 1], { segmentBytes: 2 * BATCH_BYTES, groupBytesMax: BATCH_BYTES });
    log.close(true);
    const { log: again } = openLog(disk, { cleanShutdown: true, cache: testCache(1) });
    const faults = faultsOf(again);
    const path = 'logs/p/00000000000000000000.log';
    if (spoil === 'remove') disk.removeFile(path);
    else disk.open(path, 'update').truncate(BATCH_BYTES);
    const found: unknown[] = [];
    again.readCold({ from: offset(1), maxBytes: 1, upTo: offset(4) }, (error) => found.push(error !== undefined));
    disk.settle();
    expect([found, faults]).toEqual([[true], ['damage']]);
    expect(openLog(disk, { cleanShutdown: true }).recovery.damage?.why).toContain('an earlier run found damage');
  }
});
