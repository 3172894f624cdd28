import { uuidFromBytes } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { createPartitions } from '@weir/kafka/apis/create-partitions.ts';
import type { createTopics, CreateTopicsResponse } from '@weir/kafka/apis/create-topics.ts';
import type { deleteTopics } from '@weir/kafka/apis/delete-topics.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import type { CreateTopicResult } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { outcomeOf, outcomeOfFailure } from './admin.ts';
import type { Admin, Outcome } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import { configSource, topicConfigs } from './configs.ts';
import type { ConfigParts } from './configs.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';

/** Stands for the cluster's default, of partitions and of replicas. */
const DEFAULT = -1;
const REASON_FROM = 5;

type NewTopic = Exchange<typeof createTopics>['request']['topics'][number];
type CreatedTopic = CreateTopicsResponse['topics'][number];

/** Creates topics, each on its own. */
export async function answerCreateTopics(
  configs: ConfigParts,
  admin: Admin,
  exchange: Exchange<typeof createTopics>,
): Promise<void> {
  const { topics: asked, validateOnly } = exchange.request;
  const problems = asked.map((topic) => problemOf(topic));
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
    configs: topicConfigs(configs, topic.configs).map((config) => ({
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

const NO_RESULT = outcomeOf({ code: 'UNKNOWN_SERVER_ERROR', message: 'the coordinator did not say' });

/** Deletes topics, by name or by id. */
export async function answerDeleteTopics(
  cluster: ClusterView,
  admin: Admin,
  exchange: Exchange<typeof deleteTopics>,
): Promise<void> {
  const { request, version } = exchange;
  const asked = version < 6 ? request.topicNames.map((name) => ({ name, topicId: NO_UUID })) : request.topics;
  const references = asked.map(({ name, topicId }) => {
    const id = uuidFromBytes(topicId);
    const known = name === null ? cluster.image.topicById(id as TopicId) : undefined;
    return { name: name ?? known?.name ?? '', topicId, byId: name === null };
  });
  const times = new Map<string, number>();
  for (const { name } of references) times.set(name, (times.get(name) ?? 0) + 1);
  const isAmbiguous = (name: string, topicId: Uint8Array, byId: boolean): boolean =>
    (name !== '' && times.get(name)! > 1) || (!byId && isUuid(topicId)) || (byId && !isUuid(topicId));
  const known = references.filter(({ name, topicId, byId }) => name !== '' && !isAmbiguous(name, topicId, byId));
  const outcomes = new Map<string, Outcome & { id?: Uint8Array }>();
  try {
    const topics = known.map(({ name, topicId, byId }) => (byId ? { name, id: topicId } : { name }));
    const results = known.length === 0 ? [] : await admin.deleteTopics({ topics });
    for (const result of results) outcomes.set(result.name, { ...outcomeOf(result), id: result.topicId });
  } catch (error) {
    for (const { name } of known) outcomes.set(name, outcomeOfFailure(error));
  }
  const unknownId: Outcome = {
    errorCode: errorNumber('UNKNOWN_TOPIC_ID'),
    errorMessage: 'there is no topic with this id',
  };
  exchange.answer({
    throttleTimeMs: 0,
    responses: references.map(({ name, topicId, byId }) => {
      const found = name === '' ? unknownId : (outcomes.get(name) ?? unknownId);
      const outcome = isAmbiguous(name, topicId, byId) ? AMBIGUOUS : found;
      const { errorCode, errorMessage } = outcome;
      const deleted = outcomes.get(name)?.id;
      const id = deleted?.length === 16 ? deleted : topicId;
      return {
        name: byId && errorCode !== 0 ? null : name,
        topicId: id,
        errorCode,
        errorMessage: version < REASON_FROM ? null : errorMessage,
      };
    }),
  });
}

function isUuid(id: Uint8Array): boolean {
  return id.some((byte) => byte !== 0);
}

const AMBIGUOUS = outcomeOf({
  code: 'INVALID_REQUEST',
  message: 'a topic to delete is named once, by its name or by its id',
});

/** Adds partitions. */
export async function answerCreatePartitions(admin: Admin, exchange: Exchange<typeof createPartitions>): Promise<void> {
  const { topics, validateOnly } = exchange.request;
  const outcomes = new Map<string, Outcome>();
  try {
    const results = await admin.createPartitions({
      topics: topics.map(({ name, count, assignments }) => ({
        name,
        totalCount: count,
        assignments: (assignments ?? []).map(({ brokerIds }) => ({ brokerIds: [...brokerIds] })),
      })),
      validateOnly,
    });
    for (const result of results) outcomes.set(result.name, outcomeOf(result));
  } catch (error) {
    for (const { name } of topics) outcomes.set(name, outcomeOfFailure(error));
  }
  exchange.answer({
    throttleTimeMs: 0,
    results: topics.map(({ name }) => ({
      name,
      ...(outcomes.get(name) ?? NO_RESULT),
    })),
  });
}
