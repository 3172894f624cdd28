import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';

/** A topic as `-o json` shows it. `more`: what else there is to say of each partition. */
export function topicJson(topic: TopicInfo, more?: readonly object[]): Record<string, unknown> {
  return {
    name: topic.name,
    id: topic.id,
    partitions: topic.partitions.map((partition, i) => ({
      partition: partition.index,
      leader: partition.leader,
      leader_epoch: partition.leaderEpoch,
      replicas: partition.replicas,
      isr: partition.isr,
      ...more?.[i],
    })),
    configs: topic.configs,
  };
}
