import type { createPartitions } from '@weir/kafka/apis/create-partitions.ts';
import type { createTopics, CreateTopicsResponse } from '@weir/kafka/apis/create-topics.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import type { CreateTopicResult } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { NO_RESULT, outcomeOf, outcomeOfFailure } from './admin.ts';
import type { Admin, Outcome } from './admin.ts';
import { configSource, topicConfigs } from './configs.ts';
import type { ConfigParts } from './configs.ts';
import type { Exchange } from './exchange.ts';
import { REPEATED, repeated } from './repeated.ts';

/** Stands for the cluster's default, of partitions and of replicas. */
const DEFAULT = -1;

type NewTopic = Exchange<typeof createTopics>['request']['topics'][number];
type CreatedTopic = CreateTopicsResponse['topics'][number];

/** Creates topics, each on its own. */
export async function answerCreateTopics(
  configs: ConfigParts,
  admin: Admin,
  exchange: Exchange<typeof createTopics>,
): Promise<void> {
  const { validateOnly } = exchange.request;
  const asked = byName(exchange.request.topics);
  const again = repeated(exchange.request.topics.map(({ name }) => name));
  const problems = asked.map((topic) => (again.has(topic.name) ? REPEATED : problemOf(topic)));
  const sound = asked.filter((_, i) => problems[i] === undefined);
  const answers: CreatedTopic[] = [];
  try {
    const topics = sound.map(toCreate);
    const results = sound.length === 0 ? [] : await admin.createTopics({ topics, validateOnly });
    answers.push(...results.map((result) => createdTopic(result, { configs, validateOnly })));
  } catch (error) {
    const outcome = outcomeOfFailure(error);
    answers.push(...sound.map(({ name }) => refusedTopic(name, outcome)));
  }
  exchange.answer({
    throttleTimeMs: 0,
    topics: problems.map((problem, i) => {
      if (problem !== undefined) return refusedTopic(asked[i]!.name, problem);
      return answers.shift() ?? refusedTopic(asked[i]!.name, NO_RESULT);
    }),
  });
}

/** What only a client of Kafka can get wrong: to the coordinator 0 stands for the default, which here is -1. */
function problemOf(topic: NewTopic): Outcome | undefined {
  const { numPartitions, replicationFactor, assignments, configs } = topic;
  if (assignments.length > 0 && (numPartitions !== DEFAULT || replicationFactor !== DEFAULT)) {
    const message = 'replicas are assigned: then the counts of partitions and of replicas are -1';
    return outcomeOf({ code: 'INVALID_REQUEST', message });
  }
  if (numPartitions < DEFAULT || numPartitions === 0) {
    return outcomeOf({
      code: 'INVALID_PARTITIONS',
      message: `a topic has at least one partition, not ${numPartitions}`,
    });
  }
  if (replicationFactor < DEFAULT || replicationFactor === 0) {
    const message = `a topic has at least one replica, not ${replicationFactor}`;
    return outcomeOf({ code: 'INVALID_REPLICATION_FACTOR', message });
  }
  const withNull = configs.find(({ value }) => value === null);
  if (withNull === undefined) return undefined;
  return outcomeOf({ code: 'INVALID_CONFIG', message: `config ${withNull.name} has no value` });
}

function toCreate({ name, numPartitions, replicationFactor, assignments, configs }: NewTopic) {
  return {
    name,
    partitionCount: numPartitions === DEFAULT ? 0 : numPartitions,
    replicationFactor: replicationFactor === DEFAULT ? 0 : replicationFactor,
    configs: Object.fromEntries(configs.map((config) => [config.name, config.value ?? ''])),
    assignments: assignments.map(({ partitionIndex, brokerIds }) => ({
      partition: partitionIndex,
      brokerIds: [...brokerIds],
    })),
  };
}

function createdTopic(
  result: CreateTopicResult,
  { configs, validateOnly }: { readonly configs: ConfigParts; readonly validateOnly: boolean },
): CreatedTopic {
  const { name, topic, replicationFactor } = result;
  const outcome = outcomeOf(result);
  if (outcome.errorCode !== 0 || topic === undefined) return refusedTopic(name, outcome);
  return {
    ...outcome,
    name,
    topicId: validateOnly ? NO_UUID : topic.id,
    numPartitions: topic.partitionCount,
    replicationFactor,
    configs: topicConfigs(configs, { configs: topic.configs, replicationFactor }).map((config) => ({
      name: config.name,
      value: config.value,
      readOnly: config.readOnly,
      configSource: configSource(config),
      isSensitive: false,
    })),
  };
}

function refusedTopic(name: string, outcome: Outcome): CreatedTopic {
  return { ...outcome, name, numPartitions: -1, replicationFactor: -1, configs: null };
}

/** Adds partitions. */
export async function answerCreatePartitions(admin: Admin, exchange: Exchange<typeof createPartitions>): Promise<void> {
  const { validateOnly } = exchange.request;
  const asked = byName(exchange.request.topics);
  const again = repeated(exchange.request.topics.map(({ name }) => name));
  const sound = asked.filter(({ name }) => !again.has(name));
  const outcomes = new Map<string, Outcome>();
  for (const name of again) outcomes.set(name, REPEATED);
  try {
    const topics = sound.map(({ name, count, assignments }) => ({
      name,
      totalCount: count,
      assignments: (assignments ?? []).map(({ brokerIds }) => ({ brokerIds: [...brokerIds] })),
    }));
    const results = topics.length === 0 ? [] : await admin.createPartitions({ topics, validateOnly });
    for (const result of results) outcomes.set(result.name, outcomeOf(result));
  } catch (error) {
    const outcome = outcomeOfFailure(error);
    for (const { name } of sound) outcomes.set(name, outcome);
  }
  exchange.answer({
    throttleTimeMs: 0,
    results: asked.map(({ name }) => ({
      name,
      ...(outcomes.get(name) ?? NO_RESULT),
    })),
  });
}

/** Each once, for a topic that a request names again is answered once. */
function byName<T extends { readonly name: string }>(topics: readonly T[]): T[] {
  return [...new Map(topics.map((topic) => [topic.name, topic])).values()];
}
