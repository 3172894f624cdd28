import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DiskError, replaceFile, type Disk, type DiskFile } from '@weir/base/disk.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { fileDisk } from './file-disk.ts';
import { temporaryDirectory } from './test-world.ts';

const DISKS: Record<string, () => Disk> = {
  'the file disk': () => fileDisk(temporaryDirectory()),
  'the simulated disk': () => new SimulatedDisk(seededRandom(1), { completion: 'auto' }),
};

describe.each(Object.entries(DISKS))('%s', (_, makeDisk) => {
  test('keeps what was appended, over many buffers, empty ones among them', () => {
    const disk = makeDisk();
    const file = disk.open('a', 'create');
    const buffers = Array.from({ length: 3_000 }, (unused, i) => Buffer.alloc(i % 7, i));
    file.append(buffers);
    file.append([]);
    file.append([Buffer.from('end')]);
    expect(file.size).toBe(Buffer.concat(buffers).length + 3);
    file.close();
    expect(disk.readFile('a')).toEqual(Buffer.concat([...buffers, Buffer.from('end')]));
    const again = disk.open('a', 'append');
    again.append([Buffer.from('!')]);
    expect(disk.readFile('a')?.subarray(-4).toString()).toBe('end!');
  });

  test('reads from a position, short at the end of the file, now and later', async () => {
    const file = makeDisk().open('a', 'create');
    file.append([Buffer.from('0123456789')]);
    const target = Buffer.alloc(4);
    expect(file.readNow(target, 3)).toBe(4);
    expect(target.toString()).toBe('3456');
    expect(file.readNow(target, 8)).toBe(2);
    expect(file.readNow(target, 10)).toBe(0);
    expect(await read(file, target, 6)).toEqual([undefined, 4]);
    expect(target.toString()).toBe('6789');
    expect(await read(file, target, 9)).toEqual([undefined, 1]);
  });

  test('completes syncs and reads that were under way when the file was closed', async () => {
    const file = makeDisk().open('a', 'create');
    file.append([Buffer.from('abc')]);
    const target = Buffer.alloc(3);
    const results = Promise.all([sync(file), read(file, target, 0)]);
    file.close();
    expect(await results).toEqual([undefined, [undefined, 3]]);
    expect(() => file.append([])).toThrow('was closed');
    expect(() => file.syncNow()).toThrow('was closed');
  });

  test('truncates', () => {
    const disk = makeDisk();
    const file = disk.open('a', 'create');
    file.append([Buffer.from('abcdef')]);
    file.truncate(2);
    expect(file.size).toBe(2);
    file.append([Buffer.from('X')]);
    file.syncNow();
    expect(disk.readFile('a')?.toString()).toBe('abX');
  });

  test('makes, lists and removes directories and files', () => {
    const disk = makeDisk();
    expect(disk.list('x')).toBeUndefined();
    expect(disk.readFile('x/y')).toBeUndefined();
    disk.makeDirectory('x/y');
    disk.makeDirectory('x/y');
    disk.open('x/f', 'create').close();
    expect(disk.list('x')?.toSorted()).toEqual(['f', 'y']);
    expect(disk.list('')).toEqual(['x']);
    disk.rename('x/f', 'x/g');
    disk.removeFile('x/g');
    disk.removeFile('x/g');
    disk.syncDirectory('x');
    disk.syncDirectory('');
    disk.removeDirectory('x');
    disk.removeDirectory('x');
    expect(disk.list('x')).toBeUndefined();
  });

  test('replaces a file as a whole', () => {
    const disk = makeDisk();
    disk.makeDirectory('d');
    replaceFile(disk, 'd', 'f', Buffer.from('one'));
    replaceFile(disk, 'd', 'f', Buffer.from('two'));
    expect(disk.readFile('d/f')?.toString()).toBe('two');
    expect(disk.list('d')).toEqual(['f']);
  });

  test('reports faults with the code of the system', () => {
    const disk = makeDisk();
    disk.open('a', 'create').close();
    expect(codeOf(() => disk.open('a', 'create'))).toBe('EEXIST');
    expect(codeOf(() => disk.open('b', 'append'))).toBe('ENOENT');
    expect(codeOf(() => disk.open('b', 'read'))).toBe('ENOENT');
    expect(codeOf(() => disk.rename('b', 'c'))).toBe('ENOENT');
    expect(codeOf(() => disk.syncDirectory('b'))).toBe('ENOENT');
    expect(codeOf(() => disk.open('a', 'read').append([Buffer.from('x')]))).toBe('EBADF');
  });
});

test('the file disk stays below its root', () => {
  const root = temporaryDirectory();
  fileDisk(root).makeDirectory('in/side');
  expect(existsSync(join(root, 'in/side'))).toBe(true);
});

function sync(file: DiskFile): Promise<DiskError | undefined> {
  return new Promise((resolve) => {
    file.sync(resolve);
  });
}

function read(file: DiskFile, target: Buffer, position: number): Promise<[DiskError | undefined, number]> {
  return new Promise((resolve) => {
    file.read(target, position, (error, bytes) => resolve([error, bytes]));
  });
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return error instanceof DiskError ? error.code : String(error);
  }
  return undefined;
}
