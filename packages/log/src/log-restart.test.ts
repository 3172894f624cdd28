import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import type { Log } from './log.ts';
import { CONFIG, contents, follower, newDisk, replicate, replicated, tryUntilPowerCut } from './test-follower.ts';
import { openLog } from './test-kit.ts';
import { Logs } from './journal/test-logs.ts';

const TEN = [1, 1, 1, 1, 2, 2, 2, 3, 3, 3];

test('a log that begins anew is empty at its start, and goes on from there', () => {
  for (const start of [0, 3, 4, 8, 10, 25]) {
    const { disk, log } = follower(TEN);
    log.appendReplicated(replicated(10, 3));
    let advanced = false;
    log.onAdvance = () => (advanced = true);
    log.restartAt(offset(start));
    expect([log.startOffset, log.endOffset, log.durableEnd, log.checkpointable()]).toEqual([
      start,
      start,
      start,
      start,
    ]);
    expect([log.latestEpoch, log.lastRecordEpoch, log.sizeBytes, log.pendingBytes]).toEqual([-1, -1, 0, 0]);
    expect([log.segmentCount, advanced, contents(log, disk)]).toEqual([1, false, []]);
    expect(log.read(offset(start), 100, log.durableEnd).kind).toBe('atEnd');
    replicate(log, disk, [2, 4]);
    const now = [`${start}@2`, `${start + 1}@4`];
    expect(contents(log, disk)).toEqual(now);
    disk.crash();
    for (const checkpoint of [0, 10, start]) {
      const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint });
      expect([recovery.damage, again.startOffset, contents(again, disk)]).toEqual([undefined, start, now]);
    }
  }
});

test('wherever the power goes as a log begins anew, it is as it was or empty at its start', () => {
  for (const start of [0, 4, 6, 25]) {
    let whole = 0;
    let before = 0;
    for (let cut = 0; whole === 0; cut++) {
      for (let seed = 0; seed < 8; seed++) {
        const { disk, log } = follower(TEN, CONFIG, { seed });
        disk.crashAfter(cut);
        if (tryUntilPowerCut(disk, () => log.restartAt(offset(start)))) whole += 1;
        if (seed === 0) disk.kill();
        else disk.crash();
        // And again as the start goes on with it.
        disk.crashAfter(seed);
        tryUntilPowerCut(disk, () => openLog(disk, { config: CONFIG, checkpoint: 10 }));
        disk.crash();
        const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: 10 });
        expect(recovery.damage, `at ${start}, power cut after ${cut}`).toBeUndefined();
        const places = [again.startOffset, again.endOffset, again.lastRecordEpoch];
        if (again.endOffset === 10) before += 1;
        expect(again.endOffset === 10 ? [0, 10, 3] : [start, start, -1]).toEqual(places);
        again.restartAt(offset(start));
        replicate(again, disk, [5]);
        disk.crash();
        expect(contents(openLog(disk, { config: CONFIG, checkpoint: 10 }).log, disk)).toEqual([`${start}@5`]);
      }
    }
    expect(before).toBeGreaterThan(0);
  }
});

/** Two logs and their journal, of which four groups are synced and the fifth is under way. */
function withOneUnderWay(seed: number): Logs {
  const world = new Logs(newDisk(seed), 2);
  for (let value = 1; value <= 4; value++) {
    world.append(value);
    world.disk.completeSyncs(1);
  }
  world.append(5);
  return world;
}

test('what the journal has of a log that began anew comes back in no start', () => {
  for (let seed = 1; seed <= 40; seed++) {
    for (const start of [0, 2, 9]) {
      const world = withOneUnderWay(seed);
      const [log] = world.logs;
      log!.restartAt(offset(start));
      world.settle();
      expect(log!.durableEnd).toBe(start);
      log!.appendReplicated(replicated(start, 7));
      world.flush();
      world.settle();
      world.disk.crash();
      const again = new Logs(world.disk, 2);
      expect(contents(again.logs[0]!, world.disk)).toEqual([`${start}@7`]);
      expect(again.logs[1]!.endOffset).toBeGreaterThanOrEqual(4);
    }
  }
});

test('a damaged log may begin anew, and is trusted by the next start', () => {
  const { disk } = follower(TEN);
  disk.kill();
  disk.flipBit(`logs/p/${'8'.padStart(20, '0')}.log`, 70);
  const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 10 });
  expect([recovery.damage?.offset, log.appendable]).toEqual([8, false]);
  log.restartAt(offset(6));
  expect([log.appendable, log.endOffset, log.checkpointable()]).toEqual([true, 6, 6]);
  replicate(log, disk, [4]);
  disk.crash();
  const { log: again, recovery: later } = openLog(disk, { config: CONFIG, checkpoint: 10 });
  expect([later.damage, contents(again, disk)]).toEqual([undefined, ['6@4']]);
});

test('a log that is cut inside of the batch in which it starts is empty at its start', () => {
  const disk = newDisk();
  const { log } = openLog(disk, { config: CONFIG });
  log.appendReplicated(replicated(0, 1, { records: 4 }));
  replicate(log, disk, [1, 2]);
  log.deleteRecords(offset(2));
  log.truncateTo(offset(3));
  expect([log.startOffset, log.endOffset, log.durableEnd, log.latestEpoch]).toEqual([2, 2, 2, -1]);
  disk.crash();
  const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: 6 });
  expect([recovery.damage, again.startOffset, again.endOffset]).toEqual([undefined, 2, 2]);
});

test('a log that is cut at its start, in the midst of a segment, needs no epoch of what lies below', () => {
  const { disk, log } = follower([1, 1, 2, 2]);
  log.deleteRecords(offset(2));
  log.truncateTo(offset(2));
  expect([log.startOffset, log.endOffset, log.latestEpoch, log.lastRecordEpoch]).toEqual([2, 2, -1, -1]);
  disk.crash();
  const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: 4 });
  expect([recovery.damage, again.startOffset, again.endOffset]).toEqual([undefined, 2, 2]);
});

test('a sync and reads that are under way as a log begins anew say nothing of it', () => {
  const { disk, log } = follower(TEN, CONFIG, { cacheBytes: 1 });
  const found: unknown[] = [];
  log.readCold({ from: offset(5), maxBytes: 100, upTo: offset(10) }, (error, buffers) => found.push(error, buffers));
  log.appendReplicated(replicated(10, 3));
  log.flush();
  log.restartAt(offset(7));
  disk.settle();
  expect([found, log.durableEnd, log.checkpointable()]).toEqual([[undefined, []], 7, 7]);
  replicate(log, disk, [4]);
  expect(contents(log, disk)).toEqual(['7@4']);
});

/** Finds out, by a read of the first segment, that it is not what was written. */
function findDamage(log: Log, disk: SimulatedDisk): string[] {
  const faults: string[] = [];
  log.onFault = (error, what) => faults.push(`${what} ${error.code}`);
  disk.flipBit(`logs/p/${'0'.repeat(20)}.log`, 70);
  log.readCold({ from: offset(0), maxBytes: 1_000, upTo: log.durableEnd }, () => {});
  disk.completeReads();
  return faults;
}

test('a log in which a read found damage may begin anew as it runs, whatever was under way', () => {
  for (const underWay of ['nothing', 'a queue', 'a sync', 'a sync that ends before', 'a full disk'] as const) {
    const { disk, log } = follower(TEN, CONFIG, { cacheBytes: 1 });
    if (underWay !== 'nothing') log.appendReplicated(replicated(10, 3));
    if (underWay === 'a full disk') disk.capacityBytes = 0;
    if (underWay !== 'nothing' && underWay !== 'a queue') log.flush();
    expect([findDamage(log, disk), log.appendable], underWay).toEqual([['damage EBADMSG'], false]);
    if (underWay === 'a sync that ends before') disk.completeSyncs();
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    log.restartAt(offset(0));
    disk.settle();
    expect([log.appendable, log.stuck, log.endOffset, log.durableEnd, log.checkpointable()]).toEqual([
      true,
      undefined,
      0,
      0,
      0,
    ]);
    replicate(log, disk, [1, 4]);
    expect(contents(log, disk)).toEqual(['0@1', '1@4']);
    expect(log.close(true), underWay).toBe(true);
    disk.kill();
    const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: 2, cleanShutdown: true });
    expect([recovery.damage, contents(again, disk)]).toEqual([undefined, ['0@1', '1@4']]);
  }
});

test('a log that has no room to begin anew stays as damaged as it was, and can try again', () => {
  const { disk, log } = follower(TEN, CONFIG, { cacheBytes: 1 });
  findDamage(log, disk);
  disk.failNextAppend('ENOSPC');
  expect(() => log.restartAt(offset(0))).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
  expect(log.appendable).toBe(false);
  log.restartAt(offset(0));
  replicate(log, disk, [5]);
  expect(contents(log, disk)).toEqual(['0@5']);
});

test('what a journal has of a log comes back in no start once damage was found in it and it began anew', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = withOneUnderWay(seed);
    const [log] = world.logs;
    const path = `logs/0/${'0'.repeat(20)}.log`;
    world.disk.flipBit(path, 70);
    log!.readCold({ from: offset(0), maxBytes: 1_000, upTo: log!.durableEnd }, () => {});
    world.disk.completeReads();
    expect(log!.appendable).toBe(false);
    if (seed % 2 === 0) world.settle();
    log!.restartAt(offset(0));
    world.settle();
    log!.appendReplicated(replicated(0, 7));
    world.flush();
    world.settle();
    world.disk.crash();
    const again = new Logs(world.disk, 2);
    expect(contents(again.logs[0]!, world.disk)).toEqual(['0@7']);
    expect(again.logs[1]!.endOffset).toBeGreaterThanOrEqual(4);
  }
});
