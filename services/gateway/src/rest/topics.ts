import { REPLICATION_FACTOR_MAX, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { knownTopic, requireMetadata, topicName, unknownTopic } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import type { NewTopicSpec } from '@weir/client/client.ts';
import { jsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';
import { parseBody } from '../json/body-shape.ts';

const PARTITIONS = { type: 'integer', min: 1, max: TOPIC_PARTITIONS_MAX } as const;
const REPLICATION_FACTOR = { type: 'integer', min: 1, max: REPLICATION_FACTOR_MAX } as const;

/** GET /v1/topics */
export function listTopics(context: GatewayContext, request: GatewayRequest): GatewayReply {
  request.query.allow([]);
  const topics = sortedTopics(context).map((topic) => ({
    name: topic.name,
    id: topic.id,
    partitions: topic.partitions.length,
    configs: topic.configs,
  }));
  return jsonReply(200, { topics });
}

/** GET /v1/topics/{topic} */
export async function describeTopic(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  return jsonReply(200, topicDetails(await knownTopic(context, request.params)));
}

/** POST /v1/topics */
export async function createTopic(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  expectJson(request);
  const { name, partitions, replication_factor, configs } = parseBody(request.body, {
    name: { type: 'string', required: true },
    partitions: PARTITIONS,
    replication_factor: REPLICATION_FACTOR,
    configs: { type: 'texts' },
  });
  const topic = await create(context, newTopic(name, partitions, replication_factor, configs));
  const headers = { location: `/v1/topics/${encodeURIComponent(name)}` };
  return jsonReply(201, topic === undefined ? { name } : topicDetails(topic), headers);
}

/** DELETE /v1/topics/{topic} */
export async function deleteTopic(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  const name = topicName(request.params);
  const [result] = await context.client.deleteTopics([name]);
  const refusal = result?.refusal;
  if (refusal?.code === 'UNKNOWN_TOPIC_OR_PARTITION') throw unknownTopic(name);
  if (refusal !== undefined) throw new HttpFailure(refusal.code, refusal.message);
  return { kind: 'empty', status: 204, headers: {} };
}

/** POST /admin/topics, as v2 has it. */
export async function createTopicV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  expectJson(request);
  const values = parseBody(request.body, {
    topic_name: { type: 'string', required: true },
    partitions_count: PARTITIONS,
    replication_factor: REPLICATION_FACTOR,
    configs: { type: 'texts' },
  });
  const { topic_name, partitions_count, replication_factor, configs } = values;
  await create(context, newTopic(topic_name, partitions_count, replication_factor, configs));
  return { kind: 'empty', status: 201, headers: {} };
}

function newTopic(
  name: string,
  partitions: number | undefined,
  replicationFactor: number | undefined,
  configs: Readonly<Record<string, string>> | undefined,
): NewTopicSpec {
  return {
    name,
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    ...(configs === undefined ? {} : { configs }),
  };
}

async function create(context: GatewayContext, topic: NewTopicSpec): Promise<TopicInfo | undefined> {
  const [result] = await context.client.createTopics([topic]);
  if (result?.refusal !== undefined) throw new HttpFailure(result.refusal.code, result.refusal.message);
  return context.client.topic(topic.name);
}

/** GET /v1/cluster */
export function describeCluster(context: GatewayContext, request: GatewayRequest): GatewayReply {
  request.query.allow([]);
  requireMetadata(context);
  const brokers = context.client.brokers().map(({ id, grpcAddress, rack, active }) => ({
    id,
    address: grpcAddress,
    rack: rack === '' ? null : rack,
    state: active ? 'active' : 'fenced',
  }));
  return jsonReply(200, { cluster_id: context.client.clusterId, revision: context.client.revision, brokers });
}

/** Topics by name. */
export function sortedTopics(context: GatewayContext): TopicInfo[] {
  requireMetadata(context);
  return context.client.topics().toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function topicDetails(topic: TopicInfo): unknown {
  return {
    name: topic.name,
    id: topic.id,
    configs: topic.configs,
    partitions: topic.partitions.map(({ index, leader, leaderEpoch, replicas, isr }) => ({
      partition: index,
      leader: leader === -1 ? null : leader,
      leader_epoch: leaderEpoch,
      replicas,
      in_sync: isr,
    })),
  };
}

function expectJson(request: GatewayRequest): void {
  const { mediaType } = request;
  if (mediaType === undefined || mediaType === 'application/json' || mediaType === 'application/vnd.kafka.v2+json')
    return;
  throw new HttpFailure('UNSUPPORTED_MEDIA_TYPE', `content-type ${mediaType} is not taken here: send application/json`);
}
