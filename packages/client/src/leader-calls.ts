import { ERRORS, errorCodeOf, refusal, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { sleep } from '@weir/base/clock.ts';
import { LEADER_WAIT_MS, RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import type { Connection } from '@weir/base/transport.ts';
import { backoffMs } from './backoff.ts';
import type { Connections } from './connections.ts';
import { noLeaderMessage } from './metadata/no-leader.ts';
import type { TopicInfo } from './metadata/cluster-image.ts';
import type { Metadata } from './metadata/metadata.ts';
import type { ClientWorld } from './world.ts';

const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** What calls to leaders need. */
export interface LeaderCallParts {
  readonly metadata: Metadata;
  readonly connections: Connections;
  readonly world: ClientWorld;
}

/** One result as it came over the wire. */
export interface WireResult {
  /** Kafka's; 0 for none. */
  readonly errorCode: number;
  readonly message: string;
}

/** A call about partitions that only their leaders answer. Asked again after any refusal that is not final, it does no harm. */
export interface LeaderCall<Query extends { readonly partition: number }, Result extends WireResult> {
  /** Asks one leader; the results come in the order of the queries. */
  ask(
    connection: Connection,
    topic: TopicInfo,
    queries: readonly Query[],
    options: { readonly deadlineMs: number },
  ): Promise<readonly Result[]>;
  /** Whether the first refusal that trying again will not change ends all of it. */
  readonly failsTogether: boolean;
  /** Refusals that are not asked about again, though the same may be taken later. */
  readonly final?: ReadonlySet<ErrorCode>;
}

/** What became of one query. */
export type LeaderOutcome<Result> =
  | { readonly kind: 'answered'; readonly result: Result }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * Asks the leaders, all at a time, and again while that may help: LEADER_WAIT_MS at most.
 *
 * @returns the outcomes in the order asked
 * @throws WeirError (as a rejection) UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_UNAVAILABLE: there is no such topic, or no
 * such partition of it
 */
export async function askLeaders<Query extends { readonly partition: number }, Result extends WireResult>(
  parts: LeaderCallParts,
  name: string,
  queries: readonly Query[],
  call: LeaderCall<Query, Result>,
): Promise<readonly LeaderOutcome<Result>[]> {
  const { clock, random } = parts.world;
  const deadlineMs = clock.monotonicMs() + LEADER_WAIT_MS;
  const { id } = await parts.metadata.findTopic(name);
  const outcomes: (LeaderOutcome<Result> | undefined)[] = queries.map(() => undefined);
  const mayChange = (outcome: LeaderOutcome<unknown> | undefined): boolean =>
    outcome === undefined || (outcome.kind === 'refused' && !isFinal(outcome.refusal, call.final));
  for (let tries = 1; ; tries++) {
    const open = outcomes.flatMap((outcome, index) => (mayChange(outcome) ? [index] : []));
    const topic = await parts.metadata.findTopic(name);
    if (topic.id === id) {
      await askAll(parts, { call, topic, queries, open, outcomes, deadlineMs });
    } else {
      const gone = refusal('UNKNOWN_TOPIC_ID', `topic "${name}" was deleted, and created again, meanwhile`);
      for (const index of open) outcomes[index] = { kind: 'refused', refusal: gone };
      return outcomes as LeaderOutcome<Result>[];
    }
    const waitMs = backoffMs(tries, BACKOFF, random);
    const over = !outcomes.some(mayChange) || clock.monotonicMs() + waitMs >= deadlineMs;
    if (over || (call.failsTogether && outcomes.some(isFinalRefusal))) return outcomes as LeaderOutcome<Result>[];
    await sleep(clock, waitMs);
  }
}

/** The refusal that stands for all: one that trying again will not change comes before one that it may. */
export function worstRefusal(outcomes: readonly LeaderOutcome<unknown>[]): Refusal | undefined {
  const refused = outcomes.filter((outcome) => outcome.kind === 'refused');
  return (refused.find(isFinalRefusal) ?? refused[0])?.refusal;
}

function isFinal({ code }: Refusal, final: ReadonlySet<ErrorCode> | undefined): boolean {
  return !ERRORS[code].retriable || final?.has(code) === true;
}

function isFinalRefusal(outcome: LeaderOutcome<unknown> | undefined): boolean {
  return outcome?.kind === 'refused' && isFinal(outcome.refusal, undefined);
}

interface Round<Query extends { readonly partition: number }, Result extends WireResult> {
  readonly call: LeaderCall<Query, Result>;
  readonly topic: TopicInfo;
  readonly queries: readonly Query[];
  /** Indexes of the queries to ask. */
  readonly open: readonly number[];
  readonly outcomes: (LeaderOutcome<Result> | undefined)[];
  readonly deadlineMs: number;
}

/** One call to each leader. */
async function askAll<Query extends { readonly partition: number }, Result extends WireResult>(
  parts: LeaderCallParts,
  round: Round<Query, Result>,
): Promise<void> {
  const byAddress = new Map<string, number[]>();
  for (const index of round.open) {
    const leader = leaderAddress(parts, round.topic, round.queries[index]!.partition);
    if (typeof leader !== 'string') {
      round.outcomes[index] = { kind: 'refused', refusal: leader };
      continue;
    }
    const asked = byAddress.get(leader);
    if (asked === undefined) byAddress.set(leader, [index]);
    else asked.push(index);
  }
  await Promise.all([...byAddress].map(([address, indexes]) => askOne(parts, address, indexes, round)));
}

async function askOne<Query extends { readonly partition: number }, Result extends WireResult>(
  { connections, world }: LeaderCallParts,
  address: string,
  indexes: readonly number[],
  { call, topic, queries, outcomes, deadlineMs }: Round<Query, Result>,
): Promise<void> {
  const refuse = (index: number, why: Refusal): void => void (outcomes[index] = { kind: 'refused', refusal: why });
  try {
    const remainingMs = Math.max(1, deadlineMs - world.clock.monotonicMs());
    const asked = indexes.map((index) => queries[index]!);
    const results = await call.ask(connections.to(address), topic, asked, { deadlineMs: remainingMs });
    for (const [i, index] of indexes.entries()) {
      const result = results[i];
      const { partition } = queries[index]!;
      if (result === undefined) {
        refuse(index, refusal('UNKNOWN_SERVER_ERROR', `the broker at ${address} left partition ${partition} out`));
      } else if (result.errorCode === 0) outcomes[index] = { kind: 'answered', result };
      else refuse(index, refusal(errorCodeOf(result.errorCode), result.message));
    }
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    for (const index of indexes) {
      refuse(index, refusal(error.failure.code, `the broker at ${address}: ${error.message}`));
    }
  }
}

function leaderAddress({ metadata }: LeaderCallParts, topic: TopicInfo, partition: number): string | Refusal {
  const info = topic.partitions[partition];
  if (info === undefined) {
    const message = `topic "${topic.name}" has partitions 0 to ${topic.partitions.length - 1}, not ${partition}`;
    throw new WeirError('UNKNOWN_TOPIC_OR_PARTITION', message);
  }
  const broker = info.leader === -1 ? undefined : metadata.image.broker(info.leader);
  if (broker !== undefined) return broker.grpcAddress;
  return refusal('LEADER_NOT_AVAILABLE', noLeaderMessage(topic, partition));
}
