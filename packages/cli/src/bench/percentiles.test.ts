import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Percentiles } from './percentiles.ts';

test('percentiles are within a 64th of the exact ones', () => {
  const durations = fc.array(fc.double({ min: 0.001, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(durations, fc.constantFrom(1, 50, 95, 99, 99.9, 100), (values, percent) => {
      const percentiles = new Percentiles();
      for (const value of values) percentiles.record(value);
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.ceil((percent / 100) * values.length) - 1]!;
      expect(percentiles.at(percent)).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
      expect(percentiles.at(percent)).toBeLessThanOrEqual(exact * 2 ** (1 / 64) * (1 + 1e-9));
      expect(percentiles.maxMs).toBe(sorted.at(-1));
    }),
  );
});

test('many of one duration count as many', () => {
  const percentiles = new Percentiles();
  percentiles.record(1, 99);
  percentiles.record(100);
  expect(percentiles.at(99)).toBeLessThan(1.02);
  expect(percentiles.at(99.9)).toBe(100);
  expect(percentiles.averageMs).toBeCloseTo(1.99);
  expect(percentiles.count).toBe(100);
});

test('without any there is no percentile', () => {
  expect(new Percentiles().at(99)).toBeNaN();
});
