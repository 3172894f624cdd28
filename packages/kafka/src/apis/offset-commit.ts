import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, int64, nullableString, string, struct, until, uuid } from '../schema.ts';

/**
 * OffsetCommit (key 8), versions 2 to 10, flexible from 8. A committed offset past 2^53 is read as the nearest number. It
 * has to be refused: the largest ones cannot be written again.
 *
 * ```
 * Request => groupId generationIdOrMemberEpoch memberId groupInstanceId(7+) retentionTimeMs(2-4) [topics]
 *   groupId => STRING
 *   generationIdOrMemberEpoch => INT32
 *   memberId => STRING
 *   groupInstanceId => nullable STRING
 *   retentionTimeMs => INT64
 *   topics => name(2-9) topicId(10+) [partitions]
 *     name => STRING
 *     topicId => UUID
 *     partitions => partitionIndex committedOffset committedLeaderEpoch(6+) committedMetadata
 *       partitionIndex => INT32
 *       committedOffset => INT64
 *       committedLeaderEpoch => INT32
 *       committedMetadata => nullable STRING
 *
 * Response => throttleTimeMs(3+) [topics]
 *   throttleTimeMs => INT32
 *   topics => name(2-9) topicId(10+) [partitions]
 *     name => STRING
 *     topicId => UUID
 *     partitions => partitionIndex errorCode
 *       partitionIndex => INT32
 *       errorCode => INT16
 * ```
 */
export const offsetCommit = new Api({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 10],
  flexibleFrom: 8,
  request: struct({
    groupId: string,
    generationIdOrMemberEpoch: from(1, int32, -1),
    memberId: string,
    groupInstanceId: from(7, nullableString()),
    retentionTimeMs: until(4, int64, -1),
    topics: array(
      struct({
        name: until(9, string),
        topicId: from(10, uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64,
            committedLeaderEpoch: from(6, int32, -1),
            committedMetadata: nullableString(),
          }),
        ),
      }),
    ),
  }),
  response: struct({
    throttleTimeMs: from(3, int32),
    topics: array(
      struct({
        name: until(9, string),
        topicId: from(10, uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
          }),
        ),
      }),
    ),
  }),
});

/** A request as it is read. */
export type OffsetCommitRequest = RequestOf<typeof offsetCommit>;
/** A response to be written. */
export type OffsetCommitResponse = ResponseToSend<typeof offsetCommit>;
