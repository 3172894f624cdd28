import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { listOffsets, ListOffsetsResponse } from '@weir/kafka/apis/list-offsets.ts';
import { Partition } from '../partition/partition.ts';
import { endUnknown } from '../partition/refusals.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber, UNSUPPORTED_VERSION } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { eachOnce, repeated } from './repeated.ts';
import { inWordsOfNames, servingByName } from './topics.ts';

type PartitionAnswer = ListOffsetsResponse['topics'][number]['partitions'][number];
type Question = { readonly partitionIndex: number; readonly currentLeaderEpoch: number; readonly timestamp: number };

/** What stands for an offset where a timestamp is asked for. */
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
/** The first that is on this broker's own disk, and the last that is in a tier: there are no tiers. */
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;
/** The versions that have them. */
const SPECIAL_FROM: ReadonlyMap<number, number> = new Map([
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
]);
const REPEATED_PARTITION = refusal('INVALID_REQUEST', 'the request has this partition more than once');
const NO_TIMESTAMP = refusal('INVALID_REQUEST', 'a timestamp is in milliseconds since 1970, or stands for an offset');

/** Answers first, last and by-timestamp offsets of partitions that this broker leads. */
export async function answerListOffsets(
  cluster: ClusterView,
  partitions: Partitions,
  exchange: Exchange<typeof listOffsets>,
): Promise<void> {
  const topics: { name: string; partitions: PartitionAnswer[] }[] = [];
  const asked = exchange.request.topics;
  const again = repeated(asked.flatMap(({ name, partitions: of }) => of.map((one) => keyOf(name, one))));
  for (const { topic, parts } of eachOnce(asked, BY_NAME)) {
    const { name } = topic;
    const answers: PartitionAnswer[] = [];
    topics.push({ name, partitions: answers });
    for (const question of parts) {
      const { partitionIndex, currentLeaderEpoch } = question;
      const found = again.has(keyOf(name, question))
        ? REPEATED_PARTITION
        : servingByName({ cluster, partitions }, name, partitionIndex, currentLeaderEpoch);
      // One after the other: a look-up by timestamp may read from disk, and one request is not to fill its queue.
      answers.push(
        found instanceof Partition ? await offsetOf(found, question, exchange.version) : refused(question, found),
      );
    }
  }
  exchange.answer({ throttleTimeMs: 0, topics });
}

type TopicQuestions = Exchange<typeof listOffsets>['request']['topics'][number];

const BY_NAME = {
  keyOf: ({ name }: TopicQuestions) => name,
  partsOf: ({ partitions }: TopicQuestions) => partitions,
  indexOf: ({ partitionIndex }: Question) => partitionIndex,
};

/** Names hold no NUL. */
function keyOf(name: string, { partitionIndex }: Question): string {
  return `${name}\0${partitionIndex}`;
}

function offsetOf(
  partition: Partition,
  question: Question,
  version: number,
): PartitionAnswer | Promise<PartitionAnswer> {
  const { timestamp, partitionIndex } = question;
  const { highWatermark, logStartOffset } = partition;
  const at = (offset: number, timestampMs = -1): PartitionAnswer => ({
    partitionIndex,
    errorCode: 0,
    timestamp: timestampMs,
    offset,
    leaderEpoch: offset === -1 ? -1 : partition.epochAt(offset),
  });
  if (timestamp < EARLIEST && version < (SPECIAL_FROM.get(timestamp) ?? Number.POSITIVE_INFINITY)) {
    return { ...refused(question, NO_TIMESTAMP), errorCode: UNSUPPORTED_VERSION };
  }
  switch (timestamp) {
    case LATEST:
      return partition.isEndKnown ? at(highWatermark) : refused(question, endUnknown(partition.name));
    case EARLIEST:
    case EARLIEST_LOCAL:
      return at(logStartOffset);
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return at(-1);
    default:
  }
  if (!Number.isSafeInteger(timestamp)) return refused(question, NO_TIMESTAMP);
  return new Promise((resolve) => {
    const fail = (error: Error): void => {
      const storage = refusal('KAFKA_STORAGE_ERROR', `reading ${partition.name} failed: ${error.message}`);
      resolve(refused(question, partition.problem(-1) ?? storage));
    };
    const look = (timestampMs: number): void =>
      partition.offsetForTimestamp(timestampMs, (error, record) => {
        if (error !== undefined) fail(error);
        else resolve(record === undefined ? at(-1) : at(record.offset, record.timestampMs));
      });
    if (timestamp !== MAX_TIMESTAMP) return look(timestamp);
    partition.maxTimestamp((error, latestMs) => {
      if (error !== undefined) fail(error);
      else if (latestMs < 0) resolve(at(-1));
      else look(latestMs);
    });
  });
}

function refused({ partitionIndex }: Question, why: Refusal): PartitionAnswer {
  return {
    partitionIndex,
    errorCode: errorNumber(inWordsOfNames(why).code),
    timestamp: -1,
    offset: -1,
    leaderEpoch: -1,
  };
}
