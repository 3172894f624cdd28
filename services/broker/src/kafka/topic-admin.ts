import { uuidFromBytes } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { createPartitions } from '@weir/kafka/apis/create-partitions.ts';
import type { createTopics } from '@weir/kafka/apis/create-topics.ts';
import type { deleteTopics } from '@weir/kafka/apis/delete-topics.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import { outcomeOf, outcomeOfFailure } from './admin.ts';
import type { Admin, Outcome } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';

/** Stands for the cluster's default, of partitions and of replicas. */
const DEFAULT = -1;
const REASON_FROM = 5;

/** Creates topics. */
export async function answerCreateTopics(admin: Admin, exchange: Exchange<typeof createTopics>): Promise<void> {
  const { request } = exchange;
  const asked = request.topics;
  // What a default is cannot be told from a wrong count by the coordinator, to which 0 is the default.
  const wrong = (topic: (typeof asked)[number]): Outcome | undefined => {
    if (topic.numPartitions < DEFAULT || topic.numPartitions === 0) {
      return outcomeOf({
        code: 'INVALID_PARTITIONS',
        message: `a topic has at least one partition, not ${topic.numPartitions}`,
      });
    }
    if (topic.replicationFactor < DEFAULT || topic.replicationFactor === 0) {
      const message = `a topic has at least one replica, not ${topic.replicationFactor}`;
      return outcomeOf({ code: 'INVALID_REPLICATION_FACTOR', message });
    }
    const withNull = topic.configs.find(({ value }) => value === null);
    if (withNull === undefined) return undefined;
    return outcomeOf({ code: 'INVALID_CONFIG', message: `config ${withNull.name} has no value` });
  };
  const sound = asked.filter((topic) => wrong(topic) === undefined);
  const outcomes = new Map<
    string,
    Outcome & { partitionCount?: number; replicationFactor?: number; id?: Uint8Array }
  >();
  try {
    const topics = sound.map(({ name, numPartitions, replicationFactor, assignments, configs }) => ({
      name,
      partitionCount: numPartitions === DEFAULT ? 0 : numPartitions,
      replicationFactor: replicationFactor === DEFAULT ? 0 : replicationFactor,
      configs: Object.fromEntries(configs.map((config) => [config.name, config.value ?? ''])),
      assignments: assignments.map(({ partitionIndex, brokerIds }) => ({
        partition: partitionIndex,
        brokerIds: [...brokerIds],
      })),
    }));
    const results = sound.length === 0 ? [] : await admin.createTopics({ topics, validateOnly: request.validateOnly });
    for (const result of results) {
      const { topic } = result;
      outcomes.set(result.name, {
        ...outcomeOf(result),
        ...(topic === undefined ? {} : { partitionCount: topic.partitionCount, id: topic.id }),
        replicationFactor: result.replicationFactor,
      });
    }
  } catch (error) {
    for (const { name } of sound) outcomes.set(name, outcomeOfFailure(error));
  }
  exchange.answer({
    throttleTimeMs: 0,
    topics: asked.map((topic) => {
      const { name } = topic;
      const outcome = wrong(topic) ?? outcomes.get(name) ?? outcomeOf({ code: 'UNKNOWN_SERVER_ERROR', message: '' });
      const { errorCode, errorMessage } = outcome;
      if (errorCode !== 0)
        return { name, errorCode, errorMessage, numPartitions: -1, replicationFactor: -1, configs: null };
      const made = outcomes.get(name)!;
      return {
        name,
        topicId: request.validateOnly ? NO_UUID : (made.id ?? NO_UUID),
        errorCode,
        errorMessage,
        numPartitions: made.partitionCount ?? -1,
        replicationFactor: made.replicationFactor ?? -1,
        configs: [],
      };
    }),
  });
}

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
  const known = references.filter(({ name }) => name !== '');
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
      const outcome = name === '' ? unknownId : (outcomes.get(name) ?? unknownId);
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
      ...(outcomes.get(name) ?? outcomeOf({ code: 'UNKNOWN_SERVER_ERROR', message: '' })),
    })),
  });
}
