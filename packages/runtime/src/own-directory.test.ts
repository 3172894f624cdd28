import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDirectory } from './own-directory.ts';
import { temporaryDirectory } from './test-world.ts';

test('a directory is locked against other processes until it is released', () => {
  const directory = join(temporaryDirectory(), 'a', 'b');
  const module = JSON.stringify(new URL('own-directory.ts', import.meta.url).href);
  const tryElsewhere = (): string => {
    const code = `const { openDirectory } = await import(${module}); openDirectory(${JSON.stringify(directory)}); console.log('mine');`;
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    return result.stdout + result.stderr;
  };
  const owned = openDirectory(directory);
  expect(tryElsewhere()).toContain(`${directory} is in use by another Weir process`);
  expect(() => openDirectory(directory)).toThrow('in use');
  owned.release();
  expect(tryElsewhere()).toContain('mine');
});
