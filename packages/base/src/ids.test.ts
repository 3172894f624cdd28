import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset, topicNameProblem, uuidFromBytes, uuidFromRandom, uuidToBytes } from './ids.ts';

test('a UUID survives the way to bytes and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      expect(uuidToBytes(uuidFromBytes(bytes))).toEqual(bytes);
    }),
  );
});

test('a random UUID is of version 4', () => {
  expect(uuidFromRandom(new Uint8Array(16).fill(0xff))).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
});

test('topic names follow the rule of Kafka', () => {
  for (const name of ['a', 'flights.2001', 'A-b_c.9', 'x'.repeat(249), '...'])
    expect(topicNameProblem(name)).toBeUndefined();
  for (const name of ['', '.', '..', 'x'.repeat(250), 'a/b', 'a b', 'ä', '%2e', 'a\0']) {
    expect(topicNameProblem(name), name).toBeTypeOf('string');
  }
});

test('an offset is a safe integer from 0', () => {
  for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => offset(wrong)).toThrow('not an offset');
});
