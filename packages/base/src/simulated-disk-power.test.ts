import { expect, test } from 'vitest';
import { present } from './assert.ts';
import type { DiskError } from './disk.ts';
import { replaceFile } from './disk.ts';
import { seededRandom } from './random.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { PowerCut } from './power-cut.ts';

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

/** The power cut in which something ended; undefined when the power lasted. */
function cutOf(act: () => void): PowerCut | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof PowerCut) return error;
    throw error;
  }
}

/** The same for what must not outlast the power. */
function cutIn(act: () => void): PowerCut {
  return present(cutOf(act), 'the power lasted');
}

test('the power goes in the mutation that follows so many others, and then for everything', () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const file = disk.open('f', 'create');
  disk.crashAfter(2);
  file.append([Buffer.from('a')]);
  expect(disk.readFile('f')!.toString()).toBe('a');
  file.syncNow();
  expect(disk.mutations).toBe(3);
  const cut = cutIn(() => disk.rename('f', 'g'));
  expect([cut.mutation, cut.path, cut.message]).toEqual(['rename', 'f', 'the power went in "rename" of f']);
  expect(disk.powerCut).toBe(cut);
  const operations = [
    () => disk.makeDirectory('d'),
    () => disk.list(''),
    () => disk.readFile('f'),
    () => disk.open('f', 'read'),
    () => disk.open('h', 'create'),
    () => disk.rename('f', 'g'),
    () => disk.removeFile('f'),
    () => disk.removeDirectory('f'),
    () => disk.syncDirectory(''),
    () => disk.space(),
    () => file.append([Buffer.from('b')]),
    () => file.writeAt(0, Buffer.from('b')),
    () => file.sync(() => {}),
    () => file.syncNow(),
    () => file.read(Buffer.alloc(1), 0, () => {}),
    () => file.readNow(Buffer.alloc(1), 0),
    () => file.truncate(0),
  ];
  for (const operation of operations) expect(cutIn(operation).mutation, String(operation)).toBe('rename');
  file.close();
  disk.kill();
  expect(disk.powerCut).toBeUndefined();
  disk.open('h', 'create');
});

test('each mutation may be the one, and has then happened or not', () => {
  const mutations: Record<string, (disk: SimulatedDisk) => void> = {
    create: (disk) => disk.open('new', 'create'),
    append: (disk) => disk.open('f', 'append').append([Buffer.from('+')]),
    writeAt: (disk) => disk.open('f', 'update').writeAt(0, Buffer.from('+')),
    truncate: (disk) => disk.open('f', 'append').truncate(1),
    rename: (disk) => disk.rename('f', 'g'),
    remove: (disk) => disk.removeFile('f'),
    makeDirectory: (disk) => disk.makeDirectory('d'),
  };
  for (const [mutation, act] of Object.entries(mutations)) {
    const found = new Set<string>();
    for (const seed of SEEDS.slice(0, 40)) {
      const disk = new SimulatedDisk(seededRandom(seed));
      disk.open('f', 'create').append([Buffer.from('abc')]);
      disk.crashAfter(0);
      expect(cutIn(() => act(disk)).mutation).toBe(mutation);
      disk.kill();
      found.add(`${disk.list('')!.join()}: ${disk.readFile('f')?.toString()}`);
    }
    expect(found.size, mutation).toBe(mutation === 'append' || mutation === 'writeAt' ? 1 : 2);
  }
});

test('an append is cut anywhere', () => {
  const lengths = new Set<number>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed));
    const file = disk.open('f', 'create');
    disk.crashAfter(0);
    cutIn(() => file.append([Buffer.from('abc'), Buffer.from('def')]));
    disk.kill();
    const left = disk.readFile('f')!.toString();
    expect('abcdef'.startsWith(left)).toBe(true);
    lengths.add(left.length);
  }
  expect([...lengths].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
});

/** What is left of an unsynced "ab" when the power goes in its sync, and `then` happens. */
function leftOfSync(seed: number, then: (disk: SimulatedDisk) => void): string {
  const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 1 });
  const file = disk.open('f', 'create');
  disk.syncDirectory('');
  file.append([Buffer.from('ab')]);
  disk.crashAfter(0);
  if (seed % 2 === 0) cutIn(() => file.syncNow());
  else cutIn(() => file.sync(() => {}));
  then(disk);
  return disk.readFile('f')!.toString().replaceAll('\0', '.');
}

test('a sync in which the power goes made all durable, a part or nothing', () => {
  const left = new Set(SEEDS.map((seed) => leftOfSync(seed, (disk) => disk.crash())));
  for (const kind of ['', 'a', '.b', 'ab']) expect(left).toContain(kind);
});

test('what a sync left when the process died in it, a later one writes', () => {
  const left = SEEDS.map((seed) =>
    leftOfSync(seed, (disk) => {
      disk.kill();
      disk.open('f', 'append').syncNow();
      disk.crash();
    }),
  );
  expect(new Set(left)).toEqual(new Set(['ab']));
});

test('what is under way when the power goes never comes back', () => {
  const disk = new SimulatedDisk(seededRandom(2), { completion: 'auto' });
  const file = disk.open('f', 'create');
  const called: (DiskError | undefined)[] = [];
  file.sync((error) => called.push(error));
  disk.crashAfter(0);
  cutIn(() => file.append([Buffer.from('a')]));
  expect(disk.pendingSyncs).toBe(0);
  disk.settle();
  expect(called).toEqual([]);
});

test('a fault that was asked for does not hide the cut, nor does a full disk', () => {
  const disk = new SimulatedDisk(seededRandom(3));
  const file = disk.open('f', 'create');
  disk.failNextSync();
  disk.crashAfter(0);
  cutIn(() => file.syncNow());
  disk.kill();
  const again = disk.open('f', 'append');
  disk.capacityBytes = 0;
  disk.crashAfter(0);
  expect(cutIn(() => again.append([Buffer.from('a')])).mutation).toBe('append');
});

test('wherever the power goes in the replacement of a file, one of the two contents is found', () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 2 });
    replaceFile(disk, '', 'f', Buffer.from('first'));
    disk.crashAfter(seed % 6);
    const cut = cutOf(() => replaceFile(disk, '', 'f', Buffer.from('second')));
    disk.crash();
    found.add(`${cut === undefined ? 'replaced' : 'cut'}: ${disk.readFile('f')!.toString()}`);
  }
  expect(found).toEqual(new Set(['cut: first', 'cut: second', 'replaced: second']));
});

test('the power goes between two operations, and whoever used the disk is told only of a cut in the middle of one', () => {
  const disk = new SimulatedDisk(seededRandom(4));
  const told: (string | undefined)[] = [];
  disk.onPowerCut = ({ mutation }) => told.push(mutation);
  const file = disk.open('f', 'create');
  file.sync(() => told.push('synced'));
  disk.cutPower();
  expect(cutIn(() => file.append([Buffer.from('a')])).message).toBe('the power went');
  disk.completeSyncs();
  expect(told).toEqual([]);
  disk.kill();
  disk.crashAfter(0);
  cutIn(() => disk.open('g', 'create'));
  expect(told).toEqual(['create']);
});

test('syncs and reads complete when whoever was handed them calls back, unless the process is gone by then', () => {
  const due: (() => void)[] = [];
  const disk = new SimulatedDisk(seededRandom(5), { completion: (complete) => due.push(complete) });
  const called: string[] = [];
  const file = disk.open('f', 'create');
  file.sync(() => called.push('first'));
  file.sync(() => called.push('second'));
  file.read(Buffer.alloc(1), 0, () => called.push('read'));
  due[1]!();
  due[1]!();
  expect(called).toEqual(['second']);
  disk.kill();
  for (const complete of due) complete();
  expect(called).toEqual(['second']);
});
