import { expect, test } from 'vitest';
import { seededRandom } from './random.ts';

test('the same seed gives the same numbers and bytes, another seed others', () => {
  const run = (seed: number): unknown => {
    const random = seededRandom(seed);
    return [random.unit(), random.unit(), [...random.bytes(8)]];
  };
  expect(run(1)).toEqual(run(1));
  expect(run(1)).not.toEqual(run(2));
});

test('units fill the range evenly', () => {
  const random = seededRandom(42);
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) {
    const bucket = Math.floor(random.unit() * 10);
    buckets[bucket] = buckets[bucket]! + 1;
  }
  for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
