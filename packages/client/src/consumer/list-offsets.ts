import { create } from '@bufbuild/protobuf';
import { ERRORS, errorCodeOf, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { sleep } from '@weir/base/clock.ts';
import { METADATA_WAIT_MS, RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import { BrokerService, ListOffsetsRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { backoffMs } from '../backoff.ts';
import type { Connections } from '../connections.ts';
import { noLeaderMessage } from '../metadata/no-leader.ts';
import type { TopicInfo } from '../metadata/cluster-image.ts';
import type { Metadata } from '../metadata/metadata.ts';
import type { ClientWorld } from '../world.ts';

const LIST_OFFSETS = protobufMethod(BrokerService.method.listOffsets);
const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** One question; a partition may be asked about more than once. */
export interface OffsetQuery {
  readonly partition: number;
  /**
   * `earliest`: log start; `latest`: high watermark; a number: the first record at least as young, in milliseconds
   * since 1970.
   */
  readonly timestamp: number | 'earliest' | 'latest';
}

/** Its answer. */
export interface OffsetAnswer {
  readonly partition: number;
  /** -1: no record is that young. */
  readonly offset: number;
  /** The record's; -1 where it was not asked by one. */
  readonly timestampMs: number;
}

interface Parts {
  readonly metadata: Metadata;
  readonly connections: Connections;
  readonly world: ClientWorld;
}

/**
 * Asks the leaders, all at a time, and again while that may help.
 *
 * @returns the answers in the order asked
 * @throws WeirError (as a rejection) for the first partition that cannot be answered within METADATA_WAIT_MS
 */
export async function listOffsets(
  parts: Parts,
  name: string,
  queries: readonly OffsetQuery[],
): Promise<readonly OffsetAnswer[]> {
  const { clock, random } = parts.world;
  const deadlineMs = clock.monotonicMs() + METADATA_WAIT_MS;
  const answers: (OffsetAnswer | undefined)[] = queries.map(() => undefined);
  for (let tries = 1; ; tries++) {
    const open = queries.map((_query, index) => index).filter((index) => answers[index] === undefined);
    const topic = await parts.metadata.findTopic(name);
    const refused = await askAll(parts, { topic, queries, open, answers, deadlineMs });
    if (refused === undefined) return answers as OffsetAnswer[];
    const waitMs = backoffMs(tries, BACKOFF, random);
    if (!ERRORS[refused.code].retriable || clock.monotonicMs() + waitMs >= deadlineMs) {
      throw new WeirError(refused.code, refused.message);
    }
    await sleep(clock, waitMs);
  }
}

interface Round {
  readonly topic: TopicInfo;
  readonly queries: readonly OffsetQuery[];
  /** Indexes of the queries without an answer. */
  readonly open: readonly number[];
  readonly answers: (OffsetAnswer | undefined)[];
  readonly deadlineMs: number;
}

/** One call to each leader. A refusal that trying again will not change comes before one that it may. */
async function askAll(parts: Parts, round: Round): Promise<Refusal | undefined> {
  const refusals: Refusal[] = [];
  const byAddress = new Map<string, number[]>();
  for (const index of round.open) {
    const leader = leaderAddress(parts, round.topic, round.queries[index]!.partition);
    if (typeof leader !== 'string') {
      refusals.push(leader);
      continue;
    }
    const asked = byAddress.get(leader);
    if (asked === undefined) byAddress.set(leader, [index]);
    else asked.push(index);
  }
  await Promise.all(
    [...byAddress].map(async ([address, indexes]) => refusals.push(...(await askOne(parts, address, indexes, round)))),
  );
  return refusals.find(({ code }) => !ERRORS[code].retriable) ?? refusals[0];
}

async function askOne(
  { connections, world }: Parts,
  address: string,
  indexes: readonly number[],
  { topic, queries, answers, deadlineMs }: Round,
): Promise<Refusal[]> {
  const partitions = indexes.map((index) => {
    const { partition, timestamp } = queries[index]!;
    return {
      topicId: topic.idBytes,
      partition,
      leaderEpoch: topic.partitions[partition]!.leaderEpoch,
      timestamp: wireTimestamp(timestamp),
    };
  });
  try {
    const remainingMs = Math.max(1, deadlineMs - world.clock.monotonicMs());
    const { results } = await connections
      .to(address)
      .call(LIST_OFFSETS, create(ListOffsetsRequestSchema, { partitions }), { deadlineMs: remainingMs });
    const refusals: Refusal[] = [];
    for (const [i, index] of indexes.entries()) {
      const result = results[i];
      const { partition } = queries[index]!;
      if (result?.errorCode === 0) {
        answers[index] = { partition, offset: Number(result.offset), timestampMs: Number(result.timestamp) };
      } else {
        const code = result === undefined ? 'UNKNOWN_SERVER_ERROR' : errorCodeOf(result.errorCode);
        refusals.push({ code, message: result?.message ?? `the broker at ${address} left partition ${partition} out` });
      }
    }
    return refusals;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return [{ code: error.failure.code, message: `the broker at ${address}: ${error.message}` }];
  }
}

function wireTimestamp(timestamp: OffsetQuery['timestamp']): bigint {
  if (timestamp === 'latest') return -1n;
  if (timestamp === 'earliest') return -2n;
  // Every record is at least as young as 1970.
  return BigInt(Math.max(0, Math.trunc(timestamp)));
}

function leaderAddress({ metadata }: Parts, topic: TopicInfo, partition: number): string | Refusal {
  const info = topic.partitions[partition];
  if (info === undefined) {
    const message = `topic "${topic.name}" has partitions 0 to ${topic.partitions.length - 1}, not ${partition}`;
    throw new WeirError('UNKNOWN_TOPIC_OR_PARTITION', message);
  }
  const broker = info.leader === -1 ? undefined : metadata.image.broker(info.leader);
  if (broker !== undefined) return broker.grpcAddress;
  return { code: 'LEADER_NOT_AVAILABLE', message: noLeaderMessage(topic, partition) };
}
