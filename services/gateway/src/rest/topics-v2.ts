import type { PartitionInfo } from '@weir/client/metadata/cluster-image.ts';
import { knownPartition, knownTopic } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import { jsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { sortedTopics } from './topics.ts';

/* Topics in the dialect of the Strimzi bridge. */

/** GET /topics */
export function listTopicsV2(context: GatewayContext): GatewayReply {
  return jsonReply(
    200,
    sortedTopics(context).map(({ name }) => name),
  );
}

/** GET /topics/{topic} */
export async function describeTopicV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const topic = await knownTopic(context, request.params);
  return jsonReply(200, { name: topic.name, configs: topic.configs, partitions: topic.partitions.map(partitionV2) });
}

/** GET /topics/{topic}/partitions */
export async function listPartitionsV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  return jsonReply(200, (await knownTopic(context, request.params)).partitions.map(partitionV2));
}

/** GET /topics/{topic}/partitions/{partition} */
export async function describePartitionV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const topic = await knownTopic(context, request.params);
  const index = knownPartition(topic, request.params['partition']!);
  return jsonReply(200, partitionV2(topic.partitions[index]!));
}

/** GET /topics/{topic}/partitions/{partition}/offsets */
export async function partitionOffsetsV2(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const topic = await knownTopic(context, request.params);
  const partition = knownPartition(topic, request.params['partition']!);
  const [beginning, end] = await context.client.listOffsets(topic.name, [
    { partition, timestamp: 'earliest' },
    { partition, timestamp: 'latest' },
  ]);
  return jsonReply(200, { beginning_offset: beginning!.offset, end_offset: end!.offset });
}

function partitionV2({ index, leader, replicas, isr }: PartitionInfo): unknown {
  return {
    partition: index,
    leader,
    replicas: replicas.map((broker) => ({ broker, leader: broker === leader, in_sync: isr.includes(broker) })),
  };
}
