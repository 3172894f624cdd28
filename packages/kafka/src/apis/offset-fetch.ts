import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import {
  array,
  between,
  boolean,
  from,
  int16,
  int32,
  int64,
  nullableArray,
  nullableString,
  string,
  struct,
  until,
  uuid,
} from '../schema.ts';

/**
 * OffsetFetch (key 9), versions 1 to 10, flexible from 6. Before version 8 it asks for one group, and from then on for
 * several. Topics of null are all that the group has offsets of; version 1 cannot say that, and writes no topics.
 *
 * ```
 * Request => groupId(1-7) [topics](1-7) [groups](8+) requireStable(7+)
 *   groupId => STRING
 *   topics => name [partitionIndexes], nullable(2+)
 *     name => STRING
 *     partitionIndexes => INT32
 *   groups => groupId memberId(9+) memberEpoch(9+) [topics]
 *     groupId => STRING
 *     memberId => nullable STRING
 *     memberEpoch => INT32
 *     topics => name(8-9) topicId(10+) [partitionIndexes], nullable
 *       name => STRING
 *       topicId => UUID
 *       partitionIndexes => INT32
 *   requireStable => BOOL
 *
 * Response => throttleTimeMs(3+) [topics](1-7) errorCode(2-7) [groups](8+)
 *   throttleTimeMs => INT32
 *   topics => name [partitions]
 *     name => STRING
 *     partitions => partitionIndex committedOffset committedLeaderEpoch(5-7) metadata errorCode
 *       partitionIndex => INT32
 *       committedOffset => INT64
 *       committedLeaderEpoch => INT32
 *       metadata => nullable STRING
 *       errorCode => INT16
 *   errorCode => INT16
 *   groups => groupId [topics] errorCode
 *     groupId => STRING
 *     topics => name(8-9) topicId(10+) [partitions]
 *       name => STRING
 *       topicId => UUID
 *       partitions => partitionIndex committedOffset committedLeaderEpoch metadata errorCode
 *         partitionIndex => INT32
 *         committedOffset => INT64
 *         committedLeaderEpoch => INT32
 *         metadata => nullable STRING
 *         errorCode => INT16
 *     errorCode => INT16
 * ```
 */
export const offsetFetch = new Api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 10],
  flexibleFrom: 6,
  request: struct({
    groupId: until(7, string),
    topics: until(
      7,
      nullableArray(
        struct({
          name: string,
          partitionIndexes: array(int32),
        }),
        2,
      ),
      [],
    ),
    groups: from(
      8,
      array(
        struct({
          groupId: string,
          memberId: from(9, nullableString()),
          memberEpoch: from(9, int32, -1),
          topics: nullableArray(
            struct({
              name: until(9, string),
              topicId: from(10, uuid),
              partitionIndexes: array(int32),
            }),
          ),
        }),
      ),
    ),
    requireStable: from(7, boolean),
  }),
  response: struct({
    throttleTimeMs: from(3, int32),
    topics: until(
      7,
      array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              committedOffset: int64,
              committedLeaderEpoch: between(5, 7, int32, -1),
              metadata: nullableString(),
              errorCode: int16,
            }),
          ),
        }),
      ),
    ),
    errorCode: between(2, 7, int16),
    groups: from(
      8,
      array(
        struct({
          groupId: string,
          topics: array(
            struct({
              name: until(9, string),
              topicId: from(10, uuid),
              partitions: array(
                struct({
                  partitionIndex: int32,
                  committedOffset: int64,
                  committedLeaderEpoch: from(8, int32, -1),
                  metadata: nullableString(),
                  errorCode: int16,
                }),
              ),
            }),
          ),
          errorCode: int16,
        }),
      ),
    ),
  }),
});

/** A request as it is read. */
export type OffsetFetchRequest = RequestOf<typeof offsetFetch>;
/** A response to be written. */
export type OffsetFetchResponse = ResponseToSend<typeof offsetFetch>;
