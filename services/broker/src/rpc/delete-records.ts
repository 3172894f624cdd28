import { create } from '@bufbuild/protobuf';
import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { ERRORS } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { APPLY_SLICE_MS, PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { onCall } from '@weir/base/transport.ts';
import type { Handler } from '@weir/base/transport.ts';
import {
  BrokerService,
  DeleteRecordsResponseSchema,
  DeleteRecordsResultSchema,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import type {
  DeleteRecordsPartition,
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  DeleteRecordsResult,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import { checkCount } from './check-count.ts';

/** Deletes the oldest records of the partitions that this broker leads. */
export function deleteRecordsHandler(partitions: Partitions, clock: Clock): Handler {
  return onCall(protobufMethod(BrokerService.method.deleteRecords), (request) =>
    deleteRecords(partitions, clock, request),
  );
}

/**
 * Each partition on its own: one that is refused does not stop the others.
 *
 * @throws WeirError (as a rejection) when the request as a whole is refused
 */
export async function deleteRecords(
  partitions: Partitions,
  clock: Clock,
  request: DeleteRecordsRequest,
): Promise<DeleteRecordsResponse> {
  const asked = request.partitions;
  checkCount(asked.length, PARTITIONS_PER_REQUEST_MAX, 'partitions');
  const results: DeleteRecordsResult[] = [];
  let until = clock.monotonicMs() + APPLY_SLICE_MS;
  for (const one of asked) {
    results.push(deleteOne(partitions, one));
    // Each takes a few syncs, which block.
    if (clock.monotonicMs() < until) continue;
    await sleep(clock, 0);
    until = clock.monotonicMs() + APPLY_SLICE_MS;
  }
  return create(DeleteRecordsResponseSchema, { results });
}

function deleteOne(partitions: Partitions, asked: DeleteRecordsPartition): DeleteRecordsResult {
  const partition = partitions.serving(asked.topicId, asked.partition, asked.leaderEpoch);
  if (!(partition instanceof Partition)) return failure(partition);
  // An offset that no number holds is past any end.
  const start = partition.deleteRecords(Number(asked.offset));
  return typeof start === 'number'
    ? create(DeleteRecordsResultSchema, { lowWatermark: BigInt(start) })
    : failure(start);
}

function failure({ code, message }: Refusal): DeleteRecordsResult {
  return create(DeleteRecordsResultSchema, { errorCode: ERRORS[code].number, message, lowWatermark: -1n });
}
