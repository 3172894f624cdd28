import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDirectory } from './make-directory.ts';
import { temporaryDirectory } from './test-world.ts';

test('a directory is made with its parents, and once more does nothing', () => {
  const path = join(temporaryDirectory(), 'a', 'b', 'c');
  makeDirectory(path);
  makeDirectory(path);
  expect(existsSync(path)).toBe(true);
});

test('a file in the way is named', () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  expect(() => makeDirectory(join(file, 'below'))).toThrow(file);
  expect(() => makeDirectory(file)).toThrow(`${file} is not a directory`);
});

test('a place where nothing can be made is refused, and does not hang', () => {
  expect(() => makeDirectory('/proc/weir/below')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});
