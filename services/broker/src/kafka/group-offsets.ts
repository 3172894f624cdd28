import type { Clock } from '@weir/base/clock.ts';
import { OFFSET_METADATA_BYTES_MAX } from '@weir/base/group-limits.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { offsetCommit, OffsetCommitRequest } from '@weir/kafka/apis/offset-commit.ts';
import type { offsetDelete } from '@weir/kafka/apis/offset-delete.ts';
import type { offsetFetch, OffsetFetchResponse } from '@weir/kafka/apis/offset-fetch.ts';
import type { CommittedOffset, TopicPartition } from '../group/committed-offsets.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import { GROUP_ERROR_NUMBERS } from '../group/group-error.ts';
import type { GroupError } from '../group/group-error.ts';
import type { CommitRequest } from '../group/group-messages.ts';
import type { GroupShard } from '../group/group-shard.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { groupIdProblem, textProblem } from './group-id.ts';
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
export function answerOffsetCommit(parts: GroupOffsetsParts, exchange: Exchange<typeof offsetCommit>): void {
  const { request, version } = exchange;
  const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = request;
  const nowMs = parts.clock.wallMs();
  const commits = new Map<string, TopicPartition & { readonly committed: CommittedOffset }>();
  const shard = textProblem(groupId) ?? parts.groups.shardFor(groupId);
  const identity = { memberId, instanceId: groupInstanceId ?? undefined, generation };
  const refused = typeof shard === 'string' ? shard : commitRefusal(shard, identity, { groupId, version });
  const topics = request.topics.map((asked) => {
    const topic = findTopic(parts.cluster.image, { name: asked.name, id: asked.topicId });
    const partitions = asked.partitions.map((partition) => {
      const problem = refused === 'NONE' ? commitProblem(topic, partition, version) : GROUP_ERROR_NUMBERS[refused];
      if (problem === 0 && topic !== undefined) {
        const place = { topic: topic.name, partition: partition.partitionIndex };
        const committed = committedOf(partition, {
          request,
          nowMs,
          topicId: version >= IDS_FROM ? topic.idBytes : undefined,
        });
        // Of one that is there twice the last one counts.
        commits.set(`${topic.name}\0${place.partition}`, { ...place, committed });
      }
      return { partitionIndex: partition.partitionIndex, errorCode: problem };
    });
    return { name: asked.name, topicId: Buffer.from(asked.topicId), partitions };
  });
  const answer = (error: GroupError): void => {
    const errorCode = GROUP_ERROR_NUMBERS[error];
    const answered = topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((one) => (one.errorCode === 0 ? { ...one, errorCode } : one)),
    }));
    exchange.answer({ throttleTimeMs: 0, topics: answered });
  };
  if (typeof shard === 'string' || commits.size === 0) return answer('NONE');
  shard.commit(groupId, [...commits.values()], answer);
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
export function answerOffsetDelete(parts: GroupOffsetsParts, exchange: Exchange<typeof offsetDelete>): void {
  const { groupId, topics: asked } = exchange.request;
  const refuse = (error: GroupError): void =>
    exchange.answer({ throttleTimeMs: 0, errorCode: GROUP_ERROR_NUMBERS[error], topics: [] });
  const shard = groupIdProblem(groupId) ?? parts.groups.shardOf(groupId);
  if (typeof shard === 'string') return refuse(shard);
  const group = shard.find(groupId);
  if (group === undefined) return refuse('GROUP_ID_NOT_FOUND');
  const { state } = group.classic;
  if (state !== 'Empty' && group.classic.protocolType !== 'consumer') return refuse('NON_EMPTY_GROUP');
  const gone: (TopicPartition & { readonly committed: null })[] = [];
  const topics = asked.map(({ name, partitions }) => {
    const error = group.classic.offsetDeleteError(name);
    return {
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const place = { topic: name, partition: partitionIndex };
        if (error === 'NONE' && group.offsets.get(place) !== undefined) gone.push({ ...place, committed: null });
        return { partitionIndex, errorCode: GROUP_ERROR_NUMBERS[error] };
      }),
    };
  });
  if (gone.length === 0) return exchange.answer({ throttleTimeMs: 0, errorCode: 0, topics });
  shard.commit(groupId, gone, (error) => {
    if (error === 'NONE') exchange.answer({ throttleTimeMs: 0, errorCode: 0, topics });
    else refuse(error);
  });
}

function commitRefusal(
  shard: GroupShard,
  identity: CommitRequest,
  { groupId, version }: { readonly groupId: string; readonly version: number },
): GroupError {
  const isNobodys = shard.find(groupId) === undefined && identity.generation >= 0;
  return isNobodys && version >= GROUP_NOT_FOUND_FROM ? 'GROUP_ID_NOT_FOUND' : shard.mayCommit(groupId, identity);
}

function commitProblem(topic: TopicInfo | undefined, partition: CommitPartition, version: number): number {
  if (topic === undefined) return errorNumber(version >= IDS_FROM ? 'UNKNOWN_TOPIC_ID' : UNKNOWN);
  if (topic.partitions[partition.partitionIndex] === undefined) return errorNumber(UNKNOWN);
  // What numbers cannot hold is no offset that anybody was given.
  if (!Number.isSafeInteger(partition.committedOffset)) return errorNumber('INVALID_REQUEST');
  const isTooLong = Buffer.byteLength(partition.committedMetadata ?? '') > OFFSET_METADATA_BYTES_MAX;
  return isTooLong ? GROUP_ERROR_NUMBERS.OFFSET_METADATA_TOO_LARGE : 0;
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
  if (typeof shard === 'string') return { groupId, topics: [], errorCode: GROUP_ERROR_NUMBERS[shard] };
  const found = topics === null ? allOffsets(parts, shard, groupId) : undefined;
  const answers = (found ?? topics ?? []).map(({ name, topicId, partitionIndexes }) => {
    const topic = version >= IDS_FROM ? findTopic(parts.cluster.image, { name: '', id: topicId }) : undefined;
    const isUnknown = version >= IDS_FROM && topic === undefined;
    return {
      name,
      topicId: Buffer.from(topicId),
      partitions: partitionIndexes.map((partitionIndex) => {
        if (isUnknown) {
          return { ...NOTHING_COMMITTED, partitionIndex, errorCode: errorNumber('UNKNOWN_TOPIC_ID') };
        }
        const committed = shard.find(groupId)?.offsets.get({ topic: topic?.name ?? name, partition: partitionIndex });
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
  shard: GroupShard,
  groupId: string,
): NonNullable<OffsetQuestion['topics']> {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of shard.find(groupId)?.offsets ?? []) {
    const indexes = byTopic.get(topic);
    if (indexes === undefined) byTopic.set(topic, [partition]);
    else indexes.push(partition);
  }
  return [...byTopic].map(([name, partitionIndexes]) => ({
    name,
    topicId: cluster.image.topic(name)?.idBytes ?? NO_TOPIC_ID,
    partitionIndexes,
  }));
}

const UNKNOWN: ErrorCode = 'UNKNOWN_TOPIC_OR_PARTITION';
const NO_TOPIC_ID = new Uint8Array(16);
const NOTHING_COMMITTED = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 };
