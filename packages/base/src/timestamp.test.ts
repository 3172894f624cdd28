import { expect, test } from 'vitest';
import { parseTimestamp } from './timestamp.ts';

test('milliseconds and ISO dates are read', () => {
  expect(parseTimestamp('1000')).toBe(1000);
  expect(parseTimestamp('1970-01-01T00:00:01Z')).toBe(1000);
  expect(parseTimestamp('1970-01-01T01:00:01+01:00')).toBe(1000);
  expect(parseTimestamp('2028-02-29')).toBe(Date.UTC(2028, 1, 29));
});

test('days that no month has, and anything else, are not', () => {
  for (const text of ['2026-02-29', '2026-02-31T00:00:00Z', '2026-13-01', 'yesterday', '', '-5', '1969-01-01', '1e3']) {
    expect(parseTimestamp(text), text).toBeUndefined();
  }
});
