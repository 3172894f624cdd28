import { topicDefaults } from '@weir/base/broker-configs.ts';
import { minInSyncReplicas } from '@weir/base/topic-configs.ts';
import type { PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';

/**
 * How a partition is. Each is worse than the one before, and true of those behind it as well:
 * `under_replicated`: a replica is not in sync; `under_min_isr`: too few are, writes with acks=all are refused; `offline`:
 * nobody leads.
 */
export type PartitionState = (typeof STATES)[number];

const STATES = ['in_sync', 'under_replicated', 'under_min_isr', 'offline'] as const;

/** How many of a partition's replicas have to be in sync. `clusterWide`: configs of all brokers. */
export function minInSyncOf(
  { configs }: Pick<TopicInfo, 'configs'>,
  { replicas }: PartitionInfo,
  clusterWide: Readonly<Record<string, string>>,
): number {
  return minInSyncReplicas(configs, topicDefaults(clusterWide, {}), replicas.length);
}

/** How a partition is by the metadata. */
export function stateOf({ leader, isr, replicas }: PartitionInfo, minInSync: number): PartitionState {
  if (leader === -1) return 'offline';
  if (isr.length < minInSync) return 'under_min_isr';
  return isr.length < replicas.length ? 'under_replicated' : 'in_sync';
}

/** Whether a state is another one, or worse. */
export function isAtLeast(state: PartitionState, other: PartitionState): boolean {
  return STATES.indexOf(state) >= STATES.indexOf(other);
}

/** For people. */
export const STATE_IN_WORDS: Readonly<Record<PartitionState, string>> = {
  in_sync: 'in sync',
  under_replicated: 'under-replicated',
  under_min_isr: 'under min ISR',
  offline: 'offline',
};
