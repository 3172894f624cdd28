import { expect, test } from 'vitest';
import { topicPattern } from './topic-pattern.ts';

test.each([
  ['orders.*', 'orders-eu', true],
  ['orders', 'orders-eu', false],
  ['eu|us', 'us', true],
  ['logs-(eu|us)-[0-9]+', 'logs-us-17', true],
  ['a\\.b', 'a.b', true],
  ['a\\.b', 'axb', false],
])('%s and %s', (pattern, name, matches) => {
  const found = topicPattern(pattern);
  expect(found instanceof RegExp && found.test(name)).toBe(matches);
});

test.each([
  ['', 'characters'],
  ['a'.repeat(250), 'characters'],
  ['(a+)+b', 'repeats a group'],
  ['(a|a)(a|a)', 'more than one group'],
  ['a*a*a*a*b', 'repeats more than 3 times'],
  ['(a)\\1', 'refers back'],
  ['(?=a)a', 'looks around'],
  ['[a', 'no pattern'],
  ['a\\', 'no pattern'],
])('%s is refused', (pattern, why) => {
  expect(topicPattern(pattern)).toContain(why);
});
