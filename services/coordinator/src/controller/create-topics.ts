import { leaderEpoch, topicNameProblem } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { CLUSTER_PARTITIONS_MAX, REPLICATION_FACTOR_MAX, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { present } from '@weir/base/assert.ts';
import { viewOf } from './brokers.ts';
import type { Change, ClusterImage, PartitionRecord, TopicRecord, Versioned } from './image.ts';
import { firstIsr } from './partition.ts';
import { placeReplicas } from './placement.ts';
import { configsProblem } from './topic-configs.ts';

/** What a cluster allows and assumes. */
export interface Policy {
  /** Whether topics are created because somebody produces to them. */
  readonly autoCreateTopics: boolean;
  readonly defaultPartitions: number;
  /** Largest replication factor that is built. */
  readonly replicationFactorMax: number;
}

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
}

/** Creates topics, each on its own. */
export interface CreateTopics {
  readonly kind: 'createTopics';
  readonly topics: readonly NewTopic[];
  readonly validateOnly: boolean;
  readonly autoCreate: boolean;
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
    const topic = withDefaults(asked, policy);
    const refused =
      names.get(topic.name) === 1
        ? problemOf(image, topic, { policy, autoCreate: command.autoCreate, partitionCount })
        : refusal('INVALID_REQUEST', `topic ${JSON.stringify(topic.name.slice(0, 249))} is asked for more than once`);
    if (refused !== undefined) return { kind: 'refused', name: topic.name, refusal: refused };
    const { name, id, configs, replicationFactor } = topic;
    const record: TopicRecord = { name, id, partitionCount: topic.partitionCount, configs };
    if (!command.validateOnly) {
      for (const partition of firstPartitions(image, topic, partitionCount))
        changes.push({ kind: 'partition', partition });
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

function withDefaults(topic: NewTopic, policy: Policy): NewTopic {
  return {
    ...topic,
    partitionCount: topic.partitionCount === 0 ? policy.defaultPartitions : topic.partitionCount,
    replicationFactor: topic.replicationFactor === 0 ? 1 : topic.replicationFactor,
  };
}

function problemOf(
  image: ClusterImage,
  topic: NewTopic,
  context: { readonly policy: Policy; readonly autoCreate: boolean; readonly partitionCount: number },
): Refusal | undefined {
  const { name, partitionCount, replicationFactor } = topic;
  const { policy } = context;
  const nameProblem = topicNameProblem(name);
  if (nameProblem !== undefined) return refusal('INVALID_TOPIC_EXCEPTION', nameProblem.slice(0, 500));
  if (name.startsWith('__')) {
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
  const replicationProblem = replicationFactorProblem(replicationFactor, {
    brokers: image.activeBrokers().length,
    built: policy.replicationFactorMax,
  });
  if (replicationProblem !== undefined) return refusal('INVALID_REPLICATION_FACTOR', replicationProblem);
  const configProblem = configsProblem(topic.configs);
  if (configProblem !== undefined) return refusal('INVALID_CONFIG', configProblem);
  if (context.partitionCount + partitionCount > CLUSTER_PARTITIONS_MAX) {
    return refusal(
      'POLICY_VIOLATION',
      `the cluster has ${context.partitionCount} partitions and may have ${CLUSTER_PARTITIONS_MAX}: ${partitionCount} more are too many`,
    );
  }
  return undefined;
}

function replicationFactorProblem(
  factor: number,
  { brokers, built }: { readonly brokers: number; readonly built: number },
): string | undefined {
  if (factor < 1 || factor > REPLICATION_FACTOR_MAX) {
    return `a replication factor is from 1 to ${REPLICATION_FACTOR_MAX}, not ${factor}`;
  }
  if (factor > built) return `replication is not built yet: the replication factor is ${built}, not ${factor}`;
  if (factor > brokers) return `replication factor ${factor} needs as many brokers, and ${brokers} are active`;
  return undefined;
}

/** @param start - where in the ring of brokers the first leader is: leaders go on from the cluster's last */
function firstPartitions(image: ClusterImage, topic: NewTopic, start: number): PartitionRecord[] {
  const { id: topicId, partitionCount, replicationFactor } = topic;
  const placed = placeReplicas(image.activeBrokers(), { partitionCount, replicationFactor, start });
  const brokers = viewOf(image);
  return placed.map((replicas, index) => ({
    topicId,
    index,
    replicas,
    leader: present(replicas[0], 'a partition has a replica'),
    leaderEpoch: leaderEpoch(0),
    isr: firstIsr(replicas, brokers),
    elr: [],
    lastKnownElr: [],
    partitionEpoch: 0,
    uncleanEpoch: -1,
  }));
}
