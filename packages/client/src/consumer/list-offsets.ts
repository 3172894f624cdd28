import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { BrokerService, ListOffsetsRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ListOffsetsResult } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { askLeaders, worstRefusal } from '../leader-calls.ts';
import type { LeaderCall, LeaderCallParts } from '../leader-calls.ts';

const LIST_OFFSETS = protobufMethod(BrokerService.method.listOffsets);

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

const CALL: LeaderCall<OffsetQuery, ListOffsetsResult> = {
  failsTogether: true,
  async ask(connection, topic, queries, options) {
    const partitions = queries.map(({ partition, timestamp }) => ({
      topicId: topic.idBytes,
      partition,
      leaderEpoch: topic.partitions[partition]!.leaderEpoch,
      timestamp: wireTimestamp(timestamp),
    }));
    return (await connection.call(LIST_OFFSETS, create(ListOffsetsRequestSchema, { partitions }), options)).results;
  },
};

/**
 * Asks the leaders, all at a time, and again while that may help.
 *
 * @returns the answers in the order asked
 * @throws WeirError (as a rejection) for the first partition that cannot be answered within LEADER_WAIT_MS
 */
export async function listOffsets(
  parts: LeaderCallParts,
  name: string,
  queries: readonly OffsetQuery[],
): Promise<readonly OffsetAnswer[]> {
  const outcomes = await askLeaders(parts, name, queries, CALL);
  const refused = worstRefusal(outcomes);
  if (refused !== undefined) throw new WeirError(refused.code, refused.message);
  return outcomes.flatMap((outcome, i) => {
    if (outcome.kind === 'refused') return [];
    const { offset, timestamp } = outcome.result;
    return [{ partition: queries[i]!.partition, offset: Number(offset), timestampMs: Number(timestamp) }];
  });
}

function wireTimestamp(timestamp: OffsetQuery['timestamp']): bigint {
  if (timestamp === 'latest') return -1n;
  if (timestamp === 'earliest') return -2n;
  // Every record is at least as young as 1970.
  return BigInt(Math.max(0, Math.trunc(timestamp)));
}
