import { assert } from '@weir/base/assert.ts';
import { leaderEpoch } from '@weir/base/ids.ts';
import type { BrokerId, Revision } from '@weir/base/ids.ts';
import { NO_LEADER } from './image.ts';
import type { DirectoryReplica, IsrMember, PartitionRecord } from './image.ts';

/** Why a replica is not to be trusted (R9 in docs/INVARIANTS.md). */
export type Doubt = 'missing' | 'damaged' | 'unsynced';

/** What a partition has to know of the brokers. */
export interface BrokersView {
  /** The registration of a broker whose session lives. */
  active(id: BrokerId): ActiveBroker | undefined;
  /** The registered directory of a broker, active or not. */
  directoryOf(id: BrokerId): string | undefined;
}

/** A broker whose session lives, as partitions see it. */
export interface ActiveBroker {
  readonly epoch: Revision;
  readonly directoryId: string;
  /** It leads only where nobody else can. */
  readonly yields: boolean;
}

/** What its topic's configs, and those of the cluster, say about a partition. */
export interface PartitionRules {
  /** How many replicas have to be in sync for something to be committed: from 1 to the number of replicas. */
  readonly minInSync: number;
  /** Whether a replica that is not in sync may lead when no other can. */
  readonly uncleanElection: boolean;
}

/** What has to be decided about a partition. */
export interface Reassessment {
  readonly brokers: BrokersView;
  readonly rules: PartitionRules;
  /** Replicas that leave the ISR and the ELR, whatever else is true. */
  readonly doubtful?: ReadonlyMap<BrokerId, Doubt>;
}

/**
 * The partition as it has to be, given which brokers live; undefined when it is so already. What it decides by is behind
 * every election, so that running it again, as a coordinator does that starts, changes nothing.
 */
export function reassess(partition: PartitionRecord, how: Reassessment): PartitionRecord | undefined {
  const next = decide(partition, partition.isr, how);
  // A leader that registered anew is another one: its epoch tells.
  if (next.leaderEpoch === partition.leaderEpoch && sameMembers(partition, next)) return undefined;
  checkPartition(next, how.rules);
  return next;
}

/**
 * The partition without what its doubtful replicas stood for, although their brokers go on under the registrations that they
 * have; undefined when it is so already. The next leader of the partition, which may be the one that it has, leads in an epoch
 * in which none of them has followed: all that a leader knows of them is of an earlier one, and lets them into no ISR (R7).
 *
 * @param spokeIn - the last leader epoch in which one of them led or followed
 */
export function withoutDoubtful(
  partition: PartitionRecord,
  how: Required<Reassessment>,
  spokeIn: number,
): PartitionRecord | undefined {
  const changed = reassess(partition, how);
  const next = changed ?? partition;
  if (next.leader === NO_LEADER || next.leaderEpoch > spokeIn) return changed;
  return {
    ...next,
    leaderEpoch: leaderEpoch(partition.leaderEpoch + 1),
    partitionEpoch: partition.partitionEpoch + 1,
  };
}

/**
 * The partition with the ISR that its leader wants, which may be the one that it has: that nothing else is under way is what
 * the leader learns from such a change. Without the leader in it, another one of the ISR leads.
 *
 * @param isr - not empty, and only of registrations that live
 */
export function withIsr(partition: PartitionRecord, isr: readonly IsrMember[], how: Reassessment): PartitionRecord {
  const next = decide(partition, isr, how);
  checkPartition(next, how.rules);
  return next;
}

/**
 * The next state, which counts as a change whether it is one or not.
 *
 * Who registers anew while it is in the ISR stays there, under its new registration, unless its replica is doubtful
 * (rule 9 in docs/INVARIANTS.md): nothing is committed without it, and what it held durably it holds. Its leader counts it once it follows.
 * Who leaves the ISR while it is below its minimum goes to the ELR: such a replica still holds all that is committed
 * and may lead once it is back. The next leader is the first in replica order of the live ISR, else of the live ELR; one
 * whose broker drains comes after all others, and hands over as soon as there is another one in sync.
 * With both empty only a last leader that merely lost its unsynced tail comes back by itself; a lost or damaged one waits for
 * an operator. Where unclean elections are allowed nobody waits: the first live replica in replica order leads. Both are
 * recorded as unclean.
 */
function decide(
  partition: PartitionRecord,
  wanted: readonly IsrMember[],
  { brokers, rules, doubtful }: Reassessment,
): PartitionRecord {
  const trusted = (broker: BrokerId): boolean => doubtful?.has(broker) !== true;
  const returned = ({ broker, directory }: DirectoryReplica): boolean =>
    brokers.active(broker)?.directoryId === directory;
  let isr = wanted
    .filter(({ broker }) => trusted(broker) && brokers.active(broker) !== undefined)
    .map(({ broker }) => ({ broker, epoch: epochOf(brokers, broker) }));
  const kept = new Set(isr.map(({ broker }) => broker));
  let elr = eligible(partition, brokers).filter(({ broker }) => trusted(broker) && !kept.has(broker));
  let lastKnownElr = lastLeaders(partition, brokers).filter(({ broker }) => {
    const doubt = doubtful?.get(broker);
    return doubt === undefined || doubt === 'unsynced';
  });
  if (isr.length >= rules.minInSync) elr = [];

  const staying = isr.filter(({ broker }) => brokers.active(broker)?.yields === false);
  // A leader that has registered anew knows nothing yet of what it is to lead, and others in sync do.
  const isAnew = wanted.some(
    ({ broker, epoch }) => broker === partition.leader && brokers.active(broker)?.epoch !== epoch,
  );
  const leads = !isAnew && (staying.length > 0 ? staying : isr).some(({ broker }) => broker === partition.leader);
  let leader: PartitionRecord['leader'] = leads ? partition.leader : NO_LEADER;
  let elected = false;
  let unclean = false;
  if (leader === NO_LEADER) {
    const able = isr.length === 0 ? elr.filter(returned) : isr;
    const isAble = (id: BrokerId): boolean => able.some(({ broker }) => broker === id);
    const clean = firstOf(isAnew ? lastOf(partition) : partition.replicas, brokers, isAble);
    const last = isr.length === 0 && elr.length === 0 ? lastKnownElr.find(returned)?.broker : undefined;
    const found = clean ?? last ?? (rules.uncleanElection ? firstOf(partition.replicas, brokers, trusted) : undefined);
    if (found !== undefined) {
      leader = found;
      elected = true;
      unclean = clean === undefined;
      if (isr.length === 0) isr = [{ broker: found, epoch: epochOf(brokers, found) }];
      // After an unclean election the leader's log is the partition: what others hold beyond it counts no more.
      const isFull = unclean || isr.length >= rules.minInSync;
      elr = isFull ? [] : elr.filter(({ broker }) => broker !== found);
    }
  }
  if (leader !== NO_LEADER) lastKnownElr = [];

  const leaderChanged = elected || leader !== partition.leader;
  return {
    ...partition,
    leader,
    isr,
    elr,
    lastKnownElr,
    leaderEpoch: leaderEpoch(partition.leaderEpoch + (leaderChanged ? 1 : 0)),
    partitionEpoch: partition.partitionEpoch + 1,
    uncleanEpoch: unclean ? partition.leaderEpoch + 1 : partition.uncleanEpoch,
  };
}

/** The partition led by another one of its in-sync replicas. */
export function led(partition: PartitionRecord, leader: BrokerId, rules: PartitionRules): PartitionRecord {
  assert(partition.leader !== leader, 'it leads already');
  const next: PartitionRecord = {
    ...partition,
    leader,
    leaderEpoch: leaderEpoch(partition.leaderEpoch + 1),
    partitionEpoch: partition.partitionEpoch + 1,
  };
  checkPartition(next, rules);
  return next;
}

/** @throws InvariantViolation when what is true of every partition at every time is not (R12) */
export function checkPartition(partition: PartitionRecord, { minInSync }: PartitionRules): void {
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
  assert(isr.length < minInSync || elr.length === 0, `${name}: a full ISR has an ELR`);
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

/** The first live one in replica order, of those that can; one that drains only when no other is left. */
function firstOf(
  replicas: readonly BrokerId[],
  brokers: BrokersView,
  can: (id: BrokerId) => boolean = () => true,
): BrokerId | undefined {
  const able = replicas.filter((id) => brokers.active(id) !== undefined && can(id));
  return able.find((id) => brokers.active(id)?.yields === false) ?? able[0];
}

/** The replicas in their order, and their leader behind all others. */
function lastOf({ replicas, leader }: PartitionRecord): BrokerId[] {
  return [...replicas.filter((id) => id !== leader), ...replicas.filter((id) => id === leader)];
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

/**
 * Who of a new partition's replicas is in sync: those whose brokers live, which are empty and therefore equal. So are the others,
 * and nothing is committed while too few are in sync: then they may lead once they are back.
 */
export function firstMembers(
  replicas: readonly BrokerId[],
  { brokers, rules }: Reassessment,
): Pick<PartitionRecord, 'isr' | 'elr'> {
  const lives = (broker: BrokerId): boolean => brokers.active(broker) !== undefined;
  const isr = replicas.filter(lives).map((broker) => ({ broker, epoch: epochOf(brokers, broker) }));
  const absent = replicas.filter((broker) => !lives(broker)).flatMap((broker) => replicaOn(brokers, broker));
  return { isr, elr: isr.length < rules.minInSync ? absent : [] };
}
