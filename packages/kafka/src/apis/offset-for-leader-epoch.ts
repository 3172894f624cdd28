import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, int64, string, struct } from '../schema.ts';

/**
 * OffsetForLeaderEpoch (key 23), versions 2 to 4, flexible from 4.
 *
 * ```
 * Request => replicaId(3+) [topics]
 *   replicaId => INT32
 *   topics => topic [partitions]
 *     topic => STRING
 *     partitions => partition currentLeaderEpoch leaderEpoch
 *       partition => INT32
 *       currentLeaderEpoch => INT32
 *       leaderEpoch => INT32
 *
 * Response => throttleTimeMs [topics]
 *   throttleTimeMs => INT32
 *   topics => topic [partitions]
 *     topic => STRING
 *     partitions => errorCode partition leaderEpoch endOffset
 *       errorCode => INT16
 *       partition => INT32
 *       leaderEpoch => INT32
 *       endOffset => INT64
 * ```
 */
export const offsetForLeaderEpoch = new Api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexibleFrom: 4,
  request: struct({
    replicaId: from(3, int32, -2),
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: from(2, int32, -1),
            leaderEpoch: int32,
          }),
        ),
      }),
    ),
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            errorCode: int16,
            partition: int32,
            leaderEpoch: from(2, int32, -1),
            endOffset: from(2, int64, -1),
          }),
        ),
      }),
    ),
  }),
});

/** A request as it is read. */
export type OffsetForLeaderEpochRequest = RequestOf<typeof offsetForLeaderEpoch>;
/** A response to be written. */
export type OffsetForLeaderEpochResponse = ResponseToSend<typeof offsetForLeaderEpoch>;
