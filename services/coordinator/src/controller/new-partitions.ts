import { present } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { brokerId, leaderEpoch } from '@weir/base/ids.ts';
import type { BrokerId, TopicId } from '@weir/base/ids.ts';
import { REPLICATION_FACTOR_MAX } from '@weir/base/limits.ts';
import { MEANINGS } from './broker-life.ts';
import { viewOf } from './brokers.ts';
import type { ClusterImage, PartitionRecord } from './image.ts';
import { rulesUnder } from './partition-rules.ts';
import { firstMembers } from './partition.ts';
import { placeReplicas } from './placement.ts';
import type { Takers } from './placement.ts';

/** Why there can be no partitions with so many replicas, or undefined. Brokers that are away count: they come back. */
export function replicationFactorProblem(image: ClusterImage, factor: number): string | undefined {
  if (factor < 1 || factor > REPLICATION_FACTOR_MAX) {
    return `a replication factor is from 1 to ${REPLICATION_FACTOR_MAX}, not ${factor}`;
  }
  const { size } = image.brokers;
  if (factor > size) return `replication factor ${factor} needs as many brokers, and ${size} are registered`;
  return image.activeBrokers().length === 0 ? `all ${size} brokers are away: nobody could lead` : undefined;
}

/** What is wrong with the places that somebody chose for a topic's new partitions, or undefined. Messages are Kafka's. */
export function replicasProblem(
  image: ClusterImage,
  assignments: readonly (readonly number[])[],
  { first, replicationFactor }: { readonly first: number; readonly replicationFactor: number },
): Refusal | undefined {
  const registered = new Set<number>(image.brokers.keys());
  const active = new Set<number>(image.activeBrokers().map(({ id }) => id));
  for (const [i, replicas] of assignments.entries()) {
    const problem = placeProblem(replicas, { index: first + i, replicationFactor, registered, active });
    if (problem !== undefined) return refusal('INVALID_REPLICA_ASSIGNMENT', problem);
  }
  return undefined;
}

function placeProblem(
  replicas: readonly number[],
  {
    index,
    replicationFactor,
    registered,
    active,
  }: {
    readonly index: number;
    readonly replicationFactor: number;
    readonly registered: ReadonlySet<number>;
    readonly active: ReadonlySet<number>;
  },
): string | undefined {
  if (replicas.length === 0) return `the assignment of partition ${index} has an empty replica list`;
  if (replicas.length !== replicationFactor) {
    return `the assignment of partition ${index} has ${replicas.length} replicas, and other partitions have ${replicationFactor}`;
  }
  for (const [i, id] of replicas.entries()) {
    if (replicas.indexOf(id) !== i) return `the assignment of partition ${index} includes broker ${id} more than once`;
    if (!registered.has(id)) {
      return `the assignment of partition ${index} includes broker ${id}, but no such broker is registered`;
    }
  }
  // Kafka's as well: replicas on brokers that are away are fine, but somebody has to lead.
  return replicas.some((id) => active.has(id))
    ? undefined
    : `all brokers of the assignment of partition ${index} are away`;
}

/**
 * Partitions to be written: empty, and led in epoch 0 by the first of their replicas, of those whose brokers live and, as far as
 * there are any, do not drain.
 */
export interface PartitionsToMake {
  readonly topicId: TopicId;
  /** Index of the first of them. */
  readonly first: number;
  readonly count: number;
  readonly replicationFactor: number;
  /** Of their topic. */
  readonly configs: Readonly<Record<string, string>>;
  /** Where somebody wants them; empty: on the brokers in turn. */
  readonly assignments: readonly (readonly number[])[];
  /** Where in the ring of brokers the first leader is: leaders go on from the cluster's last. */
  readonly start: number;
}

/** Makes partitions, as they are when they are new. */
export function newPartitions(
  image: ClusterImage,
  { topicId, first, count: partitionCount, replicationFactor, configs, assignments, start }: PartitionsToMake,
): PartitionRecord[] {
  const placed =
    assignments.length > 0
      ? assignments.map((replicas) => replicas.map(brokerId))
      : placeReplicas(takers(image, replicationFactor), { partitionCount, replicationFactor, start });
  const how = { brokers: viewOf(image), rules: rulesUnder(image, configs, replicationFactor) };
  return placed.map((replicas, i) => ({
    topicId,
    index: first + i,
    replicas,
    leader: firstLeader(image, replicas),
    leaderEpoch: leaderEpoch(0),
    ...firstMembers(replicas, how),
    lastKnownElr: [],
    partitionEpoch: 0,
    uncleanEpoch: -1,
  }));
}

/** The brokers that new partitions go to: draining ones, and then those that are away, only as far as the others are too few. */
function takers(image: ClusterImage, replicationFactor: number): Takers {
  const all = [...image.brokers.values()];
  const { yes = [], last = [], absent = [] } = Object.groupBy(all, ({ id }) => MEANINGS[image.stateOf(id)].takes);
  return { live: [...yes, ...last.slice(0, Math.max(0, replicationFactor - yes.length))], absent };
}

function firstLeader(image: ClusterImage, replicas: readonly BrokerId[]): BrokerId {
  const leads = (how: 'yes' | 'last') => replicas.find((id) => MEANINGS[image.stateOf(id)].leads === how);
  return present(leads('yes') ?? leads('last'), 'a partition has a replica on a broker that lives');
}
