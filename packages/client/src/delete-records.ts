import { create } from '@bufbuild/protobuf';
import type { Refusal } from '@weir/base/errors.ts';
import { BrokerService, DeleteRecordsRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { DeleteRecordsResult } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { askLeaders } from './leader-calls.ts';
import type { LeaderCall, LeaderCallParts } from './leader-calls.ts';

const DELETE_RECORDS = protobufMethod(BrokerService.method.deleteRecords);

/** One partition whose oldest records are to go. */
export interface RecordsToDelete {
  readonly partition: number;
  /** All records below this offset; `end`: all that can be read now. */
  readonly before: number | 'end';
}

/** What became of one partition. After REQUEST_TIMED_OUT its leader has deleted the records, and another replica may have them. */
export type DeletedRecords =
  | { readonly partition: number; readonly lowWatermark: number; readonly refusal?: never }
  | { readonly partition: number; readonly lowWatermark?: never; readonly refusal: Refusal };

/** What a broker leaves of a call's time for its answer. */
const ANSWER_MS = 500;

const CALL: LeaderCall<RecordsToDelete, DeleteRecordsResult> = {
  failsTogether: false,
  // What can be read by then is more than what could be when the end was asked for.
  final: new Set(['REQUEST_TIMED_OUT']),
  async ask(connection, topic, queries, options) {
    const partitions = queries.map(({ partition, before }) => ({
      topicId: topic.idBytes,
      partition,
      leaderEpoch: topic.partitions[partition]!.leaderEpoch,
      offset: before === 'end' ? -1n : BigInt(before),
    }));
    const timeoutMs = Math.max(0, Math.floor(options.deadlineMs - ANSWER_MS));
    const request = create(DeleteRecordsRequestSchema, { partitions, timeoutMs });
    return (await connection.call(DELETE_RECORDS, request, options)).results;
  },
};

/**
 * Deletes the oldest records of partitions, each on its own, on all replicas that may lead next, and tries again while that may help.
 *
 * @returns what became of each, in the order given
 * @throws WeirError (as a rejection) UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_UNAVAILABLE: the topic is not known
 */
export async function deleteRecords(
  parts: LeaderCallParts,
  name: string,
  asked: readonly RecordsToDelete[],
): Promise<readonly DeletedRecords[]> {
  const outcomes = await askLeaders(parts, name, asked, CALL);
  return outcomes.map((outcome, i): DeletedRecords => {
    const { partition } = asked[i]!;
    if (outcome.kind === 'refused') return { partition, refusal: outcome.refusal };
    return { partition, lowWatermark: Number(outcome.result.lowWatermark) };
  });
}
