import type { DrainBrokerResponse, ElectLeadersResponse } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { LedReason, UnavailableReason } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';

/** How far the drain of a broker is. */
export interface DrainProgress {
  /** Nothing more is to be expected: what it leads still, it leads until it stops. */
  readonly isDone: boolean;
  /** Whether the broker knows that it drains, and what it leads no more. */
  readonly isKnownToBroker: boolean;
  /** Partitions that it leads still. */
  readonly ledCount: number;
  /** Of them, those of `othersLag`. */
  readonly awaitedCount: number;
  /** The first of them, by topic: PARTITIONS_NAMED_MAX at most. */
  readonly led: readonly LedPartition[];
}

/** A partition that a draining broker leads. */
export interface LedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly why: WhyLed;
}

/** Why a draining broker leads a partition. `othersLag` alone may pass. */
export type WhyLed = 'onlyReplica' | 'othersAway' | 'othersDrain' | 'othersLag' | 'unknown';

/** What became of the partitions that their preferred replicas did not lead. */
export interface LeadersElected {
  readonly elected: number;
  /** Those whose preferred replica cannot lead. */
  readonly unavailableCount: number;
  /** The first of them, by topic: PARTITIONS_NAMED_MAX at most. */
  readonly unavailable: readonly UnavailableLeader[];
}

/** A partition whose preferred replica cannot lead. */
export interface UnavailableLeader {
  readonly topic: string;
  readonly partition: number;
  /** The preferred replica. */
  readonly brokerId: number;
  readonly why: WhyUnavailable;
}

/** Why a preferred replica cannot lead. */
export type WhyUnavailable = 'away' | 'drains' | 'starting' | 'notInSync' | 'unknown';

/** The answer to a drain, in the client's words. */
export function drainProgressOf({ knownToBroker, ledCount, led, awaitedCount }: DrainBrokerResponse): DrainProgress {
  return {
    isDone: knownToBroker && awaitedCount === 0,
    isKnownToBroker: knownToBroker,
    ledCount,
    awaitedCount,
    led: led.map(({ topic, partition, reason }) => ({ topic, partition, why: WHY_LED[reason] ?? 'unknown' })),
  };
}

/** The answer to an election, in the client's words. */
export function leadersElectedOf({
  electedCount,
  unavailableCount,
  unavailable,
}: ElectLeadersResponse): LeadersElected {
  return {
    elected: electedCount,
    unavailableCount,
    unavailable: unavailable.map(({ topic, partition, brokerId, reason }) => ({
      topic,
      partition,
      brokerId,
      why: WHY_UNAVAILABLE[reason] ?? 'unknown',
    })),
  };
}

const WHY_LED: Readonly<Partial<Record<LedReason, WhyLed>>> = {
  [LedReason.ONLY_REPLICA]: 'onlyReplica',
  [LedReason.OTHERS_AWAY]: 'othersAway',
  [LedReason.OTHERS_DRAIN]: 'othersDrain',
  [LedReason.OTHERS_LAG]: 'othersLag',
};

const WHY_UNAVAILABLE: Readonly<Partial<Record<UnavailableReason, WhyUnavailable>>> = {
  [UnavailableReason.AWAY]: 'away',
  [UnavailableReason.DRAINS]: 'drains',
  [UnavailableReason.STARTING]: 'starting',
  [UnavailableReason.NOT_IN_SYNC]: 'notInSync',
};
