import { isInternalTopic } from '@weir/base/ids.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { Partition } from './partition/partition.ts';
import type { Partitions } from './partition/partitions.ts';
import { internalTopic } from './partition/refusals.ts';

/** Where somebody wants to append. */
export interface ProducedTo {
  /** 16 bytes. */
  readonly topicId: Uint8Array;
  readonly partition: number;
  /** -1: the client knows none. */
  readonly leaderEpoch: number;
}

/** The partition that a client may append to, or why there is none: those of Weir's own topics are written by brokers alone. */
export function servingProducers(
  partitions: Partitions,
  { topicId, partition, leaderEpoch }: ProducedTo,
): Partition | Refusal {
  const found = partitions.serving(topicId, partition, leaderEpoch);
  return found instanceof Partition && isInternalTopic(found.topic.name) ? internalTopic(found.topic.name) : found;
}
