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

test('names of an unordered file system survive apart from each other, those of a journaled one in order', () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed));
    for (const name of ['a', 'b', 'c']) disk.open(name, 'create');
    disk.crash();
    found.add(disk.list('')!.toSorted().join(''));
  }
  expect(found).toEqual(new Set(['', 'a', 'ab', 'abc', 'b', 'c', 'ac', 'bc']));
});

test('a crash finds the old file or the new one of a rename, under one name, whatever else was lost', () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 1 });
    const old = disk.open('f', 'create');
    old.append([Buffer.from('old')]);
    old.syncNow();
    disk.syncDirectory('');
    const next = disk.open('f.new', 'create');
    next.append([Buffer.from('new')]);
    next.syncNow();
    disk.rename('f.new', 'f');
    disk.open('other', 'create');
    disk.crash();
    const names = disk.list('')!.toSorted().join();
    found.add(`${names}: ${disk.readFile('f')!.toString()}`);
  }
  expect(found).toEqual(
    new Set(['f: old', 'f,f.new: old', 'f: new', 'f,other: old', 'f,f.new,other: old', 'f,other: new']),
  );
});

test('a removed directory loses its names one after another, and a crash may leave some of them', () => {
  const found = new Set<string | undefined>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed));
    disk.makeDirectory('d/inner');
    disk.open('d/a', 'create');
    disk.open('d/inner/b', 'create');
    for (const path of ['d/inner', 'd', '']) disk.syncDirectory(path);
    disk.removeDirectory('d');
    expect(disk.list('d')).toBeUndefined();
    disk.crash();
    found.add(disk.list('d')?.toSorted().join());
    if (disk.list('d')?.includes('inner') === true) found.add(`inner: ${disk.list('d/inner')!.join()}`);
  }
  for (const left of [undefined, '', 'a', 'a,inner', 'inner: ', 'inner: b']) expect(found).toContain(left);
});

test('a file whose name survived without its data is empty, zeros, torn or whole', () => {
  const found = new Set<string>();
  for (let seed = 0; seed < 1_000; seed++) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 2 });
    disk.open('f', 'create').append([Buffer.from('abcd')]);
    disk.crash();
    found.add(disk.readFile('f')?.toString().replaceAll('\0', '.') ?? 'no file');
  }
  for (const left of ['no file', '', '....', 'ab', 'ab..', '..cd', 'abcd']) expect(found).toContain(left);
});

test('writes in place are torn at blocks, and of two in one block the later alone may be lost, or the earlier', () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 4 });
    disk.open('f', 'create').append([Buffer.from('--------')]);
    const file = disk.open('f', 'update');
    file.syncNow();
    disk.syncDirectory('');
    file.writeAt(2, Buffer.from('1111'));
    file.writeAt(3, Buffer.from('2'));
    expect(disk.readFile('f')!.toString()).toBe('--1211--');
    disk.crash();
    found.add(disk.readFile('f')!.toString());
  }
  expect(found).toEqual(
    new Set(['--------', '--11----', '---2----', '--12----', '----11--', '--1111--', '---211--', '--1211--']),
  );
});

test('a write behind the end leaves zeros between, and only a file that is open for updates is written in place', () => {
  const disk = new SimulatedDisk(seededRandom(8));
  const file = disk.open('f', 'create');
  file.append([Buffer.from('ab')]);
  const update = disk.open('f', 'update');
  update.writeAt(4, Buffer.from('c'));
  expect(disk.readFile('f')!.toString()).toBe('ab\0\0c');
  expect(file.size).toBe(5);
  expect(() => file.writeAt(0, Buffer.from('x'))).toThrow('open for "create"');
  expect(() => update.append([Buffer.from('x')])).toThrow('open for "update"');
  expect(() => disk.open('f', 'read').truncate(0)).toThrow('open for "read"');
  expect(() => disk.open('g', 'update')).toThrow('not there');
});

test('a change of the bytes that were handed in changes nothing that was written', () => {
  const disk = new SimulatedDisk(seededRandom(9));
  const file = disk.open('f', 'create');
  const bytes = Buffer.from('abc');
  file.append([bytes]);
  disk.open('f', 'update').writeAt(3, bytes);
  bytes.fill(0);
  file.syncNow();
  disk.syncDirectory('');
  disk.crash();
  expect(disk.readFile('f')!.toString()).toBe('abcabc');
});

test('tells what there is room for, and a write over what is there needs none', () => {
  const disk = new SimulatedDisk(seededRandom(10));
  expect(disk.space().freeBytes).toBeGreaterThan(1e12);
  disk.makeDirectory('d');
  disk.open('d/f', 'create').append([Buffer.from('abcd')]);
  disk.capacityBytes = 6;
  expect(disk.space()).toEqual({ freeBytes: 2, totalBytes: 6 });
  const file = disk.open('d/f', 'update');
  file.writeAt(0, Buffer.from('ABCD'));
  expect(() => file.writeAt(2, Buffer.from('CDEFG'))).toThrow('no space');
  expect(disk.readFile('d/f')!.toString()).toBe('ABCDEF');
  expect(disk.space().freeBytes).toBe(0);
  disk.open('d/empty', 'create');
  disk.removeFile('d/f');
  expect(disk.space().freeBytes).toBe(6);
  disk.capacityBytes = -1;
  expect(disk.space().freeBytes).toBe(0);
});

test('rot makes zeros or garbage of a stretch, synced or not, and no crash takes it back', () => {
  const found = new Set<boolean>();
  for (const seed of SEEDS.slice(0, 20)) {
    const disk = new SimulatedDisk(seededRandom(seed));
    const file = disk.open('f', 'create');
    file.append([Buffer.alloc(100, 'a')]);
    file.syncNow();
    disk.syncDirectory('');
    disk.rot('f', 10, 90);
    const rotten = disk.readFile('f')!;
    expect(rotten.subarray(0, 10).toString() + rotten.subarray(90).toString()).toBe('a'.repeat(20));
    expect(rotten.equals(Buffer.alloc(100, 'a'))).toBe(false);
    found.add(rotten.subarray(10, 90).equals(Buffer.alloc(80)));
    disk.crash();
    expect(disk.readFile('f')).toEqual(rotten);
  }
  expect(found.size).toBe(2);
});

test('a file too many is refused until another one is closed and its reads are back', () => {
  const disk = new SimulatedDisk(seededRandom(11));
  disk.maxOpenFiles = 2;
  const first = disk.open('a', 'create');
  disk.open('b', 'create');
  expect(() => disk.open('a', 'read')).toThrow(expect.objectContaining({ code: 'EMFILE' }));
  expect(() => disk.open('c', 'create')).toThrow('too many open files');
  expect(disk.list('')).toEqual(['a', 'b']);
  first.read(Buffer.alloc(1), 0, () => {});
  first.close();
  first.close();
  expect([disk.openFiles, disk.pendingReads]).toEqual([2, 1]);
  disk.completeReads();
  expect(disk.openFiles).toBe(1);
  disk.open('a', 'read');
  disk.kill();
  expect(disk.openFiles).toBe(0);
});

test('many small appends and syncs to a large file stay cheap', () => {
  const disk = new SimulatedDisk(seededRandom(12));
  const file = disk.open('f', 'create');
  disk.syncDirectory('');
  for (let i = 0; i < 8_192; i++) {
    file.append([Buffer.alloc(1_024, i)]);
    file.syncNow();
  }
  disk.crash();
  expect(disk.readFile('f')!.length).toBe(8 * 1024 * 1024);
  // In time: a copy of the file for each of them would be 32 GiB.
}, 5_000);

test('a file that is lost is opened by nobody, under whatever name, goes on for who has it open, and can be removed', () => {
  const disk = new SimulatedDisk(seededRandom(1));
  disk.makeDirectory('d');
  const file = disk.open('d/a', 'create');
  file.append([Buffer.from('one')]);
  disk.loseFile('d/a');
  disk.rename('d', 'e');
  expect(() => disk.open('e/a', 'read')).toThrow(expect.objectContaining({ code: 'EIO' }));
  expect(() => disk.readFile('e/a')).toThrow(expect.objectContaining({ code: 'EIO' }));
  file.append([Buffer.from('two')]);
  expect(disk.contentsOf('e/a')?.toString()).toBe('onetwo');
  disk.removeFile('e/a');
  disk.open('e/a', 'create').close();
  expect(disk.readFile('e/a')).toEqual(Buffer.alloc(0));
});

test('what is left of a file in any case is what was synced of it, under the name that was', () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const old = disk.open('a', 'create');
  old.append([Buffer.from('old')]);
  expect(disk.durableContentsOf('a')).toBeUndefined();
  disk.syncDirectory('');
  expect(disk.durableContentsOf('a')).toEqual(Buffer.alloc(0));
  old.syncNow();
  const next = disk.open('b', 'create');
  next.append([Buffer.from('new')]);
  next.syncNow();
  disk.rename('b', 'a');
  expect([disk.contentsOf('a')?.toString(), disk.durableContentsOf('a')?.toString()]).toEqual(['new', 'old']);
  disk.syncDirectory('');
  expect(disk.durableContentsOf('a')?.toString()).toBe('new');
});
