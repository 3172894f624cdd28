import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, from, int16, int32, int64, nullableArray, string, struct } from '../schema.ts';

/**
 * DescribeLogDirs (key 35), versions 1 to 5, flexible from 2.
 *
 * ```
 * Request => [topics]
 *   topics => topic [partitions]
 *     topic => STRING
 *     partitions => INT32
 *
 * Response => throttleTimeMs errorCode(3+) [results]
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   results => errorCode logDir [topics] totalBytes(4+) usableBytes(4+) isCordoned(5+)
 *     errorCode => INT16
 *     logDir => STRING
 *     topics => name [partitions]
 *       name => STRING
 *       partitions => partitionIndex partitionSize offsetLag isFutureKey
 *         partitionIndex => INT32
 *         partitionSize => INT64
 *         offsetLag => INT64
 *         isFutureKey => BOOL
 *     totalBytes => INT64
 *     usableBytes => INT64
 *     isCordoned => BOOL
 * ```
 */
export const describeLogDirs = new Api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 5],
  flexibleFrom: 2,
  request: struct({
    topics: nullableArray(
      struct({
        topic: string,
        partitions: array(int32),
      }),
    ),
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: from(3, int16),
    results: array(
      struct({
        errorCode: int16,
        logDir: string,
        topics: array(
          struct({
            name: string,
            partitions: array(
              struct({
                partitionIndex: int32,
                partitionSize: int64,
                offsetLag: int64,
                isFutureKey: boolean,
              }),
            ),
          }),
        ),
        totalBytes: from(4, int64, -1),
        usableBytes: from(4, int64, -1),
        isCordoned: from(5, boolean, true),
      }),
    ),
  }),
});

/** A request as it is read. */
export type DescribeLogDirsRequest = RequestOf<typeof describeLogDirs>;
/** A response to be written. */
export type DescribeLogDirsResponse = ResponseToSend<typeof describeLogDirs>;
