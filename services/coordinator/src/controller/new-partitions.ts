import { present } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { brokerId, leaderEpoch } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { REPLICATION_FACTOR_MAX } from '@weir/base/limits.ts';
import { viewOf } from './brokers.ts';
import type { ClusterImage, PartitionRecord } from './image.ts';
import { firstIsr } from './partition.ts';
import { placeReplicas } from './placement.ts';

/** Why there can be no partitions with so many replicas, or undefined. */
export function replicationFactorProblem(
  factor: number,
  { brokers, built }: { readonly brokers: number; readonly built: number },
): string | undefined {
  if (factor < 1 || factor > REPLICATION_FACTOR_MAX) {
    return `a replication factor is from 1 to ${REPLICATION_FACTOR_MAX}, not ${factor}`;
  }
  if (factor > built) return `replication is not built yet: the replication factor is ${built}, not ${factor}`;
  if (factor > brokers) return `replication factor ${factor} needs as many brokers, and ${brokers} are active`;
  return undefined;
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
    if (!active.has(id)) {
      return `the assignment of partition ${index} includes broker ${id}, which is away`;
    }
  }
  return undefined;
}

/** Partitions to be written: empty, and led by the first of their replicas in epoch 0. */
export interface PartitionsToMake {
  readonly topicId: TopicId;
  /** Index of the first of them. */
  readonly first: number;
  readonly count: number;
  readonly replicationFactor: number;
  /** Where somebody wants them; empty: on the brokers in turn. */
  readonly assignments: readonly (readonly number[])[];
  /** Where in the ring of brokers the first leader is: leaders go on from the cluster's last. */
  readonly start: number;
}

/** Makes partitions, as they are when they are new. */
export function newPartitions(
  image: ClusterImage,
  { topicId, first, count: partitionCount, replicationFactor, assignments, start }: PartitionsToMake,
): PartitionRecord[] {
  const placed =
    assignments.length > 0
      ? assignments.map((replicas) => replicas.map(brokerId))
      : placeReplicas(image.activeBrokers(), { partitionCount, replicationFactor, start });
  const brokers = viewOf(image);
  return placed.map((replicas, i) => ({
    topicId,
    index: first + i,
    replicas,
    leader: present(replicas[0], 'a partition has a replica'),
    leaderEpoch: leaderEpoch(0),
    isr: firstIsr(replicas, brokers),
    elr: [],
    lastKnownElr: [],
    partitionEpoch: 0,
    uncleanEpoch: -1,
  }));
}
