import { present } from '@weir/base/assert.ts';
import { topicDefaults } from '@weir/base/broker-configs.ts';
import { electsUncleanly, minInSyncReplicas } from '@weir/base/topic-configs.ts';
import type { Change, ClusterImage, PartitionRecord } from './image.ts';
import type { PartitionRules } from './partition.ts';

type Configs = Readonly<Record<string, string>>;

/** What the configs say about a partition of a topic. */
export function rulesOf(image: ClusterImage, { topicId, replicas }: PartitionRecord): PartitionRules {
  const { configs } = present(image.topicById(topicId), 'a partition has a topic');
  return rulesUnder(image, configs, replicas.length);
}

/** What the configs say about a partition of so many replicas, of a topic with these. */
export function rulesUnder(image: ClusterImage, configs: Configs, replicationFactor: number): PartitionRules {
  const defaults = topicDefaults(image.configsOf('default'), {});
  return {
    minInSync: minInSyncReplicas(configs, defaults, replicationFactor),
    uncleanElection: electsUncleanly(configs, defaults),
  };
}

/**
 * The ELRs that changed configs leave no place for, to be written before these: those of partitions whose ISR is not below the
 * minimum any more.
 *
 * Under a lower minimum a leader commits what nobody in the ELR holds. Leaders learn the minimum from the metadata, in its
 * order; once one of them may know the lower one, nobody of the old ELR may be elected any more. The other way round is safe
 * at every point: an ELR that is gone is a replica less to elect, and the higher minimum holds until the lower one is written.
 * A higher minimum needs nothing: what was committed is on all of the ISR, whatever is asked of it from then on.
 *
 * @param changes - in the order in which they are written, each of them seen by leaders before the next
 */
export function elrsToClear(image: ClusterImage, changes: readonly Change[]): Change[] {
  const cleared = new Map<string, Change>();
  let clusterWide: Configs = image.configsOf('default');
  const changed = new Map<string, Configs>();
  for (const change of changes) {
    if (change.kind === 'topic') changed.set(change.topic.name, change.topic.configs);
    else if (change.kind === 'brokerConfigs' && change.brokerConfigs.owner === 'default') {
      clusterWide = change.brokerConfigs.configs;
    } else continue;
    const defaults = topicDefaults(clusterWide, {});
    for (const topic of change.kind === 'topic' ? [change.topic] : image.topics.values()) {
      const configs = changed.get(topic.name) ?? topic.configs;
      for (const partition of image.partitionsOf(topic)) {
        const { topicId, index, isr, elr, replicas, partitionEpoch } = partition;
        if (elr.length === 0 || isr.length < minInSyncReplicas(configs, defaults, replicas.length)) continue;
        const next = { ...partition, elr: [], partitionEpoch: partitionEpoch + 1 };
        cleared.set(`${topicId}/${index}`, { kind: 'partition', partition: next });
      }
    }
  }
  return [...cleared.values()];
}
