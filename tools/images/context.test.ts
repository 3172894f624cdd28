import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { parseSync } from 'oxc-parser';
import { expect, test } from 'vitest';
import { sources, treeHash } from './context.ts';

/** The files of ours that a file imports when it runs, by their paths from the root. */
function imported(path: string): string[] {
  const { module } = parseSync(path, readFileSync(path, 'utf8'));
  const names = [
    ...module.staticImports
      .filter(({ entries }) => entries.length === 0 || entries.some((entry) => !entry.isType))
      .map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) => entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
  ];
  return names.flatMap((name) => {
    if (name.startsWith('.')) return [posix.join(posix.dirname(path), name)];
    const ours = /^@weir\/([a-z]+)\/(.+)$/.exec(name);
    if (ours === null) return [];
    if (ours[1] === 'proto') return [`proto/gen/${ours[2]}`];
    const folder = ['packages', 'services'].find((parent) => existsSync(`${parent}/${ours[1]}`));
    return [`${folder}/${ours[1]}/src/${ours[2]}`];
  });
}

test('all that the shipped sources import is shipped as well', () => {
  const shipped = new Set(sources());
  const missing = [...shipped]
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) =>
      imported(path)
        .filter((target) => !shipped.has(target))
        .map((target) => `${path} imports ${target}`),
    );
  expect(missing).toEqual([]);
});

test('no test is shipped', () => {
  expect(sources().filter((path) => /test/.test(path))).toEqual([]);
});

test('a tree has one name', () => {
  expect(treeHash()).toMatch(/^[0-9a-f]{16}$/);
  expect(treeHash()).toBe(treeHash());
});
