import { assert } from '@weir/base/assert.ts';

const SEED = 0x9747_b28c | 0;
const M = 0x5bd1_e995;
const R = 24;

/** MurmurHash2 as Kafka's Java client has it (`Utils.murmur2`): a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  const tail = length & 3;
  const whole = length - tail;
  let h = SEED ^ length;
  for (let i = 0; i < whole; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> R;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  if (tail === 3) h ^= bytes[whole + 2]! << 16;
  if (tail >= 2) h ^= bytes[whole + 1]! << 8;
  if (tail >= 1) h = Math.imul(h ^ bytes[whole]!, M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}

/**
 * The partition of a key, 0 to count - 1: the one that Kafka's Java client picks (`BuiltInPartitioner`), so that keys
 * keep their partition whichever road a record takes.
 */
export function partitionForKey(key: Uint8Array, count: number): number {
  assert(count >= 1, 'a topic has at least one partition');
  return (murmur2(key) & 0x7fff_ffff) % count;
}
