import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, int64, int8, string, struct } from '../schema.ts';

/**
 * ListOffsets (key 2), versions 1 to 11, flexible from 6.
 *
 * ```
 * Request => replicaId isolationLevel(2+) [topics] timeoutMs(10+)
 *   replicaId => INT32
 *   isolationLevel => INT8
 *   topics => name [partitions]
 *     name => STRING
 *     partitions => partitionIndex currentLeaderEpoch(4+) timestamp
 *       partitionIndex => INT32
 *       currentLeaderEpoch => INT32
 *       timestamp => INT64
 *   timeoutMs => INT32
 *
 * Response => throttleTimeMs(2+) [topics]
 *   throttleTimeMs => INT32
 *   topics => name [partitions]
 *     name => STRING
 *     partitions => partitionIndex errorCode timestamp offset leaderEpoch(4+)
 *       partitionIndex => INT32
 *       errorCode => INT16
 *       timestamp => INT64
 *       offset => INT64
 *       leaderEpoch => INT32
 * ```
 */
export const listOffsets = new Api({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 11],
  flexibleFrom: 6,
  request: struct({
    replicaId: int32,
    isolationLevel: from(2, int8),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            currentLeaderEpoch: from(4, int32, -1),
            timestamp: int64,
          }),
        ),
      }),
    ),
    timeoutMs: from(10, int32),
  }),
  response: struct({
    throttleTimeMs: from(2, int32),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            timestamp: from(1, int64, -1),
            offset: from(1, int64, -1),
            leaderEpoch: from(4, int32, -1),
          }),
        ),
      }),
    ),
  }),
});

/** A request as it is read. */
export type ListOffsetsRequest = RequestOf<typeof listOffsets>;
/** A response to be written. */
export type ListOffsetsResponse = ResponseToSend<typeof listOffsets>;
