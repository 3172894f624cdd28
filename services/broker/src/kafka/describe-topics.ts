import { isInternalTopic, topicNameProblem } from '@weir/base/ids.ts';
import type { PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { describeCluster } from '@weir/kafka/apis/describe-cluster.ts';
import type {
  describeTopicPartitions,
  DescribeTopicPartitionsResponse,
} from '@weir/kafka/apis/describe-topic-partitions.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber, MISMATCHED_ENDPOINT_TYPE } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { partitionAnswer } from './metadata.ts';
import { CLUSTER_OPERATIONS, NO_OPERATIONS, TOPIC_OPERATIONS } from './operations.ts';

type TopicAnswer = DescribeTopicPartitionsResponse['topics'][number];

/** Kafka's `max.request.partition.size.limit`. */
const PARTITIONS_PER_ANSWER_MAX = 2_000;
const BROKERS_ENDPOINT = 1;

/** Answers with the cluster's brokers. */
export function answerDescribeCluster(cluster: ClusterView, exchange: Exchange<typeof describeCluster>): void {
  const { caller, request, version } = exchange;
  const brokers = cluster.endpoints(caller.listener);
  if (version >= 1 && request.endpointType !== BROKERS_ENDPOINT) {
    const errorMessage = 'brokers answer for brokers (endpoint type 1) only; the controller has no listener of its own';
    exchange.answer({
      throttleTimeMs: 0,
      errorCode: MISMATCHED_ENDPOINT_TYPE,
      errorMessage,
      clusterId: '',
      controllerId: -1,
      brokers: [],
      clusterAuthorizedOperations: NO_OPERATIONS,
    });
    return;
  }
  exchange.answer({
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    endpointType: BROKERS_ENDPOINT,
    clusterId: cluster.clusterId,
    controllerId: cluster.controllerId(caller.listener),
    brokers: brokers.map(({ nodeId, ...rest }) => ({ brokerId: nodeId, ...rest })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NO_OPERATIONS,
  });
}

/** Answers with topics by pages of partitions (KIP-966). */
export function answerDescribeTopicPartitions(
  cluster: ClusterView,
  exchange: Exchange<typeof describeTopicPartitions>,
): void {
  const { request } = exchange;
  const { cursor } = request;
  if (cursor !== null && cursor.partitionIndex < 0) {
    exchange.answer({ throttleTimeMs: 0, topics: [invalidCursor(cursor.topicName)], nextCursor: null });
    return;
  }
  const asked = request.topics.map(({ name }) => name);
  const all = asked.length > 0 ? asked : [...cluster.image.topics()].map(({ name }) => name);
  // In the order of their names, as a cursor is a place in that order.
  const names = [...new Set(all)].filter((name) => cursor === null || name >= cursor.topicName).toSorted();
  let left = Math.min(Math.max(1, request.responsePartitionLimit), PARTITIONS_PER_ANSWER_MAX);
  const topics: TopicAnswer[] = [];
  for (const name of names) {
    const topic = cluster.image.topic(name);
    if (topic === undefined) {
      topics.push(unknown(name));
      continue;
    }
    const first = cursor?.topicName === name ? cursor.partitionIndex : 0;
    if (left === 0) {
      exchange.answer({ throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: first } });
      return;
    }
    const some = topic.partitions.slice(first, first + left);
    left -= some.length;
    topics.push(answerOf(cluster, topic, some));
    if (first + some.length < topic.partitions.length) {
      const nextCursor = { topicName: name, partitionIndex: first + some.length };
      exchange.answer({ throttleTimeMs: 0, topics, nextCursor });
      return;
    }
  }
  exchange.answer({ throttleTimeMs: 0, topics, nextCursor: null });
}

function answerOf(cluster: ClusterView, topic: TopicInfo, partitions: readonly PartitionInfo[]): TopicAnswer {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.idBytes,
    isInternal: isInternalTopic(topic.name),
    topicAuthorizedOperations: TOPIC_OPERATIONS,
    partitions: partitions.map((info) => ({
      ...partitionAnswer(cluster, info),
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
    })),
  };
}

function unknown(name: string): TopicAnswer {
  return {
    errorCode: errorNumber(
      topicNameProblem(name) === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_TOPIC_EXCEPTION',
    ),
    name,
    topicId: NO_UUID,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

function invalidCursor(name: string): TopicAnswer {
  return { ...unknown(name), errorCode: errorNumber('INVALID_REQUEST') };
}
