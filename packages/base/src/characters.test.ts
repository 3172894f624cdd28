import { expect, test } from 'vitest';
import { characters } from './characters.ts';

test('characters are counted, not code units', () => {
  expect(['', 'a', 'é', '\u{1f40c}', '\u{1f40c}a'].map(characters)).toEqual([0, 1, 1, 1, 2]);
});
