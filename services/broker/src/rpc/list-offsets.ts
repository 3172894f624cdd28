import { create } from '@bufbuild/protobuf';
import { ERRORS, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { onCall } from '@weir/base/transport.ts';
import type { Handler } from '@weir/base/transport.ts';
import {
  BrokerService,
  ListOffsetsResponseSchema,
  ListOffsetsResultSchema,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import type {
  ListOffsetsPartition,
  ListOffsetsRequest,
  ListOffsetsResponse,
  ListOffsetsResult,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { Partition } from '../partition/partition.ts';
import { endUnknown } from '../partition/refusals.ts';
import type { Partitions } from '../partition/partitions.ts';
import { checkCount } from './check-count.ts';

/** Stands for the high watermark where a timestamp is asked for, as in Kafka. */
const LATEST = -1n;
/** Stands for the log start. */
const EARLIEST = -2n;

/** Answers first, last and by-timestamp offsets of the partitions that this broker leads. */
export function listOffsetsHandler(partitions: Partitions): Handler {
  return onCall(protobufMethod(BrokerService.method.listOffsets), (request) => listOffsets(partitions, request));
}

async function listOffsets(partitions: Partitions, request: ListOffsetsRequest): Promise<ListOffsetsResponse> {
  const asked = request.partitions;
  checkCount(asked.length, PARTITIONS_PER_REQUEST_MAX, 'partitions');
  const results: ListOffsetsResult[] = [];
  // One after the other: a look-up by timestamp may read from disk, and one request is not to fill its queue.
  for (const question of asked) results.push(await listOne(partitions, question));
  return create(ListOffsetsResponseSchema, { results });
}

function listOne(
  partitions: Partitions,
  question: ListOffsetsPartition,
): Promise<ListOffsetsResult> | ListOffsetsResult {
  const partition = partitions.serving(question.topicId, question.partition, question.leaderEpoch);
  if (!(partition instanceof Partition)) return failure(partition);
  const { state } = partition;
  const leaderEpoch = state.kind === 'leader' ? state.epoch : -1;
  const { timestamp } = question;
  if (timestamp === LATEST) {
    return partition.isEndKnown ? found(partition.highWatermark, -1, leaderEpoch) : failure(endUnknown(partition.name));
  }
  if (timestamp === EARLIEST) return found(partition.logStartOffset, -1, leaderEpoch);
  if (timestamp < 0n || timestamp > BigInt(Number.MAX_SAFE_INTEGER)) {
    return failure(
      refusal(
        'INVALID_REQUEST',
        `a timestamp is in milliseconds since 1970, or -1 (latest) or -2 (earliest); ${timestamp} is not`,
      ),
    );
  }
  return new Promise((resolve) => {
    partition.offsetForTimestamp(Number(timestamp), (error, record) => {
      if (error !== undefined) {
        // Its log may have been closed meanwhile, with the topic deleted.
        const storage = refusal('KAFKA_STORAGE_ERROR', `reading ${partition.name} failed: ${error.message}`);
        resolve(failure(partition.problem(-1) ?? storage));
      } else if (record === undefined) resolve(found(-1, -1, leaderEpoch));
      else resolve(found(record.offset, record.timestampMs, leaderEpoch));
    });
  });
}

function found(offset: number, timestampMs: number, leaderEpoch: number): ListOffsetsResult {
  return create(ListOffsetsResultSchema, { offset: BigInt(offset), timestamp: BigInt(timestampMs), leaderEpoch });
}

function failure(why: Refusal): ListOffsetsResult {
  return create(ListOffsetsResultSchema, {
    errorCode: ERRORS[why.code].number,
    message: why.message,
    offset: -1n,
    timestamp: -1n,
    leaderEpoch: -1,
  });
}
