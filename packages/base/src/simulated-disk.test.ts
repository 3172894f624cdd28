import { expect, test } from 'vitest';
import type { DiskError } from './disk.ts';
import { replaceFile } from './disk.ts';
import { seededRandom } from './random.ts';
import { SimulatedDisk } from './simulated-disk.ts';

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

test('what was synced in a synced directory outlives every crash', () => {
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 4 });
    const file = disk.open('f', 'create');
    disk.syncDirectory('');
    file.append([Buffer.from('durable bytes')]);
    file.syncNow();
    file.append([Buffer.from(' and more of them')]);
    disk.crash();
    const left = disk.readFile('f')!;
    expect(left.subarray(0, 13).toString()).toBe('durable bytes');
    expect(left.length).toBeLessThanOrEqual(30);
  }
});

test('crashes leave all, nothing, parts and holes of what was not synced', () => {
  const kinds = new Set<string>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 4 });
    const file = disk.open('f', 'create');
    disk.syncDirectory('');
    file.append([Buffer.from('aaaabbbbcccc')]);
    disk.crash();
    kinds.add(disk.readFile('f')!.toString('latin1').replaceAll('\0', '.'));
  }
  for (const kind of ['', 'aaaa', 'aaaabbbbcccc', '....bbbb', 'aaaa....cccc', '............']) {
    expect(kinds.has(kind), kind).toBe(true);
  }
});

test('names are lost without a sync of their directory, and contents never mix in a replaced file', () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 2 });
    disk.makeDirectory('d');
    disk.syncDirectory('');
    replaceFile(disk, 'd', 'f', Buffer.from('first'));
    const next = disk.open('d/f.new', 'create');
    next.append([Buffer.from('second')]);
    next.syncNow();
    disk.rename('d/f.new', 'd/f');
    disk.crash();
    found.add(disk.readFile('d/f')!.toString());
  }
  expect(found).toEqual(new Set(['first', 'second']));
});

test('a sync covers what was written before it was asked for, once it completes', () => {
  const disk = new SimulatedDisk(seededRandom(3), { blockBytes: 1 });
  const file = disk.open('f', 'create');
  disk.syncDirectory('');
  const done: (DiskError | undefined)[] = [];
  file.append([Buffer.from('abc')]);
  file.sync((error) => done.push(error));
  expect([disk.pendingSyncs, done.length]).toEqual([1, 0]);
  disk.completeSyncs();
  expect(done).toEqual([undefined]);
  disk.crash();
  expect(disk.readFile('f')!.toString()).toBe('abc');
});

test('callbacks and open files do not outlive a crash, and a kill keeps what was written', () => {
  const disk = new SimulatedDisk(seededRandom(4));
  const file = disk.open('f', 'create');
  let called = false;
  file.append([Buffer.from('abc')]);
  file.sync(() => {
    called = true;
  });
  disk.kill();
  disk.settle();
  expect(called).toBe(false);
  expect(() => file.append([Buffer.from('d')])).toThrow('a process that is gone');
  expect(disk.readFile('f')!.toString()).toBe('abc');
});

test('a failed sync drops what it was to write, and a later one reports success', () => {
  const losses = SEEDS.map((seed) => {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 1 });
    const file = disk.open('f', 'create');
    disk.syncDirectory('');
    file.append([Buffer.from('abc')]);
    disk.failNextSync();
    expect(() => file.syncNow()).toThrow('failed');
    expect(disk.readFile('f')!.toString()).toBe('abc');
    file.syncNow();
    disk.crash();
    return disk.readFile('f')!.toString() !== 'abc';
  });
  expect(losses).toContain(true);
});

test('a full disk takes what fits', () => {
  const disk = new SimulatedDisk(seededRandom(5));
  const file = disk.open('f', 'create');
  disk.capacityBytes = 4;
  expect(() => file.append([Buffer.from('abc'), Buffer.from('def')])).toThrow('no space');
  expect(disk.readFile('f')!.toString()).toBe('abcd');
});

test('faults that were asked for come once', () => {
  const disk = new SimulatedDisk(seededRandom(6));
  const file = disk.open('f', 'create');
  disk.failNextAppend('EIO', 1);
  expect(() => file.append([Buffer.from('abc')])).toThrow('failed');
  file.append([Buffer.from('d')]);
  expect(disk.readFile('f')!.toString()).toBe('ad');
  disk.failNextRead();
  expect(() => file.readNow(Buffer.alloc(1), 0)).toThrow('failed');
  expect(file.readNow(Buffer.alloc(1), 0)).toBe(1);
  disk.flipBit('f', 0);
  expect(disk.readFile('f')!.toString()).toBe('`d');
});

test('completes by itself in automatic mode unless it is stalled', async () => {
  const disk = new SimulatedDisk(seededRandom(7), { completion: 'auto' });
  const file = disk.open('f', 'create');
  const done: string[] = [];
  file.sync(() => done.push('sync'));
  await Promise.resolve();
  expect(done).toEqual(['sync']);
  disk.stalled = true;
  file.read(Buffer.alloc(1), 0, () => done.push('read'));
  await Promise.resolve();
  expect(done).toEqual(['sync']);
  expect(disk.pendingReads).toBe(1);
  disk.settle();
  expect(done).toEqual(['sync', 'read']);
});
