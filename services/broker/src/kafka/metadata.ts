import type { Clock } from '@weir/base/clock.ts';
import { isInternalTopic, topicNameProblem } from '@weir/base/ids.ts';
import { isErrorCode } from '@weir/base/errors.ts';
import type { PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { metadata, MetadataResponse } from '@weir/kafka/apis/metadata.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import { latin1 } from '../partition/partition-key.ts';
import type { Admin } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { CLUSTER_OPERATIONS, NO_OPERATIONS, TOPIC_OPERATIONS } from './operations.ts';
import { lastOfEach } from './repeated.ts';
import { inSlices } from './slices.ts';
import { findTopic, isById } from './topics.ts';
import type { TopicReference } from './topics.ts';

type TopicAnswer = MetadataResponse['topics'][number];

/** Before it, an empty list of topics meant all of them. */
const NULL_MEANS_ALL_FROM = 1;

/** Answers who there is and who leads what, for the whole cluster; topics that are asked for may be created. */
export async function answerMetadata(
  cluster: ClusterView,
  admin: Admin,
  clock: Clock,
  exchange: Exchange<typeof metadata>,
): Promise<void> {
  const { request, version, caller } = exchange;
  const asked = request.topics;
  const isAll = asked === null || (version < NULL_MEANS_ALL_FROM && asked.length === 0);
  const operations = request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : NO_OPERATIONS;
  let topics: TopicAnswer[];
  if (isAll) {
    const all = [...cluster.image.topics()];
    topics = await inSlices(clock, all, (topic) => answerOf(cluster, topic, operations));
  } else {
    // A topic that is asked for again and again is told once.
    const references = lastOfEach(
      asked.map(({ name, topicId }) => ({ name: name ?? '', id: topicId })),
      keyOf,
    );
    const missing = references.filter((one) => !isById(one) && findTopic(cluster.image, one) === undefined);
    const mayCreate = request.allowAutoTopicCreation || version < 4;
    const errors = await createMissing(admin, mayCreate ? missing : []);
    topics = await inSlices(clock, references, (reference) => {
      const topic = findTopic(cluster.image, reference);
      return topic === undefined ? unknown(reference, errors, operations) : answerOf(cluster, topic, operations);
    });
  }
  const brokers = cluster.endpoints(caller.listener);
  exchange.answer({
    throttleTimeMs: 0,
    brokers,
    clusterId: cluster.clusterId,
    controllerId: cluster.controllerId(caller.listener),
    topics,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NO_OPERATIONS,
  });
}

function keyOf(reference: TopicReference): string {
  return isById(reference) ? `\0${latin1(reference.id)}` : reference.name;
}

/** Creates what may be created; tells the error number of each that was not. */
async function createMissing(admin: Admin, missing: readonly TopicReference[]): Promise<Map<string, number>> {
  const errors = new Map<string, number>();
  const names = new Set<string>();
  for (const { name } of missing) {
    if (topicNameProblem(name) === undefined) names.add(name);
    else errors.set(name, errorNumber('INVALID_TOPIC_EXCEPTION'));
  }
  if (names.size === 0) return errors;
  for (const { name, code } of await admin.autoCreate([...names])) {
    // Created a moment ago, by this or by somebody else: leaders are about to be there.
    if (code === 'NONE' || code === 'TOPIC_ALREADY_EXISTS') errors.set(name, errorNumber('LEADER_NOT_AVAILABLE'));
    else errors.set(name, errorNumber(isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR'));
  }
  return errors;
}

function unknown(reference: TopicReference, errors: ReadonlyMap<string, number>, operations: number): TopicAnswer {
  const byId = isById(reference);
  const invalid = !byId && topicNameProblem(reference.name) !== undefined;
  const code = byId ? 'UNKNOWN_TOPIC_ID' : invalid ? 'INVALID_TOPIC_EXCEPTION' : 'UNKNOWN_TOPIC_OR_PARTITION';
  return {
    errorCode: errors.get(reference.name) ?? errorNumber(code),
    name: byId ? null : reference.name,
    topicId: byId ? reference.id : NO_UUID,
    isInternal: false,
    partitions: [],
    // What an id that is unknown stands for is nobody's to know, as at Kafka.
    topicAuthorizedOperations: byId ? NO_OPERATIONS : operations,
  };
}

function answerOf(cluster: ClusterView, topic: TopicInfo, operations: number): TopicAnswer {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.idBytes,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((info) => partitionAnswer(cluster, info)),
    topicAuthorizedOperations: operations,
  };
}

/** One partition, as all who describe topics tell of it. */
export function partitionAnswer(cluster: ClusterView, info: PartitionInfo) {
  const { index, leader, leaderEpoch, replicas, isr } = info;
  return {
    errorCode: leader === -1 ? errorNumber('LEADER_NOT_AVAILABLE') : 0,
    partitionIndex: index,
    leaderId: leader,
    leaderEpoch,
    replicaNodes: replicas,
    isrNodes: isr,
    offlineReplicas: replicas.filter((replica) => !cluster.isActive(replica)),
  };
}
