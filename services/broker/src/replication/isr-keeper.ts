import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { isErrorCode, WeirError } from '@weir/base/errors.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import {
  ISR_PARTITIONS_PER_REQUEST_MAX,
  ISR_RETRY_MS,
  LOOP_STALLED_MS,
  REPLICA_LAG_CHECK_MS,
} from '@weir/base/limits.ts';
import { AlterIsrRequestSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { AlterIsrRequest, AlterIsrResult } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Logger } from '@weir/runtime/world.ts';
import type { Leadership } from '../partition/leadership.ts';
import type { Partition } from '../partition/partition.ts';
import type { Eligible, IsrProposal, ProposalOutcome } from './in-sync-replicas.ts';
import type { ReplicationCounters } from './replication-metrics.ts';

/** What altering ISRs needs. */
export interface IsrKeeperParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: ReplicationCounters;
  readonly brokerId: number;
  /** This broker's epoch; undefined while it is not registered. */
  readonly brokerEpoch: () => number | undefined;
  readonly isEligible: Eligible;
  /** This process hung for longer than a leader may. */
  readonly stalled: (why: string) => void;
  /** All partitions of this broker. */
  readonly partitions: () => Iterable<Partition>;
  /** `answered` is given a result a partition, or why there are none. */
  readonly ask: (
    request: AlterIsrRequest,
    answered: (results: readonly AlterIsrResult[] | { readonly error: unknown }) => void,
  ) => void;
}

/** A partition as it is, or was, led: its leader may be out of service by now. */
export type Led = Pick<Leadership, 'epoch' | 'replicas'>;

interface Asked {
  readonly partition: Partition;
  readonly leadership: Led;
  readonly proposal: IsrProposal;
}

/** Asks the coordinator for the in-sync replicas that leaders want, many partitions at a time and one request at a time. */
export class IsrKeeper {
  readonly #parts: IsrKeeperParts;
  readonly #waiting = new Set<Partition>();
  /** Out of service, and their leaderships are not taken over yet. */
  readonly #resigned = new Map<Partition, Led>();
  #isAsking = false;
  #isStopped = false;
  #cancelLook: Cancel | undefined;
  #lookedMs = 0;

  constructor(parts: IsrKeeperParts) {
    this.#parts = parts;
  }

  /** Looks for followers that fall behind, from now on. */
  start(): void {
    const { clock } = this.#parts;
    this.#lookedMs = clock.monotonicMs();
    this.#cancelLook = clock.every(REPLICA_LAG_CHECK_MS, () => this.#look());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelLook?.();
  }

  /** It led, and is out of service: another in-sync replica is to lead, if there is one. */
  resigns(partition: Partition, leadership: Led): void {
    leadership.replicas.resign();
    this.#resigned.set(partition, leadership);
    this.consider(partition);
  }

  /** This broker stalls: whatever others can lead, they are to lead. */
  resignAll(): void {
    for (const partition of this.#parts.partitions()) {
      const { leadership } = partition;
      if (leadership?.replicas.hasFollowers !== true) continue;
      leadership.replicas.resign();
      this.consider(partition);
    }
  }

  /** It may want other replicas in sync: that is found out at the end of the turn. */
  consider(partition: Partition): void {
    if (this.#isStopped) return;
    if (this.#waiting.size === 0) this.#parts.clock.endOfTurn(() => this.#ask());
    this.#waiting.add(partition);
  }

  #look(): void {
    const { clock, partitions } = this.#parts;
    const nowMs = clock.monotonicMs();
    // In a pause of this process it could not hear its followers, and their words may still be unread.
    const pausedMs = Math.max(0, nowMs - this.#lookedMs - REPLICA_LAG_CHECK_MS);
    this.#lookedMs = nowMs;
    if (pausedMs > LOOP_STALLED_MS)
      this.#parts.stalled(`this process did nothing for ${Math.round(pausedMs / 1_000)} s`);
    for (const partition of partitions()) if (partition.lookAtFollowers(pausedMs)) this.consider(partition);
  }

  #ask(): void {
    const { brokerEpoch, brokerId, ask } = this.#parts;
    const epoch = brokerEpoch();
    if (this.#isAsking || this.#isStopped) return;
    // Not registered: the registration brings metadata, and with it the next occasion.
    if (epoch === undefined) return this.#waiting.clear();
    const asked = this.#proposals();
    if (asked.length === 0) return;
    this.#isAsking = true;
    const partitions = asked.map(({ partition, leadership, proposal }) => ({
      topicId: uuidToBytes(partition.key.topicId),
      partition: partition.key.index,
      leaderEpoch: leadership.epoch,
      partitionEpoch: proposal.partitionEpoch,
      isr: proposal.isr.map((member) => ({ brokerId: member.broker, brokerEpoch: BigInt(member.epoch) })),
    }));
    ask(create(AlterIsrRequestSchema, { brokerId, brokerEpoch: BigInt(epoch), partitions }), (answer) =>
      this.#answered(asked, (i) => ('error' in answer ? outcomeOfFailure(answer.error) : outcomeOf(answer[i]?.code))),
    );
  }

  #proposals(): Asked[] {
    const asked: Asked[] = [];
    for (const partition of this.#waiting) {
      if (asked.length >= ISR_PARTITIONS_PER_REQUEST_MAX) break;
      this.#waiting.delete(partition);
      const leadership = partition.leadership ?? this.#resigned.get(partition);
      if (leadership === undefined) continue;
      const { clock, isEligible } = this.#parts;
      const proposal = leadership.replicas.propose(clock.monotonicMs(), partition.highWatermark, isEligible);
      if (proposal === undefined) this.#resigned.delete(partition);
      else asked.push({ partition, leadership, proposal });
    }
    return asked;
  }

  #answered(asked: readonly Asked[], outcomeAt: (i: number) => ProposalOutcome): void {
    this.#isAsking = false;
    if (this.#isStopped) return;
    const again: Partition[] = [];
    for (const [i, { partition, leadership, proposal }] of asked.entries()) {
      const outcome = outcomeAt(i);
      this.#parts.counters.proposals[outcome]++;
      if (outcome !== 'written') {
        this.#parts.logger.debug({ outcome, proposal }, `the ISR of ${partition.name} is not altered`);
      }
      const isOpen = leadership.replicas.answered(proposal.partitionEpoch, outcome);
      if (this.#resigned.get(partition) === leadership && (!isOpen || outcome === 'refused')) {
        // Another one leads by now, or this broker is registered anew, which is as good.
        this.#resigned.delete(partition);
      } else if (isOpen) {
        again.push(partition);
      }
    }
    if (again.length > 0) this.#retryLater(again);
    if (this.#waiting.size > 0) this.#ask();
  }

  #retryLater(partitions: readonly Partition[]): void {
    this.#parts.clock.after(ISR_RETRY_MS, () => {
      for (const partition of partitions) this.consider(partition);
    });
  }
}

function outcomeOf(code: string | undefined): ProposalOutcome {
  switch (code) {
    case 'NONE':
      return 'written';
    case 'INELIGIBLE_REPLICA':
    case 'INVALID_REQUEST':
    case 'STALE_BROKER_EPOCH':
      return 'refused';
    case undefined:
      return 'unknown';
    default:
      // It is another leader's by now, or in another state, or gone: the metadata is about to say so.
      return isErrorCode(code) ? 'superseded' : 'unknown';
  }
}

/** Only what is certain not to have reached a coordinator that acts is unsent. */
function outcomeOfFailure(error: unknown): ProposalOutcome {
  if (!(error instanceof WeirError)) return 'unknown';
  return error.code === 'NOT_CONTROLLER' || error.code === 'STALE_BROKER_EPOCH' ? 'unsent' : 'unknown';
}
