import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, int16, int32, nullableArray, nullableString, string, struct } from '../schema.ts';

/**
 * CreatePartitions (key 37), versions 0 to 3, flexible from 2.
 *
 * ```
 * Request => [topics] timeoutMs validateOnly
 *   topics => name count [assignments]
 *     name => STRING
 *     count => INT32
 *     assignments => [brokerIds]
 *       brokerIds => INT32
 *   timeoutMs => INT32
 *   validateOnly => BOOL
 *
 * Response => throttleTimeMs [results]
 *   throttleTimeMs => INT32
 *   results => name errorCode errorMessage
 *     name => STRING
 *     errorCode => INT16
 *     errorMessage => nullable STRING
 * ```
 */
export const createPartitions = new Api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexibleFrom: 2,
  request: struct({
    topics: array(
      struct({
        name: string,
        count: int32,
        assignments: nullableArray(
          struct({
            brokerIds: array(int32),
          }),
        ),
      }),
    ),
    timeoutMs: int32,
    validateOnly: boolean,
  }),
  response: struct({
    throttleTimeMs: int32,
    results: array(
      struct({
        name: string,
        errorCode: int16,
        errorMessage: nullableString(),
      }),
    ),
  }),
});

/** A request as it is read. */
export type CreatePartitionsRequest = RequestOf<typeof createPartitions>;
/** A response to be written. */
export type CreatePartitionsResponse = ResponseToSend<typeof createPartitions>;
