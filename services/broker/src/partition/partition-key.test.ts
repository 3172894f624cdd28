import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LatestId, latin1 } from './partition-key.ts';

test('the text of an id is the same whatever ids came before it', () => {
  const id = fc.oneof(
    fc.constantFrom(0, 1, 2).map((last) => idOf(last)),
    fc.uint8Array({ maxLength: 20 }),
  );
  fc.assert(
    fc.property(fc.array(id), (ids) => {
      const latest = new LatestId();
      for (const one of ids) expect(latest.text(one)).toBe(latin1(one));
    }),
  );
});

test('an id whose memory is used for another one is not taken for it', () => {
  const latest = new LatestId();
  const memory = idOf(1);
  const before = latest.text(memory);
  memory[15] = 2;
  expect(latest.text(memory)).not.toBe(before);
});

function idOf(last: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[15] = last;
  return bytes;
}
