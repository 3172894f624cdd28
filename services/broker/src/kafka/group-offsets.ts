import type { Clock } from '@weir/base/clock.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { offsetCommit, OffsetCommitRequest } from '@weir/kafka/apis/offset-commit.ts';
import type { offsetDelete } from '@weir/kafka/apis/offset-delete.ts';
import type { offsetFetch, OffsetFetchResponse } from '@weir/kafka/apis/offset-fetch.ts';
import type { CommittedOffset, CommittedOffsets } from '../group/committed-offsets.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import { textProblem } from '../group/group-id.ts';
import { commitOffsets, deleteOffsets } from '../group/offset-calls.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { findTopic } from './topics.ts';

/** The version from which topics are named by their ids alone. */
const IDS_FROM = 10;
/** The one of OffsetFetch from which there are several groups in a request. */
const GROUPS_FROM = 8;
/** The one of OffsetFetch from which the group's error has a place of its own. */
const GROUP_ERROR_FROM = 2;
/** The one of OffsetCommit from which a member is told that there is no such group. */
const GROUP_NOT_FOUND_FROM = 9;
/** The client leaves it to the broker how long an offset is kept. */
const DEFAULT_RETENTION = -1;

/** What offsets need. */
export interface GroupOffsetsParts {
  readonly groups: GroupCoordinator;
  readonly cluster: ClusterView;
  readonly clock: Clock;
}

type CommitPartition = OffsetCommitRequest['topics'][number]['partitions'][number];

/** Answers OffsetCommit: all commits of a request are stored together, then it is answered. */
export function answerOffsetCommit(
  { groups, cluster, clock }: GroupOffsetsParts,
  exchange: Exchange<typeof offsetCommit>,
): void {
  const { request, version } = exchange;
  const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = request;
  const nowMs = clock.wallMs();
  const offsets = request.topics.flatMap(({ name, topicId, partitions }) => {
    const topic = findTopic(cluster.image, { name, id: topicId });
    const keptId = version >= IDS_FROM ? topic?.idBytes : undefined;
    return partitions.map((partition) => ({
      topic: topic ?? (version >= IDS_FROM ? 'UNKNOWN_TOPIC_ID' : UNKNOWN),
      partition: partition.partitionIndex,
      committed: committedOf(partition, { request, nowMs, topicId: keptId }),
    }));
  });
  const identity = { memberId, instanceId: groupInstanceId ?? undefined, generation };
  const committer = { groupId, identity, learnsOfNoGroup: version >= GROUP_NOT_FOUND_FROM };
  commitOffsets(groups, committer, offsets, (codes) => {
    let next = 0;
    const topics = request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId: Buffer.from(topicId),
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: errorNumber(codes[next++]!),
      })),
    }));
    exchange.answer({ throttleTimeMs: 0, topics });
  });
}

/** Answers OffsetFetch, with what is stored. */
export function answerOffsetFetch(parts: GroupOffsetsParts, exchange: Exchange<typeof offsetFetch>): void {
  const { request, version } = exchange;
  if (version >= GROUPS_FROM) {
    const groups = request.groups.map(({ groupId, topics }) => offsetsOf(parts, { groupId, topics, version }));
    return exchange.answer({ throttleTimeMs: 0, groups });
  }
  // Version 1 has no way to ask for all of them.
  const { groupId, topics: named } = request;
  const asked = named?.map((topic) => ({ ...topic, topicId: NO_TOPIC_ID })) ?? null;
  const { topics, errorCode } = offsetsOf(parts, { groupId, topics: asked, version });
  if (version >= GROUP_ERROR_FROM || errorCode === 0) return exchange.answer({ throttleTimeMs: 0, topics, errorCode });
  const refused = (asked ?? []).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => ({ ...NOTHING_COMMITTED, partitionIndex, errorCode })),
  }));
  exchange.answer({ throttleTimeMs: 0, topics: refused, errorCode });
}

/** Answers OffsetDelete. */
export function answerOffsetDelete({ groups }: GroupOffsetsParts, exchange: Exchange<typeof offsetDelete>): void {
  const { groupId, topics: asked } = exchange.request;
  const places = asked.flatMap(({ name: topic, partitions }) =>
    partitions.map(({ partitionIndex: partition }) => ({ topic, partition })),
  );
  deleteOffsets(groups, groupId, places, ({ error, results }) => {
    let next = 0;
    const topics = asked.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: errorNumber(results[next++] ?? error),
      })),
    }));
    exchange.answer({ throttleTimeMs: 0, errorCode: errorNumber(error), topics: error === 'NONE' ? topics : [] });
  });
}

function committedOf(
  { committedOffset, committedLeaderEpoch, committedMetadata }: CommitPartition,
  {
    request: { retentionTimeMs },
    nowMs,
    topicId,
  }: { readonly request: OffsetCommitRequest; readonly nowMs: number; readonly topicId: Uint8Array | undefined },
): CommittedOffset {
  return {
    offset: committedOffset,
    leaderEpoch: committedLeaderEpoch,
    metadata: committedMetadata ?? '',
    committedMs: nowMs,
    expiresMs: retentionTimeMs === DEFAULT_RETENTION ? undefined : nowMs + retentionTimeMs,
    topicId,
  };
}

interface OffsetQuestion {
  readonly groupId: string;
  /** Null: all that there are. */
  readonly topics:
    | readonly { readonly name: string; readonly topicId: Uint8Array; readonly partitionIndexes: readonly number[] }[]
    | null;
  readonly version: number;
}

type PartitionOffset = NonNullable<OffsetFetchResponse['topics']>[number]['partitions'][number];

interface GroupOffsets {
  readonly groupId: string;
  readonly topics: readonly {
    readonly name: string;
    readonly topicId: Uint8Array;
    readonly partitions: readonly PartitionOffset[];
  }[];
  readonly errorCode: number;
}

function offsetsOf(parts: GroupOffsetsParts, { groupId, topics, version }: OffsetQuestion): GroupOffsets {
  const shard = textProblem(groupId) ?? parts.groups.shardOf(groupId);
  if (typeof shard === 'string') return { groupId, topics: [], errorCode: errorNumber(shard) };
  const offsets = shard.find(groupId)?.offsets;
  const asked = topics ?? allOffsets(parts, offsets);
  const answers = asked.map(({ name, topicId, partitionIndexes }) => {
    const topic = version >= IDS_FROM ? findTopic(parts.cluster.image, { name: '', id: topicId }) : undefined;
    const isUnknown = version >= IDS_FROM && topic === undefined;
    return {
      name,
      topicId: Buffer.from(topicId),
      partitions: partitionIndexes.map((partitionIndex) => {
        if (isUnknown) {
          return { ...NOTHING_COMMITTED, partitionIndex, errorCode: errorNumber('UNKNOWN_TOPIC_ID') };
        }
        const committed = offsets?.get({ topic: topic?.name ?? name, partition: partitionIndex });
        if (committed === undefined) return { ...NOTHING_COMMITTED, partitionIndex };
        const { offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata } = committed;
        return { partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode: 0 };
      }),
    };
  });
  return { groupId, topics: answers, errorCode: 0 };
}

function allOffsets(
  { cluster }: GroupOffsetsParts,
  offsets: CommittedOffsets | undefined,
): NonNullable<OffsetQuestion['topics']> {
  return [...Map.groupBy(offsets ?? [], ({ topic }) => topic)].map(([name, places]) => ({
    name,
    topicId: cluster.image.topic(name)?.idBytes ?? NO_TOPIC_ID,
    partitionIndexes: places.map(({ partition }) => partition),
  }));
}

const UNKNOWN: ErrorCode = 'UNKNOWN_TOPIC_OR_PARTITION';
const NO_TOPIC_ID = new Uint8Array(16);
const NOTHING_COMMITTED = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 };
