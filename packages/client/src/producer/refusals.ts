import { ERRORS, refusal } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { noLeaderMessage } from '../metadata/no-leader.ts';
import type { PartitionQueue } from './partition-queue.ts';
import type { AcksWanted } from './send-call.ts';
import type { TopicSender } from './topic-sender.ts';

/** Why records are not sent, or not any more, in words for people. */

/** Whether a refused batch would be refused again, as it is and in any other place among its producer's. */
export function isFinal(code: ErrorCode, acks: AcksWanted): boolean {
  if (acks === 'all' && (code === 'OUT_OF_ORDER_SEQUENCE_NUMBER' || code === 'INVALID_PRODUCER_EPOCH')) return false;
  return !ERRORS[code].retriable;
}

export function closed(): Refusal {
  return refusal('SHUTTING_DOWN', 'the client is closed');
}

export function bufferFull(maxBytes: number): Refusal {
  return refusal('THROTTLING_QUOTA_EXCEEDED', `${maxBytes} bytes wait to be sent already; try again later`);
}

export function unknownPartition({ info }: TopicSender, partition: number): Refusal {
  const message = `topic "${info.name}" has partitions 0 to ${info.partitions.length - 1}, not ${partition}`;
  return refusal('UNKNOWN_TOPIC_OR_PARTITION', message);
}

/** @param bytes - of a batch that holds this record alone */
export function tooLarge({ info, maxBytes }: TopicSender, bytes: number): Refusal {
  const message = `the record takes ${bytes} bytes in a batch; topic "${info.name}" takes at most ${maxBytes}`;
  return refusal('MESSAGE_TOO_LARGE', message);
}

export function topicDeleted({ topic }: PartitionQueue): Refusal {
  return refusal('UNKNOWN_TOPIC_OR_PARTITION', `topic "${topic.info.name}" was deleted`);
}

/** @param within - "within … ms" */
export function noLeader({ topic, index, lastTry }: PartitionQueue, within: string): Refusal {
  return refusal('LEADER_NOT_AVAILABLE', `${noLeaderMessage(topic.info, index)} (waited ${within}${lastTry})`);
}

export function noProducerId(within: string, last: Refusal | undefined): Refusal {
  const why = last === undefined ? '' : `; last: ${last.message}`;
  return refusal('REQUEST_TIMED_OUT', `no broker gave an id to produce with ${within}${why}`);
}

/** Not answered in time: what was sent may be there. */
export function noAnswer({ topic, index, lastTry }: PartitionQueue, within: string): Refusal {
  return refusal('REQUEST_TIMED_OUT', `partition ${index} of "${topic.info.name}" did not answer ${within}${lastTry}`);
}

/** Sent without an answer, and then refused for good. What says for certain that records are not there is not told. */
export function outcomeUnknown({ topic, index }: PartitionQueue, { code, message }: Refusal): Refusal {
  const what = `whether the records are in partition ${index} of "${topic.info.name}" is not known`;
  return refusal(
    isFinal(code, 'all') ? 'REQUEST_TIMED_OUT' : code,
    `${what}: they were sent without an answer, and are refused now: ${message}`,
  );
}
