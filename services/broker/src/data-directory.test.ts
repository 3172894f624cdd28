import { expect, test } from 'vitest';
import { brokerId, offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { UNSETTLED_RUNS_MAX } from '@weir/base/limits.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { replaceFile } from '@weir/base/disk.ts';
import { DataDirectory } from './data-directory.ts';

const random = seededRandom(7);

function open(disk: SimulatedDisk, id = 1): DataDirectory {
  return new DataDirectory(disk, '/data', brokerId(id), random);
}

test('a new directory gets an id of its own and keeps it through a crash', () => {
  const disk = new SimulatedDisk(random);
  const first = open(disk);
  first.registered('cluster-1');
  disk.crash();
  const second = open(disk);
  expect(second.identity).toEqual(first.identity);
  expect(second.identity).toMatchObject({ clusterId: 'cluster-1', brokerId: 1 });
});

test('the directory of another broker is refused, and so is another cluster', () => {
  const disk = new SimulatedDisk(random);
  open(disk).registered('cluster-1');
  expect(() => open(disk, 2)).toThrow('/data belongs to broker 1, this is broker 2');
  expect(() => open(disk).registered('cluster-2')).toThrow('belongs to cluster cluster-1');
});

test('a run is on disk before it registers, and those that never learned whether they did are named by the next', () => {
  const disk = new SimulatedDisk(random);
  const begin = (): DataDirectory => {
    disk.crash();
    const directory = open(disk);
    directory.beginRun(random);
    return directory;
  };
  const { incarnationId: first } = begin().identity;
  const { incarnationId: second } = begin().identity;
  const third = begin();
  expect(third.identity).toMatchObject({ registeredIncarnationId: '', unsettledIncarnationIds: [first, second] });
  expect(new Set([first, second, third.identity.incarnationId]).size).toBe(3);
  third.registered('cluster-1');
  const { incarnationId, ...known } = begin().identity;
  expect(known).toMatchObject({
    registeredIncarnationId: third.identity.incarnationId,
    unsettledIncarnationIds: [],
  });
  expect(incarnationId).not.toBe(third.identity.incarnationId);
});

test('runs that never learned whether they registered are named up to a limit, and then go on as the one before', () => {
  const disk = new SimulatedDisk(random);
  let identity = open(disk).identity;
  for (let run = 0; run < UNSETTLED_RUNS_MAX + 3; run++) {
    const directory = open(disk);
    directory.beginRun(random);
    identity = directory.identity;
  }
  expect(identity.unsettledIncarnationIds).toHaveLength(UNSETTLED_RUNS_MAX);
  expect(identity.unsettledIncarnationIds).not.toContain(identity.incarnationId);
  const last = open(disk);
  last.beginRun(random);
  expect(last.identity).toEqual(identity);
});

test('a directory of a Weir that kept no runs is taken as it is', () => {
  const disk = new SimulatedDisk(random);
  const { directoryId } = open(disk).identity;
  const older = { formatVersion: 1, clusterId: 'cluster-1', brokerId: 1, directoryId };
  replaceFile(disk, '.', 'meta.json', Buffer.from(JSON.stringify(older)));
  const directory = open(disk);
  directory.beginRun(random);
  expect(directory.identity).toMatchObject({ directoryId, registeredIncarnationId: '' });
  expect(directory.identity.incarnationId).not.toBe('');
});

test('a newer format is refused by its number, a damaged file by its name', () => {
  const disk = new SimulatedDisk(random);
  replaceFile(disk, '.', 'meta.json', Buffer.from('{"formatVersion": 9}'));
  expect(() => open(disk)).toThrow('/data/meta.json has format version 9');
  replaceFile(disk, '.', 'meta.json', Buffer.from('{"formatVersion": 1'));
  expect(() => open(disk)).toThrow('/data/meta.json is damaged');
});

test('partitions without a meta.json are nobody’s', () => {
  const disk = new SimulatedDisk(random);
  disk.makeDirectory('partitions');
  expect(() => open(disk)).toThrow('holds partitions and no meta.json');
});

test('the clean marker is taken once', () => {
  const disk = new SimulatedDisk(random);
  const directory = open(disk);
  expect(directory.takeLastStop().cleanShutdown).toBe(false);
  directory.writeCheckpoint(new Map([['f', offset(5)]]));
  directory.markClean(3);
  const lastStop = directory.takeLastStop();
  expect(lastStop.cleanShutdown).toBe(true);
  expect([...lastStop.checkpoint]).toEqual([['f', 5]]);
  disk.crash();
  expect(open(disk).takeLastStop().cleanShutdown).toBe(false);
});

test('a checkpoint that is written meanwhile is never replaced by an older one', () => {
  const disk = new SimulatedDisk(random);
  const directory = open(disk);
  const fail = (error: Error): void => {
    throw error;
  };
  expect(directory.writeCheckpointSoon(new Map([['f', offset(1)]]), fail)).toBe(true);
  expect(directory.writeCheckpointSoon(new Map([['f', offset(2)]]), fail)).toBe(false);
  directory.writeCheckpoint(new Map([['f', offset(3)]]));
  disk.completeSyncs();
  expect(directory.takeLastStop().checkpoint.get('f')).toBe(3);
  directory.writeCheckpointSoon(new Map([['f', offset(4)]]), fail);
  disk.completeSyncs();
  expect(directory.takeLastStop().checkpoint.get('f')).toBe(4);
});
