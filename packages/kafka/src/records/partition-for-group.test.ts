import fc from 'fast-check';
import { expect, test } from 'vitest';
import { partitionForGroup } from './partition-for-group.ts';

// Made by Java: Utils.abs(id.hashCode()) % 50, and % 7.
test.each([
  ['', 0, 0],
  ['a', 47, 6],
  ['Aa', 12, 5],
  ['BB', 12, 5],
  // -1268878963: what is negative counts without its sign.
  ['foobar', 13, 2],
  // -2147483648, which has no positive number.
  ['polygenelubricants', 0, 0],
  ['group-1', 49, 4],
  ['consumer-group', 38, 6],
  ['connect-cluster', 13, 5],
  ['__weir', 47, 2],
  ['my.group_name-2', 22, 0],
  ['gruppe-äöü', 40, 1],
  ['日本語', 43, 5],
  // Two units of UTF-16.
  ['😀', 49, 2],
])('the group %j is where Kafka has it', (group, ofFifty, ofSeven) => {
  expect(partitionForGroup(group, 50)).toBe(ofFifty);
  expect(partitionForGroup(group, 7)).toBe(ofSeven);
  expect(partitionForGroup(group, 1)).toBe(0);
});

test('every group is where the sum of its units says', () => {
  const sumOf = (group: string): bigint =>
    group.split('').reduce((sum, unit) => sum * 31n + BigInt(unit.charCodeAt(0)), 0n);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 10_000 }), (group, partitions) => {
      const hash = Number(BigInt.asIntN(32, sumOf(group)));
      expect(partitionForGroup(group, partitions)).toBe(hash === -(2 ** 31) ? 0 : Math.abs(hash) % partitions);
    }),
  );
});

test('there is no partition of none', () => {
  expect(() => partitionForGroup('g', 0)).toThrow('a topic has at least one partition');
});
