import type { BrokerId } from '@weir/base/ids.ts';
import { METRIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { LeadPartition } from './metrics.ts';
import type { Partition } from './partition/partition.ts';

/** Bytes of logs by topic. */
export function topicSizes(partitions: Iterable<Partition>): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { topic, sizeBytes } of partitions) sizes.set(topic.name, (sizes.get(topic.name) ?? 0) + sizeBytes);
  return sizes;
}

/** What is led, up to as many partitions as may be in the metrics. */
export function* leadPartitions(partitions: Iterable<Partition>, leader: BrokerId): Generator<LeadPartition> {
  let count = 0;
  for (const partition of partitions) {
    if (partition.state.kind !== 'leader') continue;
    if (++count > METRIC_PARTITIONS_MAX) return;
    yield {
      topic: partition.topic.name,
      partition: partition.key.index,
      leader,
      startOffset: partition.logStartOffset,
      highWatermark: partition.highWatermark,
    };
  }
}
