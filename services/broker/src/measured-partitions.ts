import type { BrokerId } from '@weir/base/ids.ts';
import { METRIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { LeadPartition } from './metrics.ts';
import type { Partition } from './partition/partition.ts';

/** Of all logs. */
export function sizeOf(partitions: Iterable<Partition>): number {
  let bytes = 0;
  for (const { sizeBytes } of partitions) bytes += sizeBytes;
  return bytes;
}

/** Whether one is led that others have replicas of. */
export function leadsFollowed(partitions: Iterable<Partition>): boolean {
  for (const { leadership } of partitions) if (leadership?.replicas.hasFollowers === true) return true;
  return false;
}

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
    const { leadership } = partition;
    if (leadership === undefined) continue;
    if (++count > METRIC_PARTITIONS_MAX) return;
    const { replicas, isr } = leadership.replicas;
    yield {
      topic: partition.topic.name,
      partition: partition.key.index,
      leader,
      startOffset: partition.logStartOffset,
      highWatermark: partition.highWatermark,
      replicas: replicas.length,
      inSync: isr.length,
      isPreferred: replicas[0] === leader,
    };
  }
}
