import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, int16, int32, string, struct } from '../schema.ts';

/**
 * OffsetDelete (key 47), version 0, never flexible.
 *
 * ```
 * Request => groupId [topics]
 *   groupId => STRING
 *   topics => name [partitions]
 *     name => STRING
 *     partitions => partitionIndex
 *       partitionIndex => INT32
 *
 * Response => errorCode throttleTimeMs [topics]
 *   errorCode => INT16
 *   throttleTimeMs => INT32
 *   topics => name [partitions]
 *     name => STRING
 *     partitions => partitionIndex errorCode
 *       partitionIndex => INT32
 *       errorCode => INT16
 * ```
 */
export const offsetDelete = new Api({
  key: 47,
  name: 'OffsetDelete',
  versions: [0, 0],
  flexibleFrom: Number.POSITIVE_INFINITY,
  request: struct({
    groupId: string,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
          }),
        ),
      }),
    ),
  }),
  response: struct({
    errorCode: int16,
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
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
export type OffsetDeleteRequest = RequestOf<typeof offsetDelete>;
/** A response to be written. */
export type OffsetDeleteResponse = ResponseToSend<typeof offsetDelete>;
