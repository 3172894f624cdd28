import { REPLICATION_FACTOR_DEFAULT } from '@weir/base/limits.ts';
import type { ClusterImage } from './image.ts';

/** What a cluster allows and assumes. */
export interface Policy {
  /** Whether topics are created because somebody produces to them. */
  readonly autoCreateTopics: boolean;
  readonly defaultPartitions: number;
  /** Undefined: REPLICATION_FACTOR_DEFAULT, or as many as there are brokers when these are fewer. */
  readonly defaultReplicationFactor?: number | undefined;
  /** What `__consumer_offsets` is created with; replicas undefined: as many as other topics have. */
  readonly offsetsTopic?: { readonly partitions: number; readonly replicationFactor?: number | undefined };
}

/** What was set of the cluster by options, under the broker configs' names. */
export function staticConfigsOf(policy: Policy): Record<string, string> {
  const { autoCreateTopics, defaultPartitions, defaultReplicationFactor: factor } = policy;
  return {
    'auto.create.topics.enable': String(autoCreateTopics),
    'num.partitions': String(defaultPartitions),
    ...(factor === undefined ? {} : { 'default.replication.factor': String(factor) }),
  };
}

/** The policy with what was set since the coordinator was started. */
export function policyInEffect(image: ClusterImage, policy: Policy): Policy {
  const configs = image.configsOf('default');
  const { 'auto.create.topics.enable': autoCreate, 'num.partitions': partitions } = configs;
  const factor = configs['default.replication.factor'];
  return {
    ...policy,
    ...(autoCreate === undefined ? {} : { autoCreateTopics: autoCreate === 'true' }),
    ...(partitions === undefined ? {} : { defaultPartitions: Number(partitions) }),
    ...(factor === undefined ? {} : { defaultReplicationFactor: Number(factor) }),
  };
}

/** Of a topic for which nobody says how many replicas it is to have. */
export function defaultReplicationFactor(image: ClusterImage, policy: Policy): number {
  // Also of those that are away: a topic is not to have fewer replicas for ever because it was created in a bad moment.
  const brokers = Math.max(1, image.brokers.size);
  return policy.defaultReplicationFactor ?? Math.min(REPLICATION_FACTOR_DEFAULT, brokers);
}
