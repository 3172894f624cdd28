import { expect, test } from 'vitest';
import { History, valueOf } from './history.ts';
import type { Verdict } from './history.ts';

/** Five records, acknowledged at 0, 100, 200, … ms at offsets 0 to 4. */
function fiveAcknowledged(): History {
  const history = new History();
  for (const number of history.take(5)) history.acknowledged('t-0', number, number, number * 100);
  return history;
}

function stored(...numbers: number[]): Map<string, { offset: number; value: unknown }[]> {
  return new Map([['t-0', numbers.map((number, offset) => ({ offset, value: valueOf(number) }))]]);
}

function problems({ lost, changed, invented, misplaced, twice }: Verdict): number[] {
  return [lost.length, changed.length, invented.length, misplaced.length, twice.length];
}

test('a log that has everything is fine', () => {
  const verdict = fiveAcknowledged().judge(stored(0, 1, 2, 3, 4));
  expect(problems(verdict)).toEqual([0, 0, 0, 0, 0]);
  expect(verdict).toMatchObject({ acknowledged: 5, stored: 5, lateAndGone: 0 });
});

test('a record that was acknowledged and is gone is lost', () => {
  expect(fiveAcknowledged().judge(stored(0, 1, 2, 3)).lost).toEqual(['acknowledged: t-0:4 was record 4 and is gone']);
});

test('what was acknowledged after the last sync may be gone, and is counted', () => {
  const verdict = fiveAcknowledged().judge(stored(0, 1, 2), 250);
  expect(problems(verdict)).toEqual([0, 0, 0, 0, 0]);
  expect(verdict.lateAndGone).toBe(2);
  expect(fiveAcknowledged().judge(stored(0, 1), 250).lost).toHaveLength(1);
});

test('two records that changed places are lost', () => {
  expect(fiveAcknowledged().judge(stored(0, 2, 1, 3, 4)).lost).toHaveLength(2);
});

test('a record that was read and is gone has changed', () => {
  const history = fiveAcknowledged();
  const [sixth] = history.take(1);
  history.read('t-0', { offset: 5, value: valueOf(sixth!) }, 600);
  expect(history.judge(stored(0, 1, 2, 3, 4)).changed).toEqual(['read before: t-0:5 was record 5 and is gone']);
});

test('an offset that was acknowledged for two records, or read with two values, has changed', () => {
  const history = fiveAcknowledged();
  const [sixth] = history.take(1);
  history.acknowledged('t-0', 4, sixth!, 700);
  history.read('t-0', { offset: 0, value: valueOf(0) }, 700);
  history.read('t-0', { offset: 0, value: valueOf(1) }, 700);
  expect(history.judge(stored(0, 1, 2, 3, 4)).changed).toHaveLength(2);
});

test('a value that nobody sent is invented, one flipped character included', () => {
  const flipped = stored(0, 1, 2, 3, 4);
  flipped.get('t-0')![2]!.value = valueOf(2).slice(0, -1) + '!';
  expect(fiveAcknowledged().judge(flipped).invented).toHaveLength(1);
  expect(fiveAcknowledged().judge(stored(0, 1, 2, 3, 4, 5)).invented).toHaveLength(1);
});

test('gaps, and records at two places, are seen', () => {
  const gap = stored(0, 1, 2, 3, 4);
  gap.set('t-0', gap.get('t-0')!.toSpliced(2, 1));
  expect(problems(fiveAcknowledged().judge(gap))).toEqual([1, 0, 0, 1, 0]);
  expect(fiveAcknowledged().judge(stored(0, 1, 2, 3, 4, 4)).twice).toEqual(['record 4 is at t-0:4 and at t-0:5']);
});

test('what was lost with permission does not have to come back, and what is there must stay', () => {
  const history = fiveAcknowledged();
  history.settle(stored(0, 1, 2));
  const [next] = history.take(1);
  history.acknowledged('t-0', 3, next!, 2_000);
  expect(problems(history.judge(stored(0, 1, 2, 5), 1_500))).toEqual([0, 0, 0, 0, 0]);
  expect(history.judge(stored(0, 1), 1_500).lost).toHaveLength(1);
});
