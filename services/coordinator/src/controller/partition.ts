import { assert } from '@weir/base/assert.ts';
import { leaderEpoch } from '@weir/base/ids.ts';
import type { BrokerId, Revision } from '@weir/base/ids.ts';
import { NO_LEADER } from './image.ts';
import type { DirectoryReplica, IsrMember, PartitionRecord } from './image.ts';

/** Why a replica is not to be trusted (R9 in docs/ARCHITECTURE.md). */
export type Doubt = 'missing' | 'damaged' | 'unsynced';

/** What a partition has to know of the brokers. */
export interface BrokersView {
  /** The registration of a broker whose session lives. */
  active(id: BrokerId): { readonly epoch: Revision; readonly directoryId: string } | undefined;
  /** The registered directory of a broker, active or not. */
  directoryOf(id: BrokerId): string | undefined;
}

/** What has to be decided about a partition. */
export interface Reassessment {
  readonly brokers: BrokersView;
  /** Replicas that leave the ISR and the ELR, whatever else is true. */
  readonly doubtful?: ReadonlyMap<BrokerId, Doubt>;
}

/**
 * The partition as it has to be, given which brokers live; undefined when it is so already. This one function is
 * behind every election, so that running it again, as a coordinator does that starts, changes nothing.
 *
 * Who leaves the ISR while it is below its minimum goes to the ELR: such a replica still holds all that is committed
 * and may lead once it is back. The next leader is the first in replica order of the live ISR, else of the live ELR.
 * With both empty only a last leader that merely lost its unsynced tail comes back by itself, which is recorded as an
 * unclean election; a lost or damaged one waits for an operator.
 */
export function reassess(partition: PartitionRecord, { brokers, doubtful }: Reassessment): PartitionRecord | undefined {
  const trusted = (broker: BrokerId): boolean => doubtful?.has(broker) !== true;
  const returned = ({ broker, directory }: DirectoryReplica): boolean =>
    brokers.active(broker)?.directoryId === directory;
  let isr = partition.isr.filter(({ broker, epoch }) => trusted(broker) && brokers.active(broker)?.epoch === epoch);
  const kept = new Set(isr.map(({ broker }) => broker));
  let elr = eligible(partition, brokers).filter(({ broker }) => trusted(broker) && !kept.has(broker));
  let lastKnownElr = lastLeaders(partition, brokers).filter(({ broker }) => {
    const doubt = doubtful?.get(broker);
    return doubt === undefined || doubt === 'unsynced';
  });
  const minIsr = minInSyncReplicas(partition.replicas.length);
  if (isr.length >= minIsr) elr = [];

  let leader: PartitionRecord['leader'] = isr.some(({ broker }) => broker === partition.leader)
    ? partition.leader
    : NO_LEADER;
  let elected = false;
  let unclean = false;
  if (leader === NO_LEADER) {
    const next =
      firstInOrder(partition.replicas, isr) ??
      (isr.length === 0 ? firstInOrder(partition.replicas, elr.filter(returned)) : undefined);
    const last = isr.length === 0 && elr.length === 0 ? lastKnownElr.find(returned)?.broker : undefined;
    const found = next ?? last;
    if (found !== undefined) {
      leader = found;
      elected = true;
      unclean = next === undefined;
      if (isr.length === 0) isr = [{ broker: found, epoch: epochOf(brokers, found) }];
      elr = isr.length >= minIsr ? [] : elr.filter(({ broker }) => broker !== found);
    }
  }
  if (leader !== NO_LEADER) lastKnownElr = [];

  const leaderChanged = elected || leader !== partition.leader;
  const next: PartitionRecord = {
    ...partition,
    leader,
    isr,
    elr,
    lastKnownElr,
    leaderEpoch: leaderEpoch(partition.leaderEpoch + (leaderChanged ? 1 : 0)),
    partitionEpoch: partition.partitionEpoch + 1,
    uncleanEpoch: unclean ? partition.leaderEpoch + 1 : partition.uncleanEpoch,
  };
  if (!leaderChanged && sameMembers(partition, next)) return undefined;
  checkPartition(next);
  return next;
}

/** How many in-sync replicas a write needs: the default, until topics can say otherwise. */
export function minInSyncReplicas(replicationFactor: number): number {
  return replicationFactor >= 3 ? 2 : 1;
}

/** @throws InvariantViolation when what is true of every partition at every time is not (R12) */
export function checkPartition(partition: PartitionRecord): void {
  const { leader, isr, elr, replicas, topicId, index } = partition;
  const name = `partition ${topicId}-${index}`;
  const inIsr = new Set(isr.map(({ broker }) => broker));
  assert(new Set(replicas).size === replicas.length, `${name}: a broker holds two replicas`);
  assert(inIsr.size === isr.length, `${name}: a broker is twice in the ISR`);
  assert(
    [...inIsr].every((broker) => replicas.includes(broker)),
    `${name}: the ISR is not among the replicas`,
  );
  assert(leader === NO_LEADER || inIsr.has(leader), `${name}: the leader is not in the ISR`);
  assert(
    elr.every(({ broker }) => !inIsr.has(broker)),
    `${name}: ISR and ELR overlap`,
  );
  assert(isr.length < minInSyncReplicas(replicas.length) || elr.length === 0, `${name}: a full ISR has an ELR`);
}

/** The old ELR, and with it the whole old ISR: whoever of it does not stay. */
function eligible(partition: PartitionRecord, brokers: BrokersView): DirectoryReplica[] {
  const left = partition.isr.flatMap(({ broker }) => replicaOn(brokers, broker));
  return [...partition.elr, ...left.filter(({ broker }) => partition.elr.every((other) => other.broker !== broker))];
}

function lastLeaders(partition: PartitionRecord, brokers: BrokersView): readonly DirectoryReplica[] {
  return partition.leader === NO_LEADER ? partition.lastKnownElr : replicaOn(brokers, partition.leader);
}

function replicaOn(brokers: BrokersView, broker: BrokerId): DirectoryReplica[] {
  const directory = brokers.directoryOf(broker);
  return directory === undefined ? [] : [{ broker, directory }];
}

function firstInOrder(
  replicas: readonly BrokerId[],
  candidates: readonly { broker: BrokerId }[],
): BrokerId | undefined {
  return replicas.find((replica) => candidates.some(({ broker }) => broker === replica));
}

function epochOf(brokers: BrokersView, broker: BrokerId): Revision {
  const registration = brokers.active(broker);
  assert(registration !== undefined, `broker ${broker} is elected and not active`);
  return registration.epoch;
}

function sameMembers(a: PartitionRecord, b: PartitionRecord): boolean {
  return membersOf(a) === membersOf(b);
}

function membersOf({ isr, elr, lastKnownElr }: PartitionRecord): string {
  return JSON.stringify([isr, elr, lastKnownElr]);
}

/** The members of a new partition's ISR: all of its replicas, which are empty and therefore equal. */
export function firstIsr(replicas: readonly BrokerId[], brokers: BrokersView): IsrMember[] {
  return replicas.map((broker) => ({ broker, epoch: epochOf(brokers, broker) }));
}
