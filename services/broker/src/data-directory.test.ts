import { expect, test } from 'vitest';
import { brokerId, offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
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
  first.join('cluster-1');
  disk.crash();
  const second = open(disk);
  expect(second.identity).toEqual(first.identity);
  expect(second.identity).toMatchObject({ clusterId: 'cluster-1', brokerId: 1 });
});

test('the directory of another broker is refused, and so is another cluster', () => {
  const disk = new SimulatedDisk(random);
  open(disk).join('cluster-1');
  expect(() => open(disk, 2)).toThrow('/data belongs to broker 1, this is broker 2');
  expect(() => open(disk).join('cluster-2')).toThrow('belongs to cluster cluster-1');
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
