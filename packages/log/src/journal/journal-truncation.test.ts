import { expect, test } from 'vitest';
import type { DiskFile } from '@weir/base/disk.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import type { Log } from '../log.ts';
import { tryUntilPowerCut } from '../test-follower.ts';
import { JOURNAL_DIRECTORY, journalNumbers } from './journal-file.ts';
import { Logs, newDisk } from './test-logs.ts';

/** The value of each record of a log, all of whose batches are as `Logs.append` makes them. */
function values(world: Logs, log: Log): number[] {
  const found: number[] = [];
  for (let next = log.startOffset; next < log.durableEnd; next = offset(next + 1)) {
    const read = log.read(next, 1, log.durableEnd);
    // The last byte of a value lies in front of the record's number of headers.
    if (read.kind === 'batches') found.push(read.buffers[0]!.at(-2)!);
    if (read.kind === 'cold') log.readCold(read.plan, (_, buffers) => found.push(buffers[0]!.at(-2)!));
    world.disk.settle();
  }
  return found;
}

test('what the journal has of records that were cut comes back in no start, over newer ones or behind the end', () => {
  let restored = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const world = new Logs(newDisk(seed), 3);
    const [log] = world.logs;
    for (let value = 1; value <= 6; value++) {
      world.append(value);
      // The journal's round alone: the logs' own files are not synced.
      world.disk.completeSyncs(1);
    }
    expect(world.logs.map(({ durableEnd }) => durableEnd)).toEqual([6, 6, 6]);
    log!.truncateTo(offset(3));
    const newer = seed % 6;
    for (let value = 11; value < 11 + newer; value++) {
      world.append(value);
      world.disk.completeSyncs(2);
    }
    expect(log!.durableEnd).toBe(3 + newer);
    world.disk.crash();
    const again = new Logs(world.disk, 3);
    restored += again.replay.restored;
    const expected = [1, 2, 3, ...[11, 12, 13, 14, 15].slice(0, newer)];
    expect([again.replay.damage, values(again, again.logs[0]!)]).toEqual([undefined, expected]);
    expect(values(again, again.logs[1]!).slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
  }
  expect(restored).toBeGreaterThan(50);
});

test('a log that was cut goes to the journal again once it has grown past what was cut', () => {
  const world = new Logs(newDisk(), 2);
  for (let value = 1; value <= 4; value++) {
    world.append(value);
    world.settle();
  }
  const [log] = world.logs;
  log!.truncateTo(offset(2));
  const pending: number[] = [];
  for (let value = 5; value <= 8; value++) {
    world.append(value);
    pending.push(world.disk.pendingSyncs);
    world.settle();
  }
  expect(pending).toEqual([2, 2, 1, 1]);
});

test('a round that was under way when a log was cut does not count what is gone', () => {
  const world = new Logs(newDisk(), 2);
  world.append(1);
  world.settle();
  world.append(2);
  const [log] = world.logs;
  log!.truncateTo(offset(1));
  world.append(12);
  world.disk.completeSyncs(1);
  expect([log!.durableEnd, log!.endOffset, world.logs[1]!.durableEnd]).toEqual([1, 2, 2]);
  world.settle();
  expect([log!.durableEnd, log!.pendingBytes]).toEqual([2, 0]);
  expect(values(world, log!)).toEqual([1, 12]);
});

test('the journal waits for no log to settle what was cut', () => {
  const world = new Logs(newDisk(), 2, { fileBytes: 100 });
  world.append(1);
  world.disk.completeSyncs(1);
  world.append(2);
  expect(journalNumbers(world.disk)).toEqual([1, 2]);
  for (const log of world.logs) {
    log.truncateTo(offset(0));
    log.beginEpoch(leaderEpoch(1));
  }
  for (let value = 3; value <= 9; value++) {
    world.append(value);
    world.settle();
  }
  expect(journalNumbers(world.disk)![0]).toBeGreaterThan(1);
  expect(world.faults).toEqual([]);
});

test('a round that comes back before a sync of the log itself counts nothing that was cut meanwhile', () => {
  const disk = newDisk();
  const rounds: (() => void)[] = [];
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    const file = open(path, mode);
    const sync: DiskFile['sync'] = (done) => rounds.push(() => done(undefined));
    return path.startsWith(JOURNAL_DIRECTORY) ? Object.create(file, { sync: { value: sync } }) : file;
  };
  const world = new Logs(disk, 2, { fileBytes: 100 });
  world.append(1);
  rounds.shift()!();
  world.append(2);
  // The first journal file is to go: both logs sync their own.
  expect([disk.pendingSyncs, rounds.length]).toEqual([2, 1]);
  const [log] = world.logs;
  log!.truncateTo(offset(1));
  rounds.shift()!();
  expect(world.logs.map(({ durableEnd }) => durableEnd)).toEqual([1, 2]);
  disk.settle();
  expect([log!.durableEnd, log!.checkpointable()]).toEqual([1, 1]);
});

test('wherever the power goes as a log is cut, what stays is there, also what the journal alone had', () => {
  let whole = false;
  for (let cut = 0; !whole; cut++) {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new Logs(newDisk(seed), 2);
      for (let value = 1; value <= 6; value++) {
        world.append(value);
        world.disk.completeSyncs(1);
      }
      const [log] = world.logs;
      world.disk.crashAfter(cut);
      whole = tryUntilPowerCut(world.disk, () => log!.truncateTo(offset(4)));
      world.disk.crash();
      const again = new Logs(world.disk, 2);
      expect(values(again, again.logs[0]!).slice(0, 4)).toEqual([1, 2, 3, 4]);
    }
  }
});
