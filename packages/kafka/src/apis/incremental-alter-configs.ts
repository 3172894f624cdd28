import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, int16, int32, int8, nullableString, string, struct } from '../schema.ts';

/**
 * IncrementalAlterConfigs (key 44), versions 0 to 1, flexible from 1.
 *
 * ```
 * Request => [resources] validateOnly
 *   resources => resourceType resourceName [configs]
 *     resourceType => INT8
 *     resourceName => STRING
 *     configs => name configOperation value
 *       name => STRING
 *       configOperation => INT8
 *       value => nullable STRING
 *   validateOnly => BOOL
 *
 * Response => throttleTimeMs [responses]
 *   throttleTimeMs => INT32
 *   responses => errorCode errorMessage resourceType resourceName
 *     errorCode => INT16
 *     errorMessage => nullable STRING
 *     resourceType => INT8
 *     resourceName => STRING
 * ```
 */
export const incrementalAlterConfigs = new Api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleFrom: 1,
  request: struct({
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            configOperation: int8,
            value: nullableString(),
          }),
        ),
      }),
    ),
    validateOnly: boolean,
  }),
  response: struct({
    throttleTimeMs: int32,
    responses: array(
      struct({
        errorCode: int16,
        errorMessage: nullableString(),
        resourceType: int8,
        resourceName: string,
      }),
    ),
  }),
});

/** A request as it is read. */
export type IncrementalAlterConfigsRequest = RequestOf<typeof incrementalAlterConfigs>;
/** A response to be written. */
export type IncrementalAlterConfigsResponse = ResponseToSend<typeof incrementalAlterConfigs>;
