import type { Assignment, Assignor, PartitionCounts, Subscriber, TopicPartition } from './assignor.ts';

/**
 * Each topic on its own: its partitions in order, as evenly as can be, the first members get one more. What Kafka's consumers call
 * `range`: whoever leads a group, the result is the same.
 */
export const rangeAssignor: Assignor = {
  name: 'range',
  isCooperative: false,
  assign(subscribers: readonly Subscriber[], counts: PartitionCounts): Assignment {
    const assignment = new Map<string, TopicPartition[]>(subscribers.map(({ memberId }) => [memberId, []]));
    const ordered = subscribers.toSorted(byName);
    for (const topic of new Set(subscribers.flatMap(({ topics }) => topics))) {
      const readers = ordered.filter(({ topics }) => topics.includes(topic));
      const count = counts(topic);
      const [each, rest] = [Math.floor(count / readers.length), count % readers.length];
      let next = 0;
      for (const [i, { memberId }] of readers.entries()) {
        for (const end = next + each + (i < rest ? 1 : 0); next < end; next++) {
          assignment.get(memberId)!.push({ topic, partition: next });
        }
      }
    }
    return assignment;
  },
};

/** As Kafka has it: static members before others, each by name. */
function byName(one: Subscriber, other: Subscriber): number {
  if (one.instanceId !== undefined && other.instanceId !== undefined) return compare(one.instanceId, other.instanceId);
  if (one.instanceId !== undefined) return -1;
  if (other.instanceId !== undefined) return 1;
  return compare(one.memberId, other.memberId);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
