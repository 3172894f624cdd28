import { expect, test } from 'vitest';
import { WordCounts } from './counts.ts';

const line = (partition: number, offset: number) => ({ times: 1, partition, offset });

test('a word that a second splitter writes once more is counted once, whatever came in between', () => {
  const counts = new WordCounts(new Map());
  for (const offset of [3, 5, 8]) counts.add('weir', line(0, offset));
  // The first splitter has not committed, and the second one begins at 5.
  for (const offset of [5, 8, 9]) counts.add('weir', line(0, offset));
  expect(counts.takeChanged()).toEqual([['weir', { count: 4, counted: { 0: 9 } }]]);
  expect(counts.recognised).toBe(2);
});

test('lines of another partition, and other words of the same line, are not taken for what came again', () => {
  const counts = new WordCounts(new Map());
  counts.add('weir', line(0, 7));
  counts.add('weir', line(1, 2));
  counts.add('river', { times: 3, partition: 0, offset: 7 });
  expect(counts.takeChanged()).toEqual([
    ['weir', { count: 2, counted: { 0: 7, 1: 2 } }],
    ['river', { count: 3, counted: { 0: 7 } }],
  ]);
  expect(counts.recognised).toBe(0);
});

test('what was published says which lines are in a count: a counter that begins with it goes on there', () => {
  const counts = new WordCounts(new Map([['weir', '{"count":12,"counted":{"0":40}}']]));
  counts.add('weir', line(0, 40));
  expect(counts.takeChanged()).toEqual([]);
  counts.add('weir', line(0, 41));
  expect(counts.takeChanged()).toEqual([['weir', { count: 13, counted: { 0: 41 } }]]);
  expect(counts.takeChanged()).toEqual([]);
});
