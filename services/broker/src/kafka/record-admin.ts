import type { Clock } from '@weir/base/clock.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { deleteRecords as deleteRecordsApi, DeleteRecordsRequest } from '@weir/kafka/apis/delete-records.ts';
import type { describeLogDirs } from '@weir/kafka/apis/describe-log-dirs.ts';
import { deleteRecords } from '../delete-records.ts';
import type { RecordsAsked } from '../delete-records.ts';
import type { DiskRoom } from '../disk-room.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { eachOnce } from './repeated.ts';
import { inWordsOfNames, servingByName } from './topics.ts';

/** Deletes the oldest records of partitions that this broker leads. */
export async function answerDeleteRecords(
  cluster: ClusterView,
  partitions: Partitions,
  clock: Clock,
  exchange: Exchange<typeof deleteRecordsApi>,
): Promise<void> {
  const { request } = exchange;
  const asked = [...eachOnce(request.topics, BY_NAME)].map(({ topic: { name }, parts }) => ({
    name,
    parts: [...parts],
  }));
  function* each(): Generator<RecordsAsked> {
    for (const { name, parts } of asked) {
      for (const { partitionIndex, offset: before } of parts)
        yield { partition: servingByName({ cluster, partitions }, name, partitionIndex, -1), before };
    }
  }
  const onGone = (end: () => void): void => void (exchange.onGone = end);
  const patience = { clock, timeoutMs: Math.max(0, request.timeoutMs), onGone };
  const starts = (await deleteRecords(each(), patience)).values();
  const topics = asked.map(({ name, parts }) => ({
    name,
    partitions: parts.map(({ partitionIndex }) => answerOf(partitionIndex, starts.next().value!)),
  }));
  exchange.answer({ throttleTimeMs: 0, topics });
}

function answerOf(
  partitionIndex: number,
  start: Offset | Refusal,
): { partitionIndex: number; lowWatermark: number; errorCode: number } {
  return typeof start === 'number'
    ? { partitionIndex, lowWatermark: start, errorCode: 0 }
    : { partitionIndex, lowWatermark: -1, errorCode: errorNumber(inWordsOfNames(start).code) };
}

type TopicData = DeleteRecordsRequest['topics'][number];

const BY_NAME = {
  keyOf: ({ name }: TopicData) => name,
  partsOf: ({ partitions }: TopicData) => partitions,
  indexOf: ({ partitionIndex }: TopicData['partitions'][number]) => partitionIndex,
};

/** Answers how large the logs on this broker are, and how much room its disk has. */
export function answerDescribeLogDirs(
  parts: {
    readonly cluster: ClusterView;
    readonly partitions: Partitions;
    readonly room: DiskRoom;
    /** The data directory. */
    readonly path: string;
  },
  exchange: Exchange<typeof describeLogDirs>,
): void {
  const { topics: asked } = exchange.request;
  const wanted =
    asked === null ? undefined : new Map(asked.map(({ topic, partitions }) => [topic, new Set(partitions)]));
  const topics = new Map<
    string,
    { partitionIndex: number; partitionSize: number; offsetLag: number; isFutureKey: boolean }[]
  >();
  for (const partition of parts.partitions.all()) {
    const { name } = partition.topic;
    const { index } = partition.key;
    if (partition.state.kind === 'deleted' || partition.state.kind === 'unassigned') continue;
    if (wanted !== undefined && wanted.get(name)?.has(index) !== true) continue;
    const ofTopic = topics.get(name) ?? [];
    ofTopic.push({ partitionIndex: index, partitionSize: partition.sizeBytes, offsetLag: 0, isFutureKey: false });
    topics.set(name, ofTopic);
  }
  const { freeBytes, totalBytes } = parts.room.space;
  exchange.answer({
    throttleTimeMs: 0,
    results: [
      {
        errorCode: 0,
        logDir: parts.path,
        topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
        totalBytes,
        usableBytes: freeBytes,
      },
    ],
  });
}
