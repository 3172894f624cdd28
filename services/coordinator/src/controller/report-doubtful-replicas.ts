import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId, TopicId } from '@weir/base/ids.ts';
import { askedPartition, partitionEpochProblem } from './asked-partition.ts';
import { viewOf } from './brokers.ts';
import type { Change, ClusterImage, PartitionRecord } from './image.ts';
import { rulesOf } from './partition-rules.ts';
import { withoutDoubtful } from './partition.ts';
import type { BrokersView, Doubt } from './partition.ts';

/** Takes from replicas what they stood for, as their broker does not trust them any more, each on its own (R9). */
export interface ReportDoubtfulReplicas {
  readonly kind: 'reportDoubtfulReplicas';
  /** Who has them. */
  readonly brokerId: BrokerId;
  /** Of its registration. */
  readonly brokerEpoch: number;
  readonly replicas: readonly ReportedReplica[];
}

/** A replica that became doubtful while its broker runs. */
export interface ReportedReplica {
  readonly topicId: TopicId;
  readonly partition: number;
  readonly doubt: Doubt;
  /** The last leader epoch in which it led or followed; -1: in none since its broker began. */
  readonly leaderEpoch: number;
  /** Of the state that this is to follow. */
  readonly partitionEpoch: number;
}

/** What became of one replica: why nothing was done; undefined: nobody counts on it. */
export type ReportResult = Refusal | undefined;

/**
 * The steps of a report. Each replica's is a compare-and-set on the partition epoch: one that comes late, when the replica was
 * made anew long since, must not take anything from it.
 */
export function* reportDoubtfulReplicas(
  image: ClusterImage,
  { brokerId: broker, brokerEpoch, replicas }: ReportDoubtfulReplicas,
): Generator<Change[], readonly ReportResult[] | Refusal, void> {
  if (image.sessionOf(broker)?.revision !== brokerEpoch) {
    const message = `broker ${broker} is not registered with the epoch ${brokerEpoch} any more`;
    return refusal('STALE_BROKER_EPOCH', message);
  }
  const brokers = viewOf(image);
  const changes = new Map<string, Change>();
  const results = replicas.map((reported): ReportResult => {
    const place = `${reported.topicId}-${reported.partition}`;
    if (changes.has(place)) {
      return refusal('INVALID_REQUEST', `partition ${place} is in the request more than once`);
    }
    const next = decide(image, { broker, brokers, reported });
    if (next !== undefined && 'code' in next) return next;
    if (next !== undefined) changes.set(place, { kind: 'partition', partition: next });
    return undefined;
  });
  yield [...changes.values()];
  return results;
}

/** The partition as it is to be, undefined when it is so, or why not. */
function decide(
  image: ClusterImage,
  of: { readonly broker: BrokerId; readonly brokers: BrokersView; readonly reported: ReportedReplica },
): PartitionRecord | Refusal | undefined {
  const { broker, brokers, reported } = of;
  const asked = askedPartition(image, reported);
  if ('code' in asked) return asked;
  const { name, partition } = asked;
  const { replicas, leaderEpoch } = partition;
  if (!replicas.includes(broker)) {
    return refusal('INVALID_REQUEST', `broker ${broker} holds no replica of ${name}`);
  }
  const outdated = partitionEpochProblem(asked, reported.partitionEpoch);
  if (outdated !== undefined) return outdated;
  if (reported.leaderEpoch > leaderEpoch) {
    return refusal('UNKNOWN_LEADER_EPOCH', `${name} is in leader epoch ${leaderEpoch}, not ${reported.leaderEpoch}`);
  }
  const doubtful = new Map([[broker, reported.doubt]]);
  return withoutDoubtful(partition, { brokers, rules: rulesOf(image, partition), doubtful }, reported.leaderEpoch);
}
