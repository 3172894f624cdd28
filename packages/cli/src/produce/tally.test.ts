import { expect, test } from 'vitest';
import { Tally } from './tally.ts';

test('acknowledged records are counted by partition and refused ones by code, with the first line of each', () => {
  const tally = new Tally();
  const tooLarge = { code: 'MESSAGE_TOO_LARGE', message: 'too large' } as const;
  tally.add(
    {
      count: 3,
      partition: Int32Array.of(0, 1, 0),
      offset: Float64Array.of(10, 5, -1),
      refusals: new Map([[2, tooLarge]]),
    },
    1,
  );
  tally.add(
    { count: 2, partition: Int32Array.of(0, 0), offset: Float64Array.of(11, -1), refusals: new Map([[1, tooLarge]]) },
    4,
  );
  expect(tally.acknowledged).toBe(3);
  expect(tally.refused).toBe(2);
  expect(tally.rows()).toEqual([
    { partition: 0, first: 10, last: 11, count: 2 },
    { partition: 1, first: 5, last: 5, count: 1 },
  ]);
  expect([...tally.firstRefusals.values()]).toEqual([{ line: 3, refusal: tooLarge, count: 2 }]);
});
