import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { TopicId } from '@weir/base/ids.ts';
import type { ClusterImage, PartitionRecord } from './image.ts';

/** How a broker names a partition. */
export interface PartitionPlace {
  readonly topicId: TopicId;
  readonly partition: number;
}

/** A partition that a broker asked about, and what messages call it. */
export interface AskedPartition {
  readonly name: string;
  readonly partition: PartitionRecord;
}

/** The partition that a broker asks about, or why there is none. */
export function askedPartition(
  image: ClusterImage,
  { topicId, partition: index }: PartitionPlace,
): AskedPartition | Refusal {
  const topic = image.topicById(topicId);
  if (topic === undefined) return refusal('UNKNOWN_TOPIC_ID', `there is no topic with the id ${topicId}`);
  const partition = image.partitionsOf(topic)[index];
  const name = `${topic.name}-${index}`;
  if (partition === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no partition ${name}`);
  return { name, partition };
}

/** Why a compare-and-set on the partition epoch is not done, or undefined when it is. */
export function partitionEpochProblem({ name, partition }: AskedPartition, expected: number): Refusal | undefined {
  const { partitionEpoch } = partition;
  if (expected === partitionEpoch) return undefined;
  return refusal('INVALID_UPDATE_VERSION', `${name} is in partition epoch ${partitionEpoch}, not ${expected}`);
}
