import { consumerProtocolAssignment, consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { RecordError } from '@weir/kafka/records/record-format.ts';
import type { Subscriber, TopicPartition } from './assignor.ts';

/** The protocol type of consumers' groups. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

/** What a member says of itself when it joins. */
export function encodeSubscription({
  topics,
  owned,
  generation,
}: Pick<Subscriber, 'topics' | 'owned' | 'generation'>): Buffer {
  return consumerProtocolSubscription.encode({
    topics,
    userData: null,
    ownedPartitions: byTopic(owned),
    generationId: generation,
  });
}

/** What another one said. Of who says something else nothing is known, and it gets nothing. */
export function readSubscription(
  { memberId, instanceId }: Pick<Subscriber, 'memberId' | 'instanceId'>,
  metadata: Uint8Array,
): Subscriber {
  try {
    const { version, value } = consumerProtocolSubscription.decode(asBuffer(metadata));
    const { topics, userData, ownedPartitions, generationId } = value;
    // Before version 2 Kafka's cooperative consumers say it there.
    const isInUserData = version < 2 && userData !== null && userData.length >= 4;
    const generation = isInUserData ? userData.readInt32BE(0) : generationId;
    return { memberId, instanceId, topics, owned: flat(ownedPartitions), generation };
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    return { memberId, instanceId, topics: [], owned: [], generation: -1 };
  }
}

/** What a member gets. */
export function encodeAssignment(places: readonly TopicPartition[]): Buffer {
  return consumerProtocolAssignment.encode({ assignedPartitions: byTopic(places), userData: null });
}

/** What this one got; nothing when no leader has said anything. @throws RecordError when it is something else */
export function readAssignment(assignment: Uint8Array): readonly TopicPartition[] {
  if (assignment.length === 0) return [];
  return flat(consumerProtocolAssignment.decode(asBuffer(assignment)).value.assignedPartitions);
}

/** The same, for who only looks: what is something else reads as `otherwise`. */
export function readAssignmentOr<T>(assignment: Uint8Array, otherwise: T): readonly TopicPartition[] | T {
  try {
    return readAssignment(assignment);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    return otherwise;
  }
}

interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

function byTopic(places: readonly TopicPartition[]): readonly TopicPartitions[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of places) {
    const partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, [partition]);
    else partitions.push(partition);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

function flat(topics: readonly TopicPartitions[]): readonly TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
