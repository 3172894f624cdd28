import { expect, test } from 'vitest';
import { DiskError } from '@weir/base/disk.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { Log } from '../log.ts';
import { OpenFiles } from '../open-files.ts';
import { makeBatch, ManualClock, testCache, TurnClock } from '../test-kit.ts';
import { journalNumbers } from './journal-file.ts';
import { replayJournal } from './replay-journal.ts';
import { Logs, newDisk } from './test-logs.ts';

/** Opens the first log as a start after a crash does. */
function openAgain(disk: SimulatedDisk, segmentBytes = 100_000): ReturnType<typeof Log.open> {
  return Log.open({
    disk,
    clock: new TurnClock(),
    directory: 'logs/0',
    config: { flush: 'commit', segmentBytes },
    checkpoint: offset(0),
    journalEnd: replayJournal(disk, { expected: false }).ends.get('logs/0'),
    cleanShutdown: false,
    cache: testCache(1_000),
    files: new OpenFiles(disk, 10),
  });
}

/** Lets `refuse` say which files are not to be opened, and in what way. */
function refuseOpen(disk: SimulatedDisk, refuse: (path: string, mode: string) => DiskError | undefined): () => void {
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    const error = refuse(path, mode);
    if (error !== undefined) throw error;
    return open(path, mode);
  };
  return () => (disk.open = open);
}

test('a journal that cannot be put into the logs for want of room stays as it is, and so does the start', () => {
  const world = new Logs(newDisk(3), 2);
  world.append(1);
  world.disk.completeSyncs(1);
  expect(world.logs.map(({ durableEnd }) => durableEnd)).toEqual([1, 1]);
  world.disk.crash();
  world.disk.failNextAppend('ENOSPC', 0);
  expect(() => replayJournal(world.disk, { expected: true })).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
  world.disk.kill();
  expect(new Logs(world.disk, 2).logs.map(({ endOffset }) => endOffset)).toEqual([1, 1]);
});

test('a log whose file refuses its groups is named, so that the journal is kept', () => {
  const world = new Logs(newDisk(3), 2);
  world.append(1);
  world.disk.completeSyncs(1);
  world.disk.crash();
  const restore = refuseOpen(world.disk, (path, mode) =>
    path.startsWith('logs/0') && mode === 'update' ? new DiskError('EIO', 'no') : undefined,
  );
  const replay = replayJournal(world.disk, { expected: true });
  expect([replay.refused, replay.ends.get('logs/0'), replay.ends.get('logs/1')]).toEqual([['logs/0'], 1, 1]);
  restore();
  expect(replayJournal(world.disk, { expected: true }).refused).toEqual([]);
});

test('a file is never synced twice at a time, however short descriptors are', () => {
  const disk = newDisk(3);
  const under = new Map<string, number>();
  let most = 0;
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    const file = open(path, mode);
    const sync = file.sync.bind(file);
    file.sync = (done) => {
      under.set(path, (under.get(path) ?? 0) + 1);
      most = Math.max(most, under.get(path)!);
      sync((error) => {
        under.set(path, under.get(path)! - 1);
        done(error);
      });
    };
    return file;
  };
  const world = new Logs(disk, 2, { maxOpen: 1 });
  for (let value = 1; value < 12; value++) {
    world.append(value);
    disk.completeSyncs(1);
    world.append(value, world.logs.slice(0, 1));
    world.settle();
  }
  expect(most).toBe(1);
});

test('missing descriptors at a roll are waited for', () => {
  const disk = newDisk(3);
  const world = new Logs(disk, 1, { segmentBytes: 1_000, maxOpen: 0 });
  const [log] = world.logs;
  while (log!.sizeBytes + makeBatch([1]).length <= 1_000) {
    world.append(1);
    world.settle();
  }
  disk.maxOpenFiles = disk.openFiles;
  world.append(2);
  world.settle();
  expect(() => log!.deleteRecords(log!.durableEnd)).toThrow(expect.objectContaining({ code: 'EMFILE' }));
  expect([world.faults, log!.appendable, log!.segmentCount]).toEqual([[], true, 1]);
  disk.maxOpenFiles = Number.POSITIVE_INFINITY;
  world.clock.advance(1_000);
  world.settle();
  expect([log!.segmentCount, log!.durableEnd]).toEqual([2, log!.endOffset]);
});

test('a deletion that found no room for the epochs can be repeated, and the start never moves down', () => {
  const disk = newDisk(3);
  const world = new Logs(disk, 1, { segmentBytes: 1_000 });
  const [log] = world.logs;
  for (let value = 0; value < 60; value++) {
    if (value === 5) log!.beginEpoch(leaderEpoch(log!.latestEpoch + 1));
    world.append(value);
    world.settle();
  }
  const restore = refuseOpen(disk, (path) =>
    path.endsWith('leader-epochs.new') ? new DiskError('ENOSPC', 'full') : undefined,
  );
  const before = offset(log!.durableEnd - 3);
  expect(() => log!.deleteRecords(before)).toThrow('full');
  restore();
  // The room is there all the same: that is what the deletion was for.
  expect([log!.startOffset, log!.segmentCount]).toEqual([before, 1]);
  log!.deleteRecords(before);
  log!.retain({ nowMs: 0, retentionMs: -1, retentionBytes: log!.sizeBytes - 100, segmentMs: -1 });
  expect(log!.startOffset).toBeGreaterThanOrEqual(before);
  for (let epoch = 0; epoch < 70; epoch++) log!.beginEpoch(leaderEpoch(log!.latestEpoch + 1));
  disk.kill();
  const { log: again, recovery } = openAgain(disk, 1_000);
  expect([recovery.damage, again.startOffset]).toEqual([undefined, log!.startOffset]);
});

test('a segment whose name the disk refused does no harm when it comes back', () => {
  for (let seed = 1; seed < 60; seed++) {
    const disk = newDisk(seed);
    const world = new Logs(disk, 1);
    const [log] = world.logs;
    for (let value = 0; value < 5; value++) {
      world.append(value);
      world.settle();
    }
    const syncDirectory = disk.syncDirectory.bind(disk);
    disk.syncDirectory = (path) => {
      const logs = disk.list(path)!.filter((name) => name.endsWith('.log'));
      if (path === 'logs/0' && logs.length > 1) throw new DiskError('ENOSPC', 'full');
      syncDirectory(path);
    };
    log!.retain({ nowMs: 1e9, retentionMs: -1, retentionBytes: -1, segmentMs: 1 });
    disk.syncDirectory = syncDirectory;
    expect(log!.segmentCount).toBe(1);
    world.clock.advance(1_000);
    for (let value = 5; value < 9; value++) {
      world.append(value);
      world.settle();
    }
    disk.crash();
    const { log: again, recovery } = openAgain(disk);
    expect([recovery.damage, again.endOffset]).toEqual([undefined, 9]);
  }
});

test('the journal keeps what a log has that was closed without all of it synced', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const disk = newDisk(seed);
    const world = new Logs(disk, 3, { fileBytes: 100 });
    world.append(1);
    disk.completeSyncs(1);
    const [first] = world.logs;
    disk.failNextRead('EIO');
    first!.readCold({ from: offset(0), maxBytes: 100, upTo: offset(1) }, () => {});
    disk.completeReads();
    expect(first!.close(false)).toBe(false);
    // The others go on, and their journal files wait for the one that the first log still needs.
    for (let value = 2; value < 6; value++) {
      world.append(value, world.logs.slice(1));
      world.settle();
    }
    expect(journalNumbers(disk)).toContain(1);
    disk.crash();
    expect(new Logs(disk, 3).logs.map(({ endOffset }) => endOffset)).toEqual([1, 5, 5]);
  }
});

test('a log whose partition was deleted does not hold the journal up', () => {
  const world = new Logs(newDisk(), 3, { fileBytes: 100 });
  world.append(1);
  world.disk.completeSyncs(1);
  world.logs[0]!.discard();
  for (let value = 2; value < 6; value++) {
    world.append(value, world.logs.slice(1));
    world.settle();
  }
  expect(journalNumbers(world.disk)).not.toContain(1);
});

test('with flush=interval a full segment is synced in the background before the next one begins', () => {
  const disk = newDisk();
  disk.makeDirectory('logs/x');
  const { log } = Log.open({
    disk,
    clock: new ManualClock(),
    directory: 'logs/x',
    config: { flush: 'interval', segmentBytes: 2_000_000 },
    checkpoint: offset(0),
    cleanShutdown: false,
    cache: testCache(1_000),
    files: new OpenFiles(disk, 10),
  });
  log.beginEpoch(leaderEpoch(1));
  for (let i = 0; i < 5; i++) {
    log.append(makeBatch([1], { valueBytes: 900_000 }));
    log.flush();
  }
  expect([log.segmentCount, log.durableEnd, disk.pendingSyncs]).toEqual([1, 2, 1]);
  disk.completeSyncs(1);
  expect([log.segmentCount, log.durableEnd]).toEqual([2, 4]);
});
