import { strict as assert } from 'node:assert';
import { expect, test } from 'vitest';
import { DiskError } from '@weir/base/disk.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { leaderEpochOf } from '@weir/records/batch-header.ts';
import type { Log } from './log.ts';
import {
  BATCH_BYTES,
  CONFIG,
  contents,
  follower,
  named,
  newDisk,
  replicate,
  replicated,
  tryUntilPowerCut,
} from './test-follower.ts';
import { TailCache } from './tail-cache.ts';
import { openLog, type TestSequence } from './test-kit.ts';

test('a replicated batch keeps its bytes, and its epoch begins with it', () => {
  const disk = newDisk();
  const { log } = openLog(disk);
  expect([log.lastRecordEpoch, log.latestEpoch]).toEqual([-1, -1]);
  const batches = [replicated(0, 2, { records: 3 }), replicated(3, 2), replicated(4, 5, { records: 2 })];
  for (const batch of batches) log.appendReplicated(Buffer.from(batch));
  log.flush();
  expect(log.durableEnd).toBe(0);
  disk.settle();
  expect([log.durableEnd, log.lastRecordEpoch, log.latestEpoch]).toEqual([6, 5, 5]);
  expect([log.epochAt(3), log.epochAt(4), log.epochEnd(3)]).toEqual([2, 5, { epoch: 2, endOffset: 4 }]);
  expect(disk.readFile(`logs/p/${'0'.repeat(20)}.log`)).toEqual(Buffer.concat(batches));
  disk.crash();
  const { log: again, recovery } = openLog(disk, { checkpoint: 6 });
  expect([recovery.damage, again.lastRecordEpoch, again.epochEnd(2)]).toEqual([
    undefined,
    5,
    { epoch: 2, endOffset: 4 },
  ]);
});

test('a replicated batch that leaves a gap, overlaps, or has an epoch below the latest is an assertion', () => {
  const { log } = follower([3, 3]);
  for (const batch of [replicated(1, 3), replicated(3, 3), replicated(2, 2)]) {
    expect(() => log.appendReplicated(batch)).toThrow('follows');
  }
  expect([log.endOffset, log.latestEpoch]).toEqual([2, 3]);
});

test('an epoch is on the disk before its first batch, and not before all in front of it is durable', () => {
  for (const flush of ['commit', 'interval'] as const) {
    for (let cut = 0; cut < 40; cut++) {
      const disk = newDisk(cut);
      const { log } = openLog(disk, { config: { ...CONFIG, flush, flushIntervalBytes: 4 * BATCH_BYTES } });
      disk.crashAfter(cut);
      let counted = 0;
      log.onAdvance = (end) => (counted = end);
      tryUntilPowerCut(disk, () => {
        for (const epoch of [1, 1, 2, 4, 4, 7]) {
          log.appendReplicated(replicated(log.endOffset, epoch));
          log.flush();
          if (epoch === 4) disk.settle();
        }
        disk.settle();
      });
      disk.crash();
      const { log: again, recovery } = openLog(disk, { config: { ...CONFIG, flush } });
      expect(recovery.damage, `${flush}, power cut after ${cut}`).toBeUndefined();
      expect(again.endOffset).toBeGreaterThanOrEqual(flush === 'commit' ? counted : 0);
      const epochs = [1, 1, 2, 4, 4, 7].slice(0, again.endOffset);
      expect(contents(again, disk)).toEqual(named(...epochs));
      expect(epochs.map((_, i) => again.epochAt(i))).toEqual(epochs);
    }
  }
});

test('with flush=commit an epoch costs the log no sync of its own', () => {
  const disk = newDisk();
  const { log } = openLog(disk);
  replicate(log, disk, [1]);
  log.appendReplicated(replicated(1, 2));
  log.flush();
  expect([disk.pendingSyncs, log.durableEnd]).toEqual([1, 1]);
  disk.completeSyncs(1);
  expect([disk.pendingSyncs, log.durableEnd]).toEqual([0, 2]);
});

test('a log is cut at a batch, inside of one, and in what is not written yet', () => {
  for (const [end, left] of [
    [5, 5],
    [4, 3],
    [3, 3],
    [8, 7],
    [7, 7],
    [0, 0],
  ] as const) {
    const disk = newDisk();
    const { log } = openLog(disk);
    log.appendReplicated(replicated(0, 1, { records: 3 }));
    log.appendReplicated(replicated(3, 1, { records: 2 }));
    log.flush();
    disk.settle();
    log.appendReplicated(replicated(5, 1, { records: 2 }));
    log.appendReplicated(replicated(7, 2, { records: 2 }));
    let advanced = false;
    log.onAdvance = () => (advanced = true);
    log.truncateTo(offset(end));
    expect([log.endOffset, log.durableEnd]).toEqual([left, Math.min(left, 5)]);
    expect([advanced, log.latestEpoch]).toEqual([false, left === 0 ? -1 : 1]);
    expect(log.checkpointable()).toBe(Math.min(left, 5));
    log.appendReplicated(replicated(left, 3));
    log.flush();
    disk.settle();
    expect([log.durableEnd, log.pendingBytes, log.lastRecordEpoch]).toEqual([left + 1, 0, 3]);
    disk.crash();
    const { log: again, recovery } = openLog(disk, { checkpoint: left + 1 });
    expect([recovery.damage, again.endOffset, again.epochAt(left)]).toEqual([undefined, left + 1, 3]);
  }
});

test('a cut over several segments leaves a log that goes on as if the rest had never been there', () => {
  for (let end = 0; end <= 14; end++) {
    const epochs = Array.from({ length: 14 }, (_, i) => 1 + Math.floor(i / 5));
    const { disk, log } = follower(epochs, CONFIG, { cacheBytes: end % 2 === 0 ? 1 : 1_000_000 });
    log.truncateTo(offset(end));
    expect([log.startOffset, log.endOffset, log.durableEnd, log.checkpointable()]).toEqual([0, end, end, end]);
    expect(log.sizeBytes).toBe(end * BATCH_BYTES);
    expect(contents(log, disk)).toEqual(named(...epochs.slice(0, end)));
    replicate(log, disk, [9, 9, 9, 9, 9, 9]);
    const all = [...epochs.slice(0, end), 9, 9, 9, 9, 9, 9];
    expect(contents(log, disk)).toEqual(named(...all));
    let found: unknown;
    log.offsetForTimestamp(end + 2, log.durableEnd, (_, record) => (found = record));
    disk.settle();
    expect(found).toEqual({ offset: end + 2, timestampMs: end + 2 });
    disk.crash();
    const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: end + 6 });
    expect([recovery.damage, contents(again, disk)]).toEqual([undefined, named(...all)]);
  }
});

test('epochs go with their records, and those that never had one as well', () => {
  const { disk, log } = follower([1, 1, 4, 4]);
  log.beginEpoch(leaderEpoch(6));
  expect([log.latestEpoch, log.lastRecordEpoch]).toEqual([6, 4]);
  log.truncateTo(offset(4));
  expect([log.latestEpoch, log.endOffset]).toEqual([4, 4]);
  log.truncateTo(offset(3));
  expect(log.latestEpoch).toBe(4);
  log.truncateTo(offset(2));
  expect(log.latestEpoch).toBe(1);
  // The next leader's records may be of an epoch in between (KIP-279).
  replicate(log, disk, [2]);
  disk.crash();
  const { log: again, recovery } = openLog(disk, { config: CONFIG });
  expect([recovery.damage, again.latestEpoch, again.epochAt(2), again.epochAt(1)]).toEqual([undefined, 2, 2, 1]);
});

test('an epoch that another one has replaced is not found again after a cut', () => {
  const { disk, log } = follower([1, 1]);
  log.beginEpoch(leaderEpoch(5));
  log.appendReplicated(replicated(2, 7));
  log.truncateTo(offset(2));
  replicate(log, disk, [3]);
  disk.crash();
  const { log: again, recovery } = openLog(disk, { config: CONFIG });
  expect([recovery.damage, again.latestEpoch, again.lastRecordEpoch]).toEqual([undefined, 3, 3]);
});

test('a cut that has nothing to do writes nothing', () => {
  const { disk, log } = follower([1, 1, 2]);
  disk.crashAfter(0);
  log.truncateTo(offset(3));
  expect([disk.powerCut, log.endOffset, log.latestEpoch]).toEqual([undefined, 3, 2]);
});

test('what the checkpoint says of records that were cut is no damage, and what it says later is', () => {
  const { disk, log } = follower([1, 1, 1, 1, 1, 1]);
  log.truncateTo(offset(3));
  disk.kill();
  const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: 6 });
  expect([recovery.damage, again.endOffset, again.checkpointable()]).toEqual([undefined, 3, 3]);
  expect(openLog(disk, { config: CONFIG, checkpoint: 7 }).recovery.damage).toMatchObject({ offset: 3 });
  replicate(again, disk, [2, 2]);
  disk.kill();
  const { log: third } = openLog(disk, { config: CONFIG, checkpoint: 4 });
  expect(third.endOffset).toBe(5);
  disk.kill();
  // The last start found five records: they have been durable since.
  const file = disk.open(`logs/p/${'4'.padStart(20, '0')}.log`, 'append');
  file.truncate(0);
  file.close();
  expect(openLog(disk, { config: CONFIG, checkpoint: 4 }).recovery.damage).toMatchObject({ offset: 4 });
});

test('the mark of a cut goes once nothing can be older', () => {
  const { disk, log } = follower([1, 1, 1, 1]);
  log.truncateTo(offset(2));
  const marked = (): boolean => disk.readFile('logs/p/truncated') !== undefined;
  expect(marked()).toBe(true);
  replicate(log, disk, [2]);
  disk.kill();
  const { log: short } = openLog(disk, { config: CONFIG });
  expect(marked()).toBe(true);
  replicate(short, disk, [2]);
  disk.kill();
  openLog(disk, { config: CONFIG, journalEnd: 0 });
  expect(marked()).toBe(true);
  openLog(disk, { config: CONFIG });
  expect(marked()).toBe(false);
});

test('a damaged mark of a cut is damage: nobody knows what is older', () => {
  const { disk, log } = follower([1, 1, 1, 1]);
  log.truncateTo(offset(2));
  disk.kill();
  disk.flipBit('logs/p/truncated', 14);
  expect(openLog(disk, { config: CONFIG }).recovery.damage?.why).toContain('"truncated" is damaged');
});

test('wherever the power goes in a cut, the log has what it had or a part of it, and epochs that fit', () => {
  const epochs = Array.from({ length: 14 }, (_, i) => 1 + Math.floor(i / 5));
  for (const end of [2, 4, 10, 11, 13]) {
    let whole = 0;
    for (let cut = 0; whole === 0; cut++) {
      for (let seed = 0; seed < 8; seed++) {
        const { disk, log } = follower(epochs, CONFIG, { seed });
        disk.crashAfter(cut);
        if (tryUntilPowerCut(disk, () => log.truncateTo(offset(end)))) whole += 1;
        if (seed === 0) disk.kill();
        else disk.crash();
        const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: 14 });
        expect(recovery.damage, `cut at ${end}, power cut after ${cut}`).toBeUndefined();
        expect(again.endOffset).toBeGreaterThanOrEqual(end);
        expect(contents(again, disk)).toEqual(named(...epochs.slice(0, again.endOffset)));
        expect(again.lastRecordEpoch).toBe(epochs[again.endOffset - 1]);
        // The latest epoch does not begin behind the end.
        expect(again.epochEnd(again.latestEpoch - 1).endOffset).toBeLessThanOrEqual(again.endOffset);
        again.truncateTo(offset(end));
        expect(again.latestEpoch).toBe(epochs[end - 1]);
        replicate(again, disk, [8, 8]);
        disk.crash();
        const { log: last, recovery: later } = openLog(disk, { config: CONFIG, checkpoint: 14 });
        expect([later.damage, contents(last, disk)]).toEqual([undefined, named(...epochs.slice(0, end), 8, 8)]);
      }
    }
  }
});

test('a sync that was under way when the log was cut does not count what is gone', () => {
  const disk = newDisk();
  const { log } = openLog(disk);
  replicate(log, disk, [1, 1]);
  log.appendReplicated(replicated(2, 1));
  log.appendReplicated(replicated(3, 1));
  log.flush();
  expect(disk.pendingSyncs).toBe(1);
  log.truncateTo(offset(3));
  expect([log.durableEnd, log.endOffset, log.checkpointable()]).toEqual([2, 3, 2]);
  log.appendReplicated(replicated(3, 2));
  log.flush();
  expect(log.durableEnd).toBe(2);
  disk.completeSyncs(1);
  expect(log.durableEnd).toBe(3);
  disk.settle();
  expect([log.durableEnd, log.pendingBytes]).toEqual([4, 0]);
  expect(contents(log, disk)).toEqual(named(1, 1, 1, 2));
});

test('a failed sync that was under way when the log was cut leaves nothing that it should have covered', () => {
  const disk = newDisk();
  const { log } = openLog(disk);
  const faults: string[] = [];
  log.onFault = (_, what) => faults.push(what);
  replicate(log, disk, [1, 1]);
  log.appendReplicated(replicated(2, 1));
  log.appendReplicated(replicated(3, 1));
  log.flush();
  log.truncateTo(offset(3));
  disk.failNextSync();
  disk.completeSyncs(1);
  expect([faults, log.durableEnd]).toEqual([['sync'], 2]);
  disk.kill();
  const { log: again, recovery } = openLog(disk, { checkpoint: 2 });
  expect([recovery.damage, again.endOffset]).toEqual([undefined, 2]);
});

test('a full disk refuses a cut, which can be made again when there is room', () => {
  const { disk, log } = follower([1, 1, 2, 2, 2]);
  disk.capacityBytes = 0;
  expect(() => log.truncateTo(offset(1))).toThrow('no space');
  expect([log.appendable, log.endOffset, log.latestEpoch]).toEqual([true, 5, 2]);
  // Room for the mark, and none for the epochs.
  const { freeBytes, totalBytes } = disk.space();
  disk.capacityBytes = totalBytes - freeBytes + 45;
  for (let room = 0; log.latestEpoch === 2; room++) {
    expect(room).toBeLessThan(1_000);
    disk.capacityBytes += 1;
    try {
      log.truncateTo(offset(1));
    } catch (error) {
      assert.ok(error instanceof DiskError && log.appendable);
    }
  }
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  replicate(log, disk, [2]);
  expect(contents(log, disk)).toEqual(named(1, 2));
  disk.crash();
  expect(openLog(disk, { config: CONFIG, checkpoint: 5 }).recovery.damage).toBeUndefined();
});

test('a cut that meets bytes which are no batches takes the log offline, and the next start knows', () => {
  const { disk, log } = follower([1, 1, 1, 1, 1, 1]);
  const faults: string[] = [];
  log.onFault = (_, what) => faults.push(what);
  disk.rot(`logs/p/${'4'.padStart(20, '0')}.log`, BATCH_BYTES, BATCH_BYTES + 20);
  expect(() => log.truncateTo(offset(5))).toThrow(`no sound batch at position ${BATCH_BYTES}`);
  expect([faults, log.appendable, log.endOffset]).toEqual([['damage'], false, 6]);
  disk.kill();
  expect(openLog(disk, { config: CONFIG }).recovery.damage?.why).toContain('an earlier run found damage');
});

test('readers that were under way when the log was cut find nothing, and what comes next is read as it is now', () => {
  for (const end of [1, 4, 6]) {
    const epochs = [1, 1, 1, 1, 1, 1, 1, 1];
    const { disk, log } = follower(epochs, CONFIG, { cacheBytes: 1 });
    const ends: string[] = [];
    const start = (from: number): void => {
      const plan = { from: offset(from), maxBytes: 2 * BATCH_BYTES, upTo: log.durableEnd };
      log.readCold(plan, (error, buffers, next) => ends.push(`${error?.code} ${buffers.length} ${next}`));
    };
    // Read ahead, too.
    start(0);
    disk.completeReads(1);
    start(2);
    start(4);
    start(5);
    const { length } = ends;
    const old = { from: offset(end), maxBytes: 1_000, upTo: log.durableEnd };
    log.truncateTo(offset(end));
    replicate(log, disk, [2, 2, 2, 2, 2, 2]);
    disk.settle();
    for (const found of ends.slice(length)) expect(found).toMatch(/^undefined 0/);
    expect(ends.length).toBe(4);
    log.readCold(old, (error, buffers) => {
      expect([error, leaderEpochOf(buffers[0]!, 0)]).toEqual([undefined, 2]);
    });
    disk.settle();
    expect(contents(log, disk)).toEqual(named(...epochs.slice(0, end), 2, 2, 2, 2, 2, 2));
  }
});

test('a cut, and a log that begins anew, leave no memory of what is gone in use', () => {
  for (const anew of [false, true]) {
    const slabs = new Slabs({ slabBytes: 64 * 1024, idleBytesMax: 0, poison: true });
    const disk = newDisk();
    const { log } = openLog(disk, { config: CONFIG, cache: new TailCache(1_000_000, slabs) });
    const release = (_: unknown, buffers: readonly Buffer[]): void => slabs.releaseAll(buffers);
    const coldRead = (from: number): void =>
      log.readCold({ from: offset(from), maxBytes: BATCH_BYTES, upTo: log.durableEnd }, release);
    for (let i = 0; i < 12; i++) {
      const piece = slabs.allocate(BATCH_BYTES);
      piece.set(replicated(i, 1));
      log.appendReplicated(piece);
      slabs.release(piece);
      // The last ones wait to be written.
      if (i < 10) log.flush();
      disk.settle();
    }
    // The third read begins to read ahead.
    for (const from of [4, 5, 6]) coldRead(from);
    disk.completeReads(2);
    coldRead(7);
    if (anew) log.restartAt(offset(20));
    else log.truncateTo(offset(3));
    disk.settle();
    expect(slabs.usedBytes > 0).toBe(!anew);
    log.close(false);
    expect(slabs.usedBytes).toBe(0);
  }
});

test('a search that was under way when the log was cut finds what is there', () => {
  const { disk, log } = follower([1, 1, 1, 1, 1, 1], CONFIG, { cacheBytes: 1 });
  const found: unknown[] = [];
  log.offsetForTimestamp(4, log.durableEnd, (error, record) => found.push(error, record));
  log.maxTimestamp(offset(5), (error, timestampMs) => found.push(error, timestampMs));
  log.truncateTo(offset(3));
  disk.settle();
  expect(found).toEqual([undefined, undefined, undefined, 2]);
});

test('producers are known as if what was cut had never been appended', () => {
  const by = (sequence: number): TestSequence => ({ producerId: 7, sequence });
  for (let end = 0; end <= 10; end++) {
    const { disk, log } = follower([]);
    for (let i = 0; i < 10; i++) {
      log.appendReplicated(replicated(i, 1, { by: by(i) }));
      // The last one is not written yet.
      if (i < 9) log.flush();
      disk.settle();
    }
    log.truncateTo(offset(end));
    // The last five, and no other, are known.
    const expected = Array.from({ length: end }, (_, i) =>
      i < end - 5 ? 'OUT_OF_ORDER_SEQUENCE_NUMBER' : 'duplicate',
    );
    const judge = (of: Log, sequence: number): string | undefined => {
      const judged = of.admit(replicated(99, 1, { by: by(sequence) }));
      return judged !== undefined && 'code' in judged ? judged.code : judged?.kind;
    };
    const check = (of: Log): void => {
      expect(expected.map((_, i) => judge(of, i))).toEqual(expected);
      expect(judge(of, end)).toBeUndefined();
    };
    check(log);
    replicate(log, disk, [2, 2, 2, 2, 2]);
    check(log);
    disk.crash();
    check(openLog(disk, { config: CONFIG }).log);
  }
});
