import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, int8, string, struct } from '../schema.ts';

/**
 * ListConfigResources (key 74), versions 0 to 1, flexible from 0.
 *
 * ```
 * Request => [resourceTypes](1+)
 *   resourceTypes => INT8
 *
 * Response => throttleTimeMs errorCode [configResources]
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   configResources => resourceName resourceType(1+)
 *     resourceName => STRING
 *     resourceType => INT8
 * ```
 */
export const listConfigResources = new Api({
  key: 74,
  name: 'ListConfigResources',
  versions: [0, 1],
  flexibleFrom: 0,
  request: struct({
    resourceTypes: from(1, array(int8)),
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    configResources: array(
      struct({
        resourceName: string,
        resourceType: from(1, int8, 16),
      }),
    ),
  }),
});

/** A request as it is read. */
export type ListConfigResourcesRequest = RequestOf<typeof listConfigResources>;
/** A response to be written. */
export type ListConfigResourcesResponse = ResponseToSend<typeof listConfigResources>;
