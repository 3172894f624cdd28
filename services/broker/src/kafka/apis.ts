import type { Clock } from '@weir/base/clock.ts';
import { alterConfigs } from '@weir/kafka/apis/alter-configs.ts';
import { apiVersions } from '@weir/kafka/apis/api-versions.ts';
import { createPartitions } from '@weir/kafka/apis/create-partitions.ts';
import { createTopics } from '@weir/kafka/apis/create-topics.ts';
import { deleteRecords } from '@weir/kafka/apis/delete-records.ts';
import { deleteTopics } from '@weir/kafka/apis/delete-topics.ts';
import { describeCluster } from '@weir/kafka/apis/describe-cluster.ts';
import { describeConfigs } from '@weir/kafka/apis/describe-configs.ts';
import { describeLogDirs } from '@weir/kafka/apis/describe-log-dirs.ts';
import { describeTopicPartitions } from '@weir/kafka/apis/describe-topic-partitions.ts';
import { electLeaders } from '@weir/kafka/apis/elect-leaders.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { incrementalAlterConfigs } from '@weir/kafka/apis/incremental-alter-configs.ts';
import { initProducerId } from '@weir/kafka/apis/init-producer-id.ts';
import { listConfigResources } from '@weir/kafka/apis/list-config-resources.ts';
import { listOffsets } from '@weir/kafka/apis/list-offsets.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { offsetForLeaderEpoch } from '@weir/kafka/apis/offset-for-leader-epoch.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import type { Random } from '@weir/base/random.ts';
import type { DiskRoom } from '../disk-room.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { Admin } from './admin.ts';
import { answerAlterConfigs, answerIncrementalAlterConfigs } from './alter-configs.ts';
import { answerApiVersions } from './api-versions.ts';
import type { ClusterView } from './cluster-view.ts';
import { answerDescribeConfigs, answerListConfigResources } from './configs.ts';
import type { ConfigParts } from './configs.ts';
import { answerDescribeCluster, answerDescribeTopicPartitions } from './describe-topics.ts';
import { answerElectLeaders } from './elect-leaders.ts';
import { on, onPipelined } from './exchange.ts';
import type { Handler } from './exchange.ts';
import type { KafkaFetch } from './fetch.ts';
import { answerFindCoordinator } from './find-coordinator.ts';
import { groupApis } from './group-apis.ts';
import { answerListOffsets } from './list-offsets.ts';
import { answerMetadata } from './metadata.ts';
import { answerOffsetForLeaderEpoch } from './offset-for-leader-epoch.ts';
import type { ProducerIds } from './producer-ids.ts';
import type { KafkaProduce } from './produce.ts';
import { answerDeleteRecords, answerDescribeLogDirs } from './record-admin.ts';
import { answerCreatePartitions, answerCreateTopics } from './topic-admin.ts';
import { answerDeleteTopics } from './topic-deletion.ts';

/** What answers need. */
export interface ApiParts {
  readonly cluster: ClusterView;
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly admin: Admin;
  readonly produce: KafkaProduce;
  readonly fetch: KafkaFetch;
  readonly producerIds: ProducerIds;
  readonly groups: GroupCoordinator;
  readonly random: Random;
  readonly room: DiskRoom;
  readonly configs: ConfigParts;
  /** The data directory. */
  readonly path: string;
}

/** Every API that is served, by key: what is not here is not listed, and refused. */
export function kafkaApis(parts: ApiParts): ReadonlyMap<number, Handler> {
  const { cluster, partitions, clock, admin, room, path, configs } = parts;
  const handlers = new Map<number, Handler>();
  const all: Handler[] = [
    onPipelined(
      produce,
      (exchange) => parts.produce.handle(exchange),
      () => parts.produce.admits(),
    ),
    on(fetch, (exchange) => parts.fetch.handle(exchange)),
    on(listOffsets, (exchange) => answerListOffsets(cluster, partitions, exchange)),
    on(metadata, (exchange) => answerMetadata(cluster, admin, clock, exchange)),
    on(apiVersions, (exchange) => answerApiVersions(handlers, exchange)),
    on(findCoordinator, (exchange) => answerFindCoordinator(parts, exchange)),
    ...groupApis(parts),
    on(initProducerId, (exchange) => parts.producerIds.answer(exchange)),
    on(offsetForLeaderEpoch, (exchange) => answerOffsetForLeaderEpoch(cluster, partitions, exchange)),
    on(createTopics, (exchange) => answerCreateTopics(configs, admin, exchange)),
    on(deleteTopics, (exchange) => answerDeleteTopics(cluster, admin, exchange)),
    on(createPartitions, (exchange) => answerCreatePartitions(admin, exchange)),
    on(deleteRecords, (exchange) => answerDeleteRecords(cluster, partitions, clock, exchange)),
    on(describeConfigs, (exchange) => answerDescribeConfigs(configs, clock, exchange)),
    on(alterConfigs, (exchange) => answerAlterConfigs(admin, exchange)),
    on(electLeaders, (exchange) => answerElectLeaders(cluster, admin, exchange)),
    on(incrementalAlterConfigs, (exchange) => answerIncrementalAlterConfigs(admin, exchange)),
    on(listConfigResources, (exchange) => answerListConfigResources(cluster, exchange)),
    on(describeLogDirs, (exchange) => answerDescribeLogDirs({ cluster, partitions, room, path }, exchange)),
    on(describeCluster, (exchange) => answerDescribeCluster(cluster, exchange)),
    on(describeTopicPartitions, (exchange) => answerDescribeTopicPartitions(cluster, exchange)),
  ];
  for (const handler of all) handlers.set(handler.api.key, handler);
  return handlers;
}
