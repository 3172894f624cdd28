import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextBytes } from './text-bytes.ts';

const piece = fc.oneof(
  fc.record({ kind: fc.constant('ascii' as const), text: fc.string({ unit: 'binary-ascii', maxLength: 2_000 }) }),
  fc.record({ kind: fc.constant('text' as const), text: fc.string({ unit: 'grapheme', maxLength: 300 }) }),
  fc.record({ kind: fc.constant('bytes' as const), text: fc.string({ unit: 'grapheme', maxLength: 9_000 }) }),
  fc.record({ kind: fc.constant('base64' as const), text: fc.string({ maxLength: 300 }) }),
);

test('pieces stand behind one another, whatever was expected', () => {
  fc.assert(
    fc.property(fc.array(piece), fc.nat(10_000), (pieces, expected) => {
      const out = new TextBytes(expected);
      let text = '';
      for (const { kind, text: one } of pieces) {
        if (kind === 'bytes') out.bytes(Buffer.from(one));
        else if (kind === 'base64') out.base64(Buffer.from(one));
        else out[kind](one);
        text += kind === 'base64' ? Buffer.from(one).toString('base64') : one;
      }
      expect(out.length).toBe(Buffer.byteLength(text));
      expect(out.take().toString()).toBe(text);
    }),
  );
});

test('what is taken back is gone, and what comes then stands there', () => {
  const out = new TextBytes().ascii('one');
  const before = out.length;
  out.text('zwölf').cutTo(before);
  expect(out.ascii(', two').take().toString()).toBe('one, two');
});

test('characters are replaced from a place on alone', () => {
  const out = new TextBytes().ascii('a\n');
  const from = out.length;
  out.ascii('b\r\nc');
  out.replaceFrom(from, [0x0a, 0x0d], 0x20);
  expect(out.take().toString()).toBe('a\nb  c');
});
