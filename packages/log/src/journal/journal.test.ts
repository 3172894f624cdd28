import { expect, test } from 'vitest';
import { encodeStored } from '../stored-file.ts';
import { makeBatch } from '../test-kit.ts';
import { journalNumbers, journalPath } from './journal-file.ts';
import { replayJournal } from './replay-journal.ts';
import { Logs, newDisk } from './test-logs.ts';

test('one sync makes the groups of all logs durable', () => {
  const world = new Logs(newDisk(), 5);
  world.append(1);
  expect(world.disk.pendingSyncs).toBe(1);
  world.disk.completeSyncs(1);
  expect(world.logs.map((log) => log.durableEnd)).toEqual([1, 1, 1, 1, 1]);
  expect(world.disk.pendingSyncs).toBe(0);
});

test('a log that is alone in the round syncs its own file', () => {
  const world = new Logs(newDisk(), 2);
  world.append(1, world.logs.slice(1));
  world.settle();
  expect(world.logs[1]!.durableEnd).toBe(1);
  expect(journalNumbers(world.disk)).toEqual([]);
});

test('what comes while a round is under way goes out with the next one', () => {
  const world = new Logs(newDisk(), 3);
  world.append(1);
  world.append(2);
  world.append(3);
  expect(world.disk.pendingSyncs).toBe(1);
  world.disk.completeSyncs(1);
  expect(world.logs.map((log) => log.durableEnd)).toEqual([1, 1, 1]);
  world.disk.completeSyncs(1);
  expect(world.logs.map((log) => log.durableEnd)).toEqual([3, 3, 3]);
});

test('after a power cut the journal gives back what the logs had not synced themselves', () => {
  let restored = 0;
  for (let seed = 1; seed <= 50; seed++) {
    const world = new Logs(newDisk(seed), 4);
    for (let value = 1; value <= 6; value++) {
      world.append(value);
      if (value % 2 === 0) world.settle();
    }
    const durable = world.logs.map((log) => log.durableEnd);
    expect(Math.min(...durable)).toBeGreaterThanOrEqual(4);
    world.disk.crash();
    const again = new Logs(world.disk, 4);
    restored += again.replay.restored;
    expect(again.replay.damage).toBeUndefined();
    for (const [i, log] of again.logs.entries()) expect(log.endOffset).toBeGreaterThanOrEqual(durable[i]!);
  }
  expect(restored).toBeGreaterThan(50);
});

test('a journal file goes when its logs have synced their own files, and not before', () => {
  const world = new Logs(newDisk(), 3, { fileBytes: 100 });
  world.append(1);
  world.disk.completeSyncs(1);
  world.append(2);
  // The second round begins a new file, and the logs of the first one settle.
  expect(journalNumbers(world.disk)).toEqual([1, 2]);
  expect(world.disk.pendingSyncs).toBe(4);
  world.disk.completeSyncs(2);
  expect(journalNumbers(world.disk)).toEqual([1, 2]);
  world.disk.completeSyncs(1);
  expect(journalNumbers(world.disk)).toEqual([2]);
  for (let value = 3; value <= 40; value++) {
    world.append(value);
    world.settle();
  }
  expect(journalNumbers(world.disk)!.length).toBeLessThanOrEqual(2);
  world.disk.crash();
  const again = new Logs(world.disk, 3);
  expect(again.logs.map((log) => log.endOffset)).toEqual(world.logs.map((log) => log.durableEnd));
});

test('a bad frame behind which nothing follows was never durable; in front of a good one it is damage', () => {
  const world = new Logs(newDisk(), 2);
  for (let value = 1; value <= 3; value++) {
    world.append(value);
    world.settle();
  }
  const { disk } = world;
  const file = journalPath(1);
  const bytes = disk.readFile(file)!;
  disk.kill();
  const torn = disk.open(file, 'append');
  torn.truncate(bytes.length - 5);
  torn.close();
  const tail = replayJournal(disk, { expected: true });
  expect([tail.damage, tail.groups, tail.ends.get('logs/0')]).toEqual([undefined, 4, 2]);
  disk.flipBit(file, 60);
  expect(replayJournal(disk, { expected: true }).damage).toContain('has a bad frame at byte 24');
  expect(replayJournal(disk, { expected: true }).ends.get('logs/0')).toBe(2);
});

test('a journal file that is missing between others, or altogether, is damage', () => {
  const world = new Logs(newDisk(), 2, { fileBytes: 100 });
  world.append(1);
  world.disk.completeSyncs(1);
  world.append(2);
  const { disk } = world;
  expect(journalNumbers(disk)).toEqual([1, 2]);
  disk.kill();
  disk.rename(journalPath(2), journalPath(3));
  expect(replayJournal(disk, { expected: true }).damage).toBe(`${journalPath(2)} is missing`);
  expect(replayJournal(newDisk(), { expected: true }).damage).toBe('the journal is missing');
  expect(replayJournal(newDisk(), { expected: false }).damage).toBeUndefined();
});

test('a journal of a newer Weir is refused', () => {
  const { disk } = ((): Logs => {
    const world = new Logs(newDisk(), 2);
    world.append(1);
    return world;
  })();
  const bytes = disk.readFile(journalPath(1))!;
  disk.kill();
  disk.removeFile(journalPath(1));
  disk.open(journalPath(1), 'create').append([newerVersion(bytes)]);
  expect(() => replayJournal(disk, { expected: true })).toThrow('format version 9');
});

test('when the journal cannot be written, logs sync their own files', () => {
  const world = new Logs(newDisk(), 3);
  world.append(1);
  world.settle();
  for (const log of world.logs) log.append(makeBatch([2]));
  for (const log of world.logs) log.flush();
  // The capacity lets the logs' own groups pass, and then a part of the journal's frame.
  const { disk } = world;
  disk.capacityBytes = disk.space().totalBytes - disk.space().freeBytes + 3 * makeBatch([2]).length + 50;
  world.clock.endTurn();
  expect(disk.pendingSyncs).toBe(3);
  world.settle();
  expect(world.logs.map((log) => log.durableEnd)).toEqual([2, 2, 2]);
  expect(world.faults).toEqual([]);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  world.append(3);
  world.settle();
  disk.crash();
  const again = new Logs(disk, 3);
  expect([again.replay.damage, ...again.logs.map((log) => log.endOffset)]).toEqual([undefined, 3, 3, 3]);
});

test('a failed sync of the journal is a failed sync of every log in the round', () => {
  const world = new Logs(newDisk(), 3);
  world.append(1);
  world.settle();
  world.disk.failNextSync('EIO');
  world.append(2);
  world.settle();
  expect(world.faults).toEqual(['sync EIO', 'sync EIO', 'sync EIO']);
  expect(world.logs.map((log) => log.durableEnd)).toEqual([1, 1, 1]);
});

test('large groups have a sync of their own, and small ones behind them the journal', () => {
  const world = new Logs(newDisk(), 2, { segmentBytes: 1_000_000 });
  const [first] = world.logs;
  first!.append(makeBatch([1], { valueBytes: 200_000 }));
  world.flush();
  expect(journalNumbers(world.disk)).toEqual([]);
  world.settle();
  world.append(2);
  world.settle();
  expect([first!.durableEnd, journalNumbers(world.disk)]).toEqual([2, [1]]);
  world.disk.crash();
  expect(new Logs(world.disk, 2).logs.map((log) => log.endOffset)).toEqual([2, 1]);
});

test('more logs than open files: all go on, and what nobody uses is closed', () => {
  const world = new Logs(newDisk(), 12, { maxOpen: 4 });
  for (let value = 1; value <= 5; value++) {
    world.append(value);
    world.settle();
  }
  expect(world.logs.map((log) => log.durableEnd)).toEqual(Array.from({ length: 12 }, () => 5));
});

test('a clean stop leaves no journal', () => {
  const world = new Logs(newDisk(), 3);
  world.append(1);
  world.settle();
  expect(world.logs.map((log) => log.close(true))).toEqual([true, true, true]);
  world.journal.close(true);
  expect(journalNumbers(world.disk)).toEqual([]);
  world.disk.crash();
  expect(new Logs(world.disk, 3).logs.map((log) => log.endOffset)).toEqual([1, 1, 1]);
});

/** A copy of a stored file's bytes with another format version and the right CRC. */
function newerVersion(bytes: Buffer): Buffer {
  const body = bytes.subarray(12, 12 + bytes.readUInt32LE(8));
  return encodeStored({ magic: 'WJNL', version: 9, name: '' }, body);
}
