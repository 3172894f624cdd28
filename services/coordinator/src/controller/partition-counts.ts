import { topicDefaults } from '@weir/base/broker-configs.ts';
import { minInSyncReplicas } from '@weir/base/topic-configs.ts';
import { NO_LEADER } from './image.ts';
import type { ClusterImage } from './image.ts';

/** How many partitions are short of something. One that nobody leads is short of everything, and counts everywhere. */
export interface PartitionCounts {
  leaderless: number;
  /** A replica is not in sync. */
  underReplicated: number;
  /** Fewer are in sync than `min.insync.replicas`: nothing is committed. */
  underMinIsr: number;
  /** Just as many are. */
  atMinIsr: number;
}

/** Counts all partitions of all topics. */
export function countPartitions(image: ClusterImage): PartitionCounts {
  const counts: PartitionCounts = { leaderless: 0, underReplicated: 0, underMinIsr: 0, atMinIsr: 0 };
  const defaults = topicDefaults(image.configsOf('default'), {});
  for (const topic of image.topics.values()) {
    for (const { leader, isr, replicas } of image.partitionsOf(topic)) {
      const minInSync = minInSyncReplicas(topic.configs, defaults, replicas.length);
      if (leader === NO_LEADER) counts.leaderless++;
      if (isr.length < replicas.length) counts.underReplicated++;
      if (isr.length < minInSync) counts.underMinIsr++;
      if (isr.length === minInSync) counts.atMinIsr++;
    }
  }
  return counts;
}
