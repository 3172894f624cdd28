import { topicNameProblem } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { CLUSTER_PARTITIONS_MAX, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { present } from '@weir/base/assert.ts';
import { topicConfigsProblem } from '@weir/base/topic-configs.ts';
import type { Change, ClusterImage, TopicRecord, Versioned } from './image.ts';
import { internalTopic, internalTopicProblem } from './internal-topics.ts';
import { newPartitions, replicasProblem, replicationFactorProblem } from './new-partitions.ts';
import { defaultReplicationFactor } from './policy.ts';
import type { Policy } from './policy.ts';

/** A topic as somebody asks for it. */
export interface NewTopic {
  readonly name: string;
  /** The id that it gets, if it is created. */
  readonly id: TopicId;
  /** 0: the cluster's default. */
  readonly partitionCount: number;
  /** 0: the cluster's default. */
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
  /** Where somebody wants the replicas of every partition; empty: on the brokers in turn. */
  readonly assignments: readonly PartitionAssignment[];
}

/** Where somebody wants a partition's replicas. */
export interface PartitionAssignment {
  readonly partition: number;
  readonly brokers: readonly number[];
}

/** Creates topics, each on its own. */
export interface CreateTopics {
  readonly kind: 'createTopics';
  readonly topics: readonly NewTopic[];
  readonly validateOnly: boolean;
  readonly autoCreate: boolean;
  /** Weir's own, which the brokers need: see internal-topics.ts. */
  readonly internal?: boolean;
}

/** What became of one topic. */
export type TopicResult =
  | { readonly kind: 'refused'; readonly name: string; readonly refusal: Refusal }
  | { readonly kind: 'valid'; readonly topic: TopicRecord; readonly replicationFactor: number }
  | { readonly kind: 'created'; readonly topic: Versioned<TopicRecord>; readonly replicationFactor: number };

/** The steps of creating topics: partitions first, a topic's own key last, for then it exists. */
export function* createTopics(
  image: ClusterImage,
  command: CreateTopics,
  policy: Policy,
): Generator<Change[], readonly TopicResult[], void> {
  const names = new Map<string, number>();
  for (const { name } of command.topics) names.set(name, (names.get(name) ?? 0) + 1);
  let partitionCount = image.partitionCount;
  const changes: Change[] = [];
  const results = command.topics.map((asked): TopicResult => {
    const { autoCreate, internal = false } = command;
    const topic = internal ? { ...asked, ...internalTopic(image, policy) } : withDefaults(image, asked, policy);
    const refused =
      names.get(topic.name) === 1
        ? (assignmentsProblem(asked) ?? problemOf(image, topic, { policy, autoCreate, internal, partitionCount }))
        : refusal('INVALID_REQUEST', `topic ${JSON.stringify(topic.name.slice(0, 249))} is asked for more than once`);
    if (refused !== undefined) return { kind: 'refused', name: topic.name, refusal: refused };
    const { name, id, configs, replicationFactor } = topic;
    const record: TopicRecord = { name, id, partitionCount: topic.partitionCount, configs };
    if (!command.validateOnly) {
      const made = newPartitions(image, {
        topicId: id,
        first: 0,
        count: topic.partitionCount,
        replicationFactor,
        configs,
        assignments: placesOf(topic),
        start: partitionCount,
      });
      for (const partition of made) changes.push({ kind: 'partition', partition });
      changes.push({ kind: 'topic', topic: record });
    }
    partitionCount += topic.partitionCount;
    return { kind: 'valid', topic: record, replicationFactor };
  });
  if (command.validateOnly) return results;
  yield changes;
  return results.map((result) => {
    if (result.kind !== 'valid') return result;
    const topic = present(image.topics.get(result.topic.name), 'a topic that was written is in the image');
    return { kind: 'created', topic, replicationFactor: result.replicationFactor };
  });
}

function withDefaults(image: ClusterImage, topic: NewTopic, policy: Policy): NewTopic {
  const { assignments } = topic;
  if (assignments.length > 0) {
    return { ...topic, partitionCount: assignments.length, replicationFactor: assignments[0]!.brokers.length };
  }
  return {
    ...topic,
    partitionCount: topic.partitionCount === 0 ? policy.defaultPartitions : topic.partitionCount,
    replicationFactor:
      topic.replicationFactor === 0 ? defaultReplicationFactor(image, policy) : topic.replicationFactor,
  };
}

function problemOf(
  image: ClusterImage,
  topic: NewTopic,
  context: {
    readonly policy: Policy;
    readonly autoCreate: boolean;
    readonly internal: boolean;
    readonly partitionCount: number;
  },
): Refusal | undefined {
  const { name, partitionCount, replicationFactor } = topic;
  const { policy } = context;
  const nameProblem = topicNameProblem(name);
  if (nameProblem !== undefined) return refusal('INVALID_TOPIC_EXCEPTION', nameProblem.slice(0, 500));
  if (context.internal) {
    const problem = internalTopicProblem(image, topic);
    if (problem !== undefined) return problem;
  } else if (name.startsWith('__')) {
    return refusal('INVALID_TOPIC_EXCEPTION', `topic names that begin with "__", as ${name}, are Weir's own`);
  }
  if (image.topics.has(name)) return refusal('TOPIC_ALREADY_EXISTS', `topic ${name} exists already`);
  if (context.autoCreate && !policy.autoCreateTopics) {
    return refusal(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `there is no topic ${name}, and this cluster creates none by itself: create it first, or start the coordinator with --auto-create-topics true`,
    );
  }
  if (partitionCount < 1 || partitionCount > TOPIC_PARTITIONS_MAX) {
    return refusal('INVALID_PARTITIONS', `a topic has 1 to ${TOPIC_PARTITIONS_MAX} partitions, not ${partitionCount}`);
  }
  const replicationProblem = replicationFactorProblem(image, replicationFactor);
  if (replicationProblem !== undefined) return refusal('INVALID_REPLICATION_FACTOR', replicationProblem);
  const misplaced = replicasProblem(image, placesOf(topic), { first: 0, replicationFactor });
  if (misplaced !== undefined) return misplaced;
  const configProblem = topicConfigsProblem(topic.configs);
  if (configProblem !== undefined) return refusal('INVALID_CONFIG', configProblem);
  if (context.partitionCount + partitionCount > CLUSTER_PARTITIONS_MAX) {
    return refusal(
      'POLICY_VIOLATION',
      `the cluster has ${context.partitionCount} partitions and may have ${CLUSTER_PARTITIONS_MAX}: ${partitionCount} more are too many`,
    );
  }
  return undefined;
}

/** What is wrong with the numbers of the partitions that somebody chose places for, or undefined. */
function assignmentsProblem({ assignments, partitionCount, replicationFactor }: NewTopic): Refusal | undefined {
  if (assignments.length === 0) return undefined;
  if (partitionCount !== 0 || replicationFactor !== 0) {
    const message =
      'with assignments there is no number of partitions and no replication factor to be given: they say both';
    return refusal('INVALID_REQUEST', message);
  }
  const indexes = new Set(assignments.map(({ partition }) => partition));
  const gap = assignments.findIndex((_, index) => !indexes.has(index));
  if (gap === -1) return undefined;
  const message =
    indexes.size < assignments.length
      ? 'the assignments are of one partition more than once'
      : `the assignments are of ${assignments.length} partitions and lack partition ${gap}: they are numbered from 0 without gaps`;
  return refusal('INVALID_REPLICA_ASSIGNMENT', message);
}

function placesOf({ assignments }: NewTopic): readonly (readonly number[])[] {
  return assignments.toSorted((a, b) => a.partition - b.partition).map(({ brokers }) => brokers);
}
