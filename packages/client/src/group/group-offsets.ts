import { create } from '@bufbuild/protobuf';
import type { Refusal } from '@weir/base/errors.ts';
import { PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  CommitOffsetsRequestSchema,
  DeleteOffsetsRequestSchema,
  FetchOffsetsRequestSchema,
  GroupService,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { TopicPartition } from './assignor.ts';
import { refusalOf, throwIfRefused } from './group-calls.ts';
import type { GroupCalls } from './group-calls.ts';

const COMMIT = protobufMethod(GroupService.method.commitOffsets);
const FETCH = protobufMethod(GroupService.method.fetchOffsets);
const DELETE = protobufMethod(GroupService.method.deleteOffsets);

/** How far a group has come in a partition, or is to have come. */
export interface GroupOffset extends TopicPartition {
  /** Of the next record that it wants. */
  readonly offset: number;
  /** Whatever is to be found again with it. */
  readonly metadata?: string;
}

/** What is committed. */
export interface CommittedGroupOffset extends GroupOffset {
  readonly metadata: string;
  /** In milliseconds since 1970. */
  readonly committedMs: number;
}

/** Who commits. */
export interface CommitterIdentity {
  readonly memberId: string;
  readonly instanceId: string;
  readonly generation: number;
}

/** Nobody: whoever commits for a group that nobody is in. */
export const NOBODY: CommitterIdentity = { memberId: '', instanceId: '', generation: -1 };

/**
 * Commits, in as many requests as it takes.
 *
 * @returns of each offset why it is not committed, in the order given
 * @throws WeirError (as a rejection) when nobody answers
 */
export async function commitOffsets(
  calls: GroupCalls,
  { groupId, identity }: { readonly groupId: string; readonly identity: CommitterIdentity },
  offsets: readonly GroupOffset[],
): Promise<readonly (Refusal | undefined)[]> {
  const outcomes: (Refusal | undefined)[] = [];
  for (const part of inParts(offsets)) {
    const request = create(CommitOffsetsRequestSchema, {
      groupId,
      ...identity,
      offsets: part.map(({ offset, metadata = '', ...place }) => ({
        ...place,
        offset: BigInt(offset),
        leaderEpoch: -1,
        metadata,
      })),
    });
    const { results } = await calls.ask(groupId, COMMIT, request, {
      outcomeOf: ({ results: told }) => told.find(({ code }) => code !== 'NONE'),
    });
    outcomes.push(...results.map(refusalOf));
  }
  return outcomes;
}

/**
 * What is committed of some partitions, or of all; those without anything are left out.
 *
 * @throws WeirError (as a rejection)
 */
export async function fetchOffsets(
  calls: GroupCalls,
  groupId: string,
  places?: readonly TopicPartition[],
): Promise<readonly CommittedGroupOffset[]> {
  const found: CommittedGroupOffset[] = [];
  for (const partitions of places === undefined ? [[]] : inParts(places)) {
    const request = create(FetchOffsetsRequestSchema, {
      groupId,
      partitions: partitions.map(({ topic, partition }) => ({ topic, partition })),
    });
    const response = await calls.ask(groupId, FETCH, request, { outcomeOf: (told) => told });
    throwIfRefused(response);
    for (const { topic, partition, offset, metadata, committedMs } of response.offsets) {
      found.push({ topic, partition, offset: Number(offset), metadata, committedMs: Number(committedMs) });
    }
  }
  return found;
}

/**
 * Forgets what is committed of partitions.
 *
 * @returns of each why it is not forgotten, in the order given
 * @throws WeirError (as a rejection) when all of it is refused
 */
export async function deleteOffsets(
  calls: GroupCalls,
  groupId: string,
  places: readonly TopicPartition[],
): Promise<readonly (Refusal | undefined)[]> {
  const outcomes: (Refusal | undefined)[] = [];
  for (const part of inParts(places)) {
    const partitions = part.map(({ topic, partition }) => ({ topic, partition }));
    const request = create(DeleteOffsetsRequestSchema, { groupId, partitions });
    const response = await calls.ask(groupId, DELETE, request, { outcomeOf: (told) => told });
    throwIfRefused(response);
    outcomes.push(...response.results.map(refusalOf));
  }
  return outcomes;
}

function inParts<T>(all: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < all.length; at += PARTITIONS_PER_REQUEST_MAX) {
    parts.push(all.slice(at, at + PARTITIONS_PER_REQUEST_MAX));
  }
  return parts;
}
