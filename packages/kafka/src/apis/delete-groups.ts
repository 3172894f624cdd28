import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, int16, int32, string, struct } from '../schema.ts';

/**
 * DeleteGroups (key 42), versions 0 to 2, flexible from 2. Kafka 4.4 has a version 3, whose results have a message.
 *
 * ```
 * Request => [groupsNames]
 *   groupsNames => STRING
 *
 * Response => throttleTimeMs [results]
 *   throttleTimeMs => INT32
 *   results => groupId errorCode
 *     groupId => STRING
 *     errorCode => INT16
 * ```
 */
export const deleteGroups = new Api({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexibleFrom: 2,
  request: struct({
    groupsNames: array(string),
  }),
  response: struct({
    throttleTimeMs: int32,
    results: array(
      struct({
        groupId: string,
        errorCode: int16,
      }),
    ),
  }),
});

/** A request as it is read. */
export type DeleteGroupsRequest = RequestOf<typeof deleteGroups>;
/** A response to be written. */
export type DeleteGroupsResponse = ResponseToSend<typeof deleteGroups>;
