import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { OFFSETS_TOPIC_PARTITIONS, OFFSETS_TOPIC_SEGMENT_BYTES } from '@weir/base/group-limits.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { ClusterImage } from './image.ts';
import { defaultReplicationFactor } from './policy.ts';
import type { Policy } from './policy.ts';

interface InternalTopic {
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly assignments: readonly [];
}

/** What one of Weir's own topics is to be: whoever needs it names it, and the cluster says the rest. */
export function internalTopic(image: ClusterImage, policy: Policy): InternalTopic {
  const { partitions = OFFSETS_TOPIC_PARTITIONS, replicationFactor } = policy.offsetsTopic ?? {};
  return {
    partitionCount: partitions,
    replicationFactor: replicationFactor ?? defaultReplicationFactor(image, policy),
    configs: { 'cleanup.policy': 'compact', 'segment.bytes': String(OFFSETS_TOPIC_SEGMENT_BYTES) },
    assignments: [],
  };
}

/**
 * Why it is not created, or not yet. It has as many replicas for ever as it gets now, so all the brokers that are to have one have to
 * be there: one broker that comes up first would else have all groups to itself.
 */
export function internalTopicProblem(
  image: ClusterImage,
  { name, replicationFactor }: { readonly name: string; readonly replicationFactor: number },
): Refusal | undefined {
  if (name !== OFFSETS_TOPIC) return refusal('INVALID_TOPIC_EXCEPTION', `Weir has no topic of its own called ${name}`);
  const { length: active } = image.activeBrokers();
  if (active >= replicationFactor) return undefined;
  const message = `${name} is to have ${replicationFactor} replicas, and ${active} brokers are there: it is created once there are as many`;
  return refusal('COORDINATOR_NOT_AVAILABLE', message);
}
