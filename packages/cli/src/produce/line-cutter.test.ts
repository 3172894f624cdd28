import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineCutter } from './line-cutter.ts';

function cut(pieces: readonly Buffer[], bytesMax = 1000): string[] {
  const cutter = new LineCutter(bytesMax);
  const lines: string[] = [];
  const keep = (line: Buffer): void => void lines.push(line.toString('latin1'));
  for (const piece of pieces) cutter.push(piece, keep);
  cutter.end(keep);
  return lines;
}

test('however the input comes in pieces, the lines are the same', () => {
  const byte = fc.oneof(fc.constant(0x0a), fc.constant(0x0d), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(fc.array(byte, { maxLength: 20 }), { maxLength: 10 }), (pieces) => {
      const whole = Buffer.from(pieces.flat()).toString('latin1');
      const expected = whole.split('\n');
      if (expected.at(-1) === '') expected.pop();
      expect(cut(pieces.map((piece) => Buffer.from(piece)))).toEqual(expected);
    }),
  );
});

test('a line that never ends costs no more than the limit, and is named', () => {
  const cutter = new LineCutter(10);
  const lines: string[] = [];
  const keep = (line: Buffer): void => void lines.push(line.toString());
  cutter.push(Buffer.from('first\nsecond'), keep);
  expect(() => cutter.push(Buffer.from('and on'), keep)).toThrow('line 2 is longer than 10 bytes');
  expect(lines).toEqual(['first']);
  expect(cut([Buffer.from('0123456789\n')], 10)).toEqual(['0123456789']);
});
