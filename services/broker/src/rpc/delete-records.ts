import { create } from '@bufbuild/protobuf';
import type { Clock } from '@weir/base/clock.ts';
import { ERRORS } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { onCall } from '@weir/base/transport.ts';
import type { Handler } from '@weir/base/transport.ts';
import {
  BrokerService,
  DeleteRecordsResponseSchema,
  DeleteRecordsResultSchema,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  DeleteRecordsResult,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { deleteRecords } from '../delete-records.ts';
import type { RecordsAsked } from '../delete-records.ts';
import type { Partitions } from '../partition/partitions.ts';
import { checkCount } from './check-count.ts';

/** Deletes the oldest records of the partitions that this broker leads. */
export function deleteRecordsHandler(partitions: Partitions, clock: Clock): Handler {
  return onCall(protobufMethod(BrokerService.method.deleteRecords), (request) =>
    answerDeleteRecords(partitions, clock, request),
  );
}

/**
 * Answers DeleteRecords.
 *
 * @throws WeirError (as a rejection) when the request as a whole is refused
 */
export async function answerDeleteRecords(
  partitions: Partitions,
  clock: Clock,
  request: DeleteRecordsRequest,
): Promise<DeleteRecordsResponse> {
  checkCount(request.partitions.length, PARTITIONS_PER_REQUEST_MAX, 'partitions');
  const results = await deleteRecords(eachOf(partitions, request), { clock, timeoutMs: request.timeoutMs });
  return create(DeleteRecordsResponseSchema, { results: results.map(resultOf) });
}

/** Looked up one after the other, as there may be another leader between them. */
function* eachOf(partitions: Partitions, request: DeleteRecordsRequest): Generator<RecordsAsked> {
  for (const { topicId, partition, leaderEpoch, offset: before } of request.partitions) {
    // An offset that no number holds is past any end.
    yield { partition: partitions.serving(topicId, partition, leaderEpoch), before: Number(before) };
  }
}

function resultOf(start: Offset | Refusal): DeleteRecordsResult {
  if (typeof start === 'number') return create(DeleteRecordsResultSchema, { lowWatermark: BigInt(start) });
  const { code, message } = start;
  return create(DeleteRecordsResultSchema, { errorCode: ERRORS[code].number, message, lowWatermark: -1n });
}
