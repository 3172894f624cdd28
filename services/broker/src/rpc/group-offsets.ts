import { create } from '@bufbuild/protobuf';
import type { Clock } from '@weir/base/clock.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import type { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import {
  CommitOffsetsResponseSchema,
  DeleteOffsetsResponseSchema,
  FetchOffsetsResponseSchema,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import type {
  CommitOffsetsRequest,
  CommitOffsetsResponse,
  DeleteOffsetsRequest,
  DeleteOffsetsResponse,
  FetchOffsetsRequest,
  FetchOffsetsResponse,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import type { CommittedOffset, TopicPartition } from '../group/committed-offsets.ts';
import { findGroup } from '../group/group-calls.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import { commitOffsets as commitAll, deleteOffsets as deleteAll } from '../group/offset-calls.ts';
import type { DeletedOffsets } from '../group/offset-calls.ts';
import { checkCount } from './check-count.ts';
import { optional, outcomeOf } from './group-answer.ts';

/** What offsets need. */
export interface GroupOffsetsParts {
  readonly groups: GroupCoordinator;
  readonly clock: Clock;
  /** Undefined before the coordinator of the cluster has told. */
  readonly image: () => ClusterImage | undefined;
}

/** CommitOffsets: all that can be are stored together, then it is answered. @throws WeirError INVALID_REQUEST */
export async function commitOffsets(
  { groups, clock, image }: GroupOffsetsParts,
  request: CommitOffsetsRequest,
): Promise<CommitOffsetsResponse> {
  checkCount(request.offsets.length, PARTITIONS_PER_REQUEST_MAX, 'offsets');
  const committedMs = clock.wallMs();
  const offsets = request.offsets.map(({ topic: name, partition, offset, leaderEpoch, metadata }) => ({
    topic: image()?.topic(name) ?? ('UNKNOWN_TOPIC_OR_PARTITION' as const),
    partition,
    committed: {
      offset: Number(offset),
      leaderEpoch,
      metadata,
      committedMs,
      expiresMs: undefined,
      topicId: undefined,
    },
  }));
  const { groupId, memberId, instanceId, generation } = request;
  const identity = { memberId, instanceId: optional(instanceId), generation };
  const codes = await new Promise<readonly ErrorCode[]>((resolve) =>
    commitAll(groups, { groupId, identity, learnsOfNoGroup: false }, offsets, resolve),
  );
  return create(CommitOffsetsResponseSchema, { results: codes.map(outcomeOf) });
}

/** FetchOffsets: what is stored. A group that is not there has committed nothing. @throws WeirError INVALID_REQUEST */
export function fetchOffsets(groups: GroupCoordinator, request: FetchOffsetsRequest): FetchOffsetsResponse {
  const { groupId, partitions } = request;
  checkCount(partitions.length, PARTITIONS_PER_REQUEST_MAX, 'partitions');
  const group = findGroup(groups, groupId);
  if (typeof group === 'string') {
    return create(FetchOffsetsResponseSchema, outcomeOf(group === 'GROUP_ID_NOT_FOUND' ? 'NONE' : group));
  }
  const found: (TopicPartition & { readonly committed: CommittedOffset })[] = [];
  if (partitions.length === 0) found.push(...group.offsets);
  for (const { topic, partition } of partitions) {
    const committed = group.offsets.get({ topic, partition });
    if (committed !== undefined) found.push({ topic, partition, committed });
  }
  return create(FetchOffsetsResponseSchema, {
    ...outcomeOf('NONE'),
    offsets: found.map(({ topic, partition, committed: { offset, leaderEpoch, metadata, committedMs } }) => ({
      topic,
      partition,
      offset: BigInt(offset),
      leaderEpoch,
      metadata,
      committedMs: BigInt(committedMs),
    })),
  });
}

/** DeleteOffsets. @throws WeirError INVALID_REQUEST */
export async function deleteOffsets(
  groups: GroupCoordinator,
  { groupId, partitions }: DeleteOffsetsRequest,
): Promise<DeleteOffsetsResponse> {
  checkCount(partitions.length, PARTITIONS_PER_REQUEST_MAX, 'partitions');
  const places = partitions.map(({ topic, partition }) => ({ topic, partition }));
  const { error, results } = await new Promise<DeletedOffsets>((resolve) =>
    deleteAll(groups, groupId, places, resolve),
  );
  return create(DeleteOffsetsResponseSchema, { ...outcomeOf(error), results: results.map(outcomeOf) });
}
