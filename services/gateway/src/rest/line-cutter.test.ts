import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HTTP_LINE_BYTES_MAX } from '@weir/base/limits.ts';
import { LineCutter } from './line-cutter.ts';

function cutAll(pieces: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const cutter = new LineCutter({
    line: (bytes, start, end) => lines.push(bytes.toString('latin1', start, end)),
    tooLong: () => lines.push('TOO LONG'),
  });
  for (const piece of pieces) cutter.push(piece);
  cutter.finish();
  return lines;
}

test('lines are the same however the body is cut into pieces', () => {
  const pieces = fc.array(
    fc.array(fc.constantFrom('a', 'b', '\n', 'ccc'), { maxLength: 8 }).map((parts) => Buffer.from(parts.join(''))),
  );
  fc.assert(
    fc.property(pieces, (some) => {
      const lines = Buffer.concat(some).toString().split('\n');
      // A last line without an end counts only when there is something on it.
      if (lines.at(-1) === '') lines.pop();
      expect(cutAll(some)).toEqual(lines);
    }),
  );
});

test('a line that is too long is told of once and skipped; those around it are not', () => {
  const half = Buffer.alloc(HTTP_LINE_BYTES_MAX / 2 + 1, 'x');
  expect(cutAll([Buffer.from('a\n'), half, half, half, Buffer.from('\nb\n')])).toEqual(['a', 'TOO LONG', 'b']);
  expect(cutAll([Buffer.from('a\n'), half, Buffer.concat([half, Buffer.from('\nb')])])).toEqual(['a', 'TOO LONG', 'b']);
  expect(cutAll([half, half])).toEqual(['TOO LONG']);
});
