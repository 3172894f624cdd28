import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, int16, int32, int64, string, struct } from '../schema.ts';

/**
 * DeleteRecords (key 21), versions 0 to 2, flexible from 2.
 *
 * ```
 * Request => [topics] timeoutMs
 *   topics => name [partitions]
 *     name => STRING
 *     partitions => partitionIndex offset
 *       partitionIndex => INT32
 *       offset => INT64
 *   timeoutMs => INT32
 *
 * Response => throttleTimeMs [topics]
 *   throttleTimeMs => INT32
 *   topics => name [partitions]
 *     name => STRING
 *     partitions => partitionIndex lowWatermark errorCode
 *       partitionIndex => INT32
 *       lowWatermark => INT64
 *       errorCode => INT16
 * ```
 */
export const deleteRecords = new Api({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 2],
  flexibleFrom: 2,
  request: struct({
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            offset: int64,
          }),
        ),
      }),
    ),
    timeoutMs: int32,
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            lowWatermark: int64,
            errorCode: int16,
          }),
        ),
      }),
    ),
  }),
});

/** A request as it is read. */
export type DeleteRecordsRequest = RequestOf<typeof deleteRecords>;
/** A response to be written. */
export type DeleteRecordsResponse = ResponseToSend<typeof deleteRecords>;
