import { expect, test } from 'vitest';
import { DiskError, replaceFile } from './disk.ts';
import type { Disk, DiskFile } from './disk.ts';
import { seededRandom } from './random.ts';
import { SimulatedDisk } from './simulated-disk.ts';

test('a small file that cannot be written leaves no file open and the old one in place', () => {
  const disk = new SimulatedDisk(seededRandom(7));
  replaceFile(disk, '.', 'x', Buffer.from('old'));
  let open = 0;
  const counting: Disk = {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    readFile: (path) => disk.readFile(path),
    rename: (from, to) => disk.rename(from, to),
    removeFile: (path) => disk.removeFile(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    space: () => disk.space(),
    open(path, mode): DiskFile {
      const file = disk.open(path, mode);
      open++;
      const close = file.close.bind(file);
      file.close = () => {
        open--;
        close();
      };
      return file;
    },
  };
  disk.capacityBytes = 5;
  expect(() => replaceFile(counting, '.', 'x', Buffer.alloc(10))).toThrow(DiskError);
  expect(open).toBe(0);
  expect(disk.readFile('x')?.toString()).toBe('old');
});
