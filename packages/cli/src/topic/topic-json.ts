import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';

/** First and next offset of a partition; null where its leader did not say. */
export interface OffsetRange {
  readonly earliest: number | null;
  readonly latest: number | null;
}

/** A topic as `-o json` shows it. */
export function topicJson(topic: TopicInfo, offsets?: readonly OffsetRange[]): Record<string, unknown> {
  return {
    name: topic.name,
    id: topic.id,
    partitions: topic.partitions.map((partition, i) => ({
      partition: partition.index,
      leader: partition.leader,
      leader_epoch: partition.leaderEpoch,
      replicas: partition.replicas,
      isr: partition.isr,
      ...(offsets === undefined ? {} : offsets[i]),
    })),
    configs: topic.configs,
  };
}
