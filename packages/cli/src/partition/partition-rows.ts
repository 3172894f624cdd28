import type { Client } from '@weir/client/client.ts';
import type { PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { minInSyncOf, stateOf } from './partition-state.ts';
import type { PartitionState } from './partition-state.ts';

/** A partition as `-o json` shows it. */
export interface PartitionRow {
  readonly topic: string;
  readonly partition: number;
  /** -1: nobody leads. */
  readonly leader: number;
  readonly leader_epoch: number;
  /** In order of preference. */
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** Not in sync, and known to hold all that is committed: they may lead. */
  readonly elr: readonly number[];
  readonly min_insync_replicas: number;
  readonly state: PartitionState;
}

/** A partition with how it is. */
export function partitionRow(client: Client, topic: TopicInfo, partition: PartitionInfo): PartitionRow {
  const { index, leader, leaderEpoch, replicas, isr, elr } = partition;
  const minInSync = minInSyncOf(topic, partition, client.brokerConfigs('default'));
  return {
    topic: topic.name,
    partition: index,
    leader,
    leader_epoch: leaderEpoch,
    replicas,
    isr,
    elr,
    min_insync_replicas: minInSync,
    state: stateOf(partition, minInSync),
  };
}

/** The partitions of topics, by name and index. */
export function partitionRows(client: Client, topics: readonly TopicInfo[]): PartitionRow[] {
  return topics
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((topic) => topic.partitions.map((partition) => partitionRow(client, topic, partition)));
}

/** Brokers as a cell: "1,2,3", or "-" for none. */
export function brokersCell(ids: readonly number[]): string {
  return ids.length === 0 ? '-' : ids.join(',');
}

/** A leader as a cell. */
export function leaderCell(leader: number): string {
  return leader === -1 ? 'none' : String(leader);
}
