import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, int16, int32, int8, nullableString, string, struct } from '../schema.ts';

/**
 * AlterConfigs (key 33), versions 0 to 2, flexible from 2.
 *
 * ```
 * Request => [resources] validateOnly
 *   resources => resourceType resourceName [configs]
 *     resourceType => INT8
 *     resourceName => STRING
 *     configs => name value
 *       name => STRING
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
export const alterConfigs = new Api({
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 2],
  flexibleFrom: 2,
  request: struct({
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
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
export type AlterConfigsRequest = RequestOf<typeof alterConfigs>;
/** A response to be written. */
export type AlterConfigsResponse = ResponseToSend<typeof alterConfigs>;
