import { assert } from '@weir/base/assert.ts';

/** Java's `String.hashCode`, over UTF-16 units: a signed 32-bit integer. */
function hashOf(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}

/**
 * The partition of `__consumer_offsets` that has a group, 0 to partitions - 1: the one that Kafka picks
 * (`Utils.abs(groupId.hashCode()) % partitions`).
 */
export function partitionForGroup(groupId: string, partitions: number): number {
  assert(partitions >= 1, 'a topic has at least one partition');
  const hash = hashOf(groupId);
  // As in Kafka: the number that has no positive one in 32 bits is 0.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitions;
}
