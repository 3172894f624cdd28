import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { judge, testUnmutated } from './mutant.ts';
import { changesOf } from './mutation.ts';
import { MUTATIONS } from './mutations.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const always = MUTATIONS.filter((mutation) => mutation.always === true);

test.each(MUTATIONS)('the place of "$name" is in the code once', (mutation) => {
  for (const { file, find } of changesOf(mutation))
    expect(readFileSync(`${ROOT}/${file}`, 'utf8').split(find)).toHaveLength(2);
});

test('the tests that have to notice mistakes pass without one', async () => {
  expect(await testUnmutated(always)).toEqual({ passed: true, failures: '' });
}, 120_000);

test.each(always)(
  'it is noticed when $name',
  async (mutation) => {
    expect(await judge(mutation)).toMatchObject({ caught: true });
  },
  120_000,
);
