import { isInternalTopic } from '@weir/base/ids.ts';
import { present } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { CLUSTER_PARTITIONS_MAX, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { Policy } from './policy.ts';
import type { Change, ClusterImage, TopicRecord, Versioned } from './image.ts';
import { newPartitions, replicasProblem, replicationFactorProblem } from './new-partitions.ts';

/** How many partitions a topic is to have. */
export interface TopicToGrow {
  readonly name: string;
  /** With those that there are. */
  readonly totalCount: number;
  /** Where the new ones are to be, in their order; empty: on the brokers in turn. */
  readonly assignments: readonly (readonly number[])[];
}

/** Adds partitions to topics, each on its own. */
export interface CreatePartitions {
  readonly kind: 'createPartitions';
  readonly topics: readonly TopicToGrow[];
  readonly validateOnly: boolean;
}

/** What became of one topic. */
export type GrowthResult =
  | { readonly kind: 'refused'; readonly name: string; readonly refusal: Refusal }
  | { readonly kind: 'valid'; readonly name: string; readonly partitionCount: number }
  | { readonly kind: 'grown'; readonly topic: Versioned<TopicRecord> };

/**
 * The steps of adding partitions: the partitions first, then the topic's key, which says how many they are: they exist
 * from then on. A coordinator that dies in between finds them as orphans when it starts.
 */
export function* createPartitions(
  image: ClusterImage,
  { topics, validateOnly }: CreatePartitions,
  policy: Policy,
): Generator<Change[], readonly GrowthResult[], void> {
  const asked = Map.groupBy(topics, ({ name }) => name);
  let partitionCount = image.partitionCount;
  const changes: Change[] = [];
  const results = topics.map((wanted): GrowthResult => {
    const { name, totalCount, assignments } = wanted;
    const topic = image.topics.get(name);
    const refused =
      asked.get(name)!.length > 1
        ? refusal('INVALID_REQUEST', `topic ${shown(name)} is asked for more than once`)
        : problemOf(image, topic, wanted, { policy, partitionCount });
    if (refused !== undefined || topic === undefined) {
      return { kind: 'refused', name, refusal: refused ?? unknownTopic(name) };
    }
    const first = topic.partitionCount;
    const count = totalCount - first;
    const { revision: _, ...record } = topic;
    if (!validateOnly) {
      const replicationFactor = replicationFactorOf(image, topic);
      const made = newPartitions(image, {
        topicId: topic.id,
        first,
        count,
        replicationFactor,
        configs: topic.configs,
        assignments,
        start: partitionCount,
      });
      for (const partition of made) changes.push({ kind: 'partition', partition });
      changes.push({ kind: 'topic', topic: { ...record, partitionCount: totalCount } });
    }
    partitionCount += count;
    return { kind: 'valid', name, partitionCount: totalCount };
  });
  if (validateOnly) return results;
  yield changes;
  return results.map((result) => {
    if (result.kind !== 'valid') return result;
    return { kind: 'grown', topic: present(image.topics.get(result.name), 'a topic that has grown is in the image') };
  });
}

function problemOf(
  image: ClusterImage,
  topic: TopicRecord | undefined,
  { name, totalCount, assignments }: TopicToGrow,
  context: { readonly policy: Policy; readonly partitionCount: number },
): Refusal | undefined {
  if (topic === undefined) return unknownTopic(name);
  if (isInternalTopic(name)) {
    return refusal('INVALID_PARTITIONS', `${name} keeps its number of partitions: it says who has which group`);
  }
  const { partitionCount: before } = topic;
  if (totalCount < before) {
    const message = `the topic ${name} currently has ${counted(before)}, which is higher than the requested ${totalCount}`;
    return refusal('INVALID_PARTITIONS', message);
  }
  if (totalCount === before) {
    return refusal('INVALID_PARTITIONS', `topic ${name} already has ${counted(before)}`);
  }
  if (totalCount > TOPIC_PARTITIONS_MAX) {
    return refusal('INVALID_PARTITIONS', `a topic has 1 to ${TOPIC_PARTITIONS_MAX} partitions, not ${totalCount}`);
  }
  const added = totalCount - before;
  if (assignments.length > 0 && assignments.length !== added) {
    const message = `${counted(added)} would be added to topic ${name}, and the assignments are of ${assignments.length}`;
    return refusal('INVALID_REPLICA_ASSIGNMENT', message);
  }
  const replicationFactor = replicationFactorOf(image, topic);
  const problem = replicationFactorProblem(image, replicationFactor);
  if (problem !== undefined) return refusal('INVALID_REPLICATION_FACTOR', problem);
  const misplaced = replicasProblem(image, assignments, { first: before, replicationFactor });
  if (misplaced !== undefined) return misplaced;
  if (context.partitionCount + added > CLUSTER_PARTITIONS_MAX) {
    return refusal(
      'POLICY_VIOLATION',
      `the cluster has ${context.partitionCount} partitions and may have ${CLUSTER_PARTITIONS_MAX}: ${added} more are too many`,
    );
  }
  return undefined;
}

/** New partitions have as many replicas as the topic's first. */
function replicationFactorOf(image: ClusterImage, topic: TopicRecord): number {
  return present(image.partitionsOf(topic)[0], 'a topic has a partition').replicas.length;
}

function unknownTopic(name: string): Refusal {
  return refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${shown(name)}`);
}

function counted(partitions: number): string {
  return `${partitions} partition${partitions === 1 ? '' : 's'}`;
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 249));
}
