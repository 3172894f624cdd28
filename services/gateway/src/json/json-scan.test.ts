import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JSON_DEPTH_MAX } from '@weir/base/limits.ts';
import { isJson } from './json-scan.ts';

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const pieces = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\u',
  '00e9',
  '"a"',
  '1',
  '-',
  '0',
  '.5',
  'e',
  'E+',
  'true',
  'nul',
  'l',
  ' ',
  '\n',
  '\u0001',
  'é',
  '\ufeff',
  '/',
];

test('it takes exactly what JSON.parse takes', () => {
  const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''));
  const damaged = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom('', ...pieces))
    .map(
      ([text, at, piece]) =>
        `${text.slice(0, at % (text.length + 1))}${piece}${text.slice((at % (text.length + 1)) + 1)}`,
    );
  fc.assert(
    fc.property(fc.oneof(soup, damaged, fc.json(), fc.string()), (text) => {
      expect(isJson(Buffer.from(text)), text).toBe(parses(text.toWellFormed()));
    }),
    { numRuns: 3_000 },
  );
});

test.each(['0', '-0', '1e5', '1E-5', '0.10', '12345678901234567890', '"\\ud800"', '[[]]', ' { } ', '"\u2028"'])(
  '%s is JSON',
  (text) => expect(isJson(Buffer.from(text))).toBe(true),
);

test.each([
  '',
  ' ',
  '01',
  '1.',
  '.1',
  '-',
  '+1',
  '1e',
  'tru',
  'NaN',
  "'a'",
  '[1,]',
  '{"a":1,}',
  '{a:1}',
  '"\t"',
  '1 2',
  '\ufeff1',
])('%j is not JSON', (text) => expect(isJson(Buffer.from(text))).toBe(false));

test('bytes that are not UTF-8 are not JSON', () => {
  expect(isJson(Buffer.from([0x22, 0xff, 0x22]))).toBe(false);
});

test('nesting has a limit instead of a stack overflow', () => {
  expect(isJson(Buffer.from('['.repeat(JSON_DEPTH_MAX) + ']'.repeat(JSON_DEPTH_MAX)))).toBe(true);
  expect(isJson(Buffer.from('['.repeat(JSON_DEPTH_MAX + 1) + ']'.repeat(JSON_DEPTH_MAX + 1)))).toBe(false);
  expect(isJson(Buffer.alloc(10_000_000, '['))).toBe(false);
  expect(isJson(Buffer.from('{"a":'.repeat(1_000_000)))).toBe(false);
});
