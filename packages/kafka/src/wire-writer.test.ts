import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WireWriter } from './wire-writer.ts';

test('payload stands where it was written, however large and in however many parts', () => {
  const writer = new WireWriter();
  const step = fc.oneof(
    fc.record({ kind: fc.constant('int' as const), value: fc.integer() }),
    fc.record({ kind: fc.constant('payload' as const), sizes: fc.array(fc.nat(2_100), { maxLength: 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const model: Buffer[] = [];
      for (const [i, one] of steps.entries()) {
        if (one.kind === 'int') {
          writer.int32(one.value);
          model.push(Buffer.alloc(4));
          model.at(-1)!.writeInt32BE(one.value);
        } else {
          const parts = one.sizes.map((size) => Buffer.alloc(size, i + 1));
          const whole = Buffer.concat(parts);
          writer.payload(parts, whole.length);
          model.push(whole);
        }
      }
      const expected = Buffer.concat(model);
      expect(writer.bytes).toBe(expected.length);
      expect(Buffer.compare(Buffer.concat(writer.finish()), expected)).toBe(0);
    }),
  );
});

test('much payload is taken over as it is, and a little is in one part with what is around it', () => {
  const writer = new WireWriter();
  const framed = (payload: Buffer): Uint8Array[] => {
    writer.int32(1);
    writer.payload([payload], payload.length);
    writer.int32(2);
    return writer.finish();
  };
  const much = Buffer.alloc(100_000);
  const parts = framed(much);
  expect(parts.map(({ length }) => length)).toEqual([4, 100_000, 4]);
  expect(parts[1]).toBe(much);
  expect(framed(Buffer.alloc(100)).map(({ length }) => length)).toEqual([108]);
});

test('a message that was finished stays as it is, whatever is written after it', () => {
  const message = fc.record({ bytes: fc.nat({ max: 20_000 }), isFinished: fc.boolean() });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
      const writer = new WireWriter();
      const finished: { readonly parts: readonly Uint8Array[]; readonly expected: Buffer }[] = [];
      for (const [i, { bytes, isFinished }] of messages.entries()) {
        writer.reset();
        writer.int32(i);
        for (let left = bytes; left > 0; left -= 300) writer.raw(Buffer.alloc(Math.min(300, left), i));
        writer.patchInt32(0, i + 1);
        if (!isFinished) continue;
        const expected = Buffer.alloc(4 + bytes, i);
        expected.writeInt32BE(i + 1);
        finished.push({ parts: writer.finish(), expected });
      }
      for (const { parts, expected } of finished) expect(Buffer.compare(Buffer.concat(parts), expected)).toBe(0);
    }),
  );
});
