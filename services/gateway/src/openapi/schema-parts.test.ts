import { parseTimestamp } from '@weir/base/timestamp.ts';
import { parseStartAt } from '@weir/client/group/start-at.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decimal, NODE_PATH, START_AT, TIMESTAMP_TEXT, WAIT } from './schema-parts.ts';

test('a limit of numbers as text is that limit', () => {
  for (const max of [0, 7, 9, 10, 60, 100, 999, 60_000, 8_388_608]) {
    const pattern = new RegExp(`^${decimal(max)}$`);
    expect([0, max - 1, max, max + 1, max * 10 + 9].map((n) => pattern.test(String(n)))).toEqual(
      [0, max - 1, max, max + 1, max * 10 + 9].map((n) => n >= 0 && n <= max),
    );
    fc.assert(fc.property(fc.nat({ max: 2 * max }), (n) => pattern.test(String(n)) === n <= max));
    expect(pattern.test('00')).toBe(false);
  }
});

test('what is documented of a timestamp is read as one', () => {
  const pattern = new RegExp(TIMESTAMP_TEXT.pattern);
  for (const text of [
    ...TIMESTAMP_TEXT.examples,
    '0',
    '2000-02-29',
    '2028-02-29T23:59',
    '2026-12-31T00:00:59.5-11:30',
  ]) {
    expect(pattern.test(text), text).toBe(true);
  }
  for (const text of [
    '2026-02-29',
    '2100-02-29',
    '2026-04-31',
    '1969-12-31',
    '2026-13-01',
    '2026-01-01T24:00:00Z',
    '1e3',
  ]) {
    expect(pattern.test(text), text).toBe(false);
  }
  // Not the first day: there a zone may lead to before 1970.
  const day = fc.date({ min: new Date('1970-01-02'), max: new Date('9999-12-30'), noInvalidDate: true });
  fc.assert(
    fc.property(day, fc.constantFrom('Z', '+13:45', '-11:00'), (date, zone) => {
      const text = date.toISOString().replace('Z', zone);
      return pattern.test(text) && parseTimestamp(text) !== undefined;
    }),
  );
  fc.assert(
    fc.property(
      fc.stringMatching(pattern),
      (text) => text.startsWith('1970-01-01') || parseTimestamp(text) !== undefined,
    ),
  );
});

test('what is documented of where a group begins is understood', () => {
  const pattern = new RegExp(START_AT.pattern);
  for (const text of START_AT.examples) expect(pattern.test(text), text).toBe(true);
  fc.assert(
    fc.property(
      fc.stringMatching(pattern),
      (text) => text.startsWith('@1970-01-01') || parseStartAt(text) !== undefined,
    ),
  );
});

test.each([
  ['0', true],
  ['60000ms', true],
  ['60s', true],
  ['61s', false],
  ['60001', false],
  ['5m', false],
])('a wait of %s: %s', (text, isOne) => {
  expect(new RegExp(WAIT['pattern'] as string).test(text)).toBe(isOne);
});

test.each([
  ['/', true],
  ['/a/b%20c/%C3%A9', true],
  ['/a%2Fb', true],
  ['', false],
  ['a', false],
  ['/a/', false],
  ['//a', false],
  ['/50%', false],
  ['/%ff', false],
  ['/%C0%80', false],
  ['/a/../b', false],
  ['/%2e', false],
  ['/...', true],
])('the path %j of a node: %s', (path, isOne) => {
  const isNamed = new RegExp(NODE_PATH.pattern, 'u').test(path) && !new RegExp(NODE_PATH.not.pattern).test(path);
  expect(isNamed).toBe(isOne);
});
