import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { brokerId } from '@weir/base/ids.ts';
import type { BrokerId, TopicId } from '@weir/base/ids.ts';
import { MEANINGS } from './broker-life.ts';
import { askedPartition, partitionEpochProblem } from './asked-partition.ts';
import type { AskedPartition } from './asked-partition.ts';
import { viewOf } from './brokers.ts';
import type { Change, ClusterImage, IsrMember, PartitionRecord } from './image.ts';
import { rulesOf } from './partition-rules.ts';
import { withIsr } from './partition.ts';
import type { BrokersView } from './partition.ts';

/** Changes the ISR of partitions that a broker leads, each on its own (KIP-497). */
export interface AlterIsr {
  readonly kind: 'alterIsr';
  /** Who asks. */
  readonly brokerId: BrokerId;
  /** Of its registration. */
  readonly brokerEpoch: number;
  readonly partitions: readonly WantedIsr[];
}

/** A partition's ISR as its leader wants it. */
export interface WantedIsr {
  readonly topicId: TopicId;
  readonly partition: number;
  /** That it leads in. */
  readonly leaderEpoch: number;
  /** Of the state that this is to follow. */
  readonly partitionEpoch: number;
  /** Without the leader it resigns. */
  readonly isr: readonly WantedMember[];
}

/** A replica that is to be in sync. */
interface WantedMember {
  readonly broker: number;
  /** The registration under which the leader knows it. */
  readonly epoch: number;
}

/** What became of one partition: why it was refused; undefined when it was written. */
export type IsrResult = Refusal | undefined;

/**
 * The steps of changing ISRs. Each is a compare-and-set on the partition epoch, so that a leader that does not know what came of
 * one may ask for another in its place: one of the two at most is written.
 */
export function* alterIsr(
  image: ClusterImage,
  { brokerId: leader, brokerEpoch, partitions }: AlterIsr,
): Generator<Change[], readonly IsrResult[] | Refusal, void> {
  if (image.sessionOf(leader)?.revision !== brokerEpoch) {
    const message = `broker ${leader} is not registered with the epoch ${brokerEpoch} any more, and leads nothing`;
    return refusal('STALE_BROKER_EPOCH', message);
  }
  const brokers = viewOf(image);
  const asked = Map.groupBy(partitions, placeOf);
  const changes: Change[] = [];
  const results = partitions.map((wanted): IsrResult => {
    if (asked.get(placeOf(wanted))!.length > 1) {
      return refusal('INVALID_REQUEST', `partition ${placeOf(wanted)} is in the request more than once`);
    }
    const next = decide(image, { leader, brokers, wanted });
    if ('code' in next) return next;
    changes.push({ kind: 'partition', partition: next });
    return undefined;
  });
  yield changes;
  return results;
}

/** The partition as it is to be, or why not. */
function decide(
  image: ClusterImage,
  of: { readonly leader: BrokerId; readonly brokers: BrokersView; readonly wanted: WantedIsr },
): PartitionRecord | Refusal {
  const { leader, brokers, wanted } = of;
  const asked = askedPartition(image, wanted);
  if ('code' in asked) return asked;
  const { name, partition } = asked;
  const outdated = staleness(asked, { leader, wanted });
  if (outdated !== undefined) return outdated;
  const ids = wanted.isr.map(({ broker }) => broker);
  const stranger = ids.find((id, i) => ids.indexOf(id) !== i || !partition.replicas.some((replica) => replica === id));
  if (stranger !== undefined) {
    const message = `broker ${stranger} is more than once in the ISR that is wanted of ${name}, or holds no replica of it`;
    return refusal('INVALID_REQUEST', message);
  }
  if (ids.length === 0) {
    return refusal(
      'INVALID_REQUEST',
      `the ISR that is wanted of ${name} is empty: who resigns leaves somebody to lead`,
    );
  }
  const isr: IsrMember[] = [];
  for (const { broker, epoch } of wanted.isr) {
    const id = brokerId(broker);
    const member = partition.isr.find((present) => present.broker === id);
    const why = member === undefined ? whyIneligible(image, { id, epoch }) : undefined;
    if (why !== undefined) {
      return refusal('INELIGIBLE_REPLICA', `broker ${id} cannot join the ISR of ${name}: ${why}`);
    }
    isr.push(member ?? { broker: id, epoch: image.sessionOf(id)!.revision });
  }
  return withIsr(partition, isr, { brokers, rules: rulesOf(image, partition) });
}

/** Why the leader does not know the partition as it is, or undefined when it does. */
function staleness(
  asked: AskedPartition,
  { leader, wanted }: { readonly leader: BrokerId; readonly wanted: WantedIsr },
): Refusal | undefined {
  const { name, partition } = asked;
  const { leaderEpoch } = partition;
  if (partition.leader !== leader) {
    return refusal('NOT_LEADER_OR_FOLLOWER', `broker ${leader} does not lead ${name}`);
  }
  if (wanted.leaderEpoch !== leaderEpoch) {
    const code = wanted.leaderEpoch < leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH';
    return refusal(code, `${name} is led in epoch ${leaderEpoch}, not ${wanted.leaderEpoch}`);
  }
  return partitionEpochProblem(asked, wanted.partitionEpoch);
}

/** Why a replica cannot join an ISR, or undefined: in another registration it may hold less than its leader takes it to. */
function whyIneligible(
  image: ClusterImage,
  { id, epoch }: { readonly id: BrokerId; readonly epoch: number },
): string | undefined {
  const session = image.sessionOf(id);
  if (session === undefined) return image.brokers.has(id) ? 'its session has ended' : 'it is not registered';
  if (session.revision !== epoch) return `it is registered with the epoch ${session.revision}, not ${epoch}`;
  return MEANINGS[image.stateOf(id)].leads === 'yes' ? undefined : 'it drains';
}

function placeOf({ topicId, partition }: WantedIsr): string {
  return `${topicId}-${partition}`;
}
