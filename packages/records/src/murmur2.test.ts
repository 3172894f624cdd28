import fc from 'fast-check';
import { expect, test } from 'vitest';
import { murmur2, partitionForKey } from './murmur2.ts';

// Kafka's UtilsTest.testMurmur2.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
  ['', 275646681],
])('the hash of %j is the one that Kafka computes', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash);
});

test('a key goes to the partition that Kafka picks', () => {
  // (-790332482 & 0x7fffffff) % 50
  expect(partitionForKey(Buffer.from('foobar'), 50)).toBe(16);
  expect(partitionForKey(Buffer.from('21'), 1)).toBe(0);
});

test('every key has a partition of the topic, and always the same one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 10_000 }), (key, count) => {
      const partition = partitionForKey(key, count);
      expect(Number.isInteger(partition) && partition >= 0 && partition < count).toBe(true);
      // Not the backing memory but the bytes decide.
      expect(partitionForKey(Buffer.concat([Buffer.from([1]), key]).subarray(1), count)).toBe(partition);
    }),
  );
});
