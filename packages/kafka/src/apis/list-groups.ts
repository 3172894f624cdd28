import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, string, struct } from '../schema.ts';

/**
 * ListGroups (key 16), versions 0 to 5, flexible from 3. No filter: all groups.
 *
 * ```
 * Request => [statesFilter](4+) [typesFilter](5+)
 *   statesFilter => STRING
 *   typesFilter => STRING
 *
 * Response => throttleTimeMs(1+) errorCode [groups]
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   groups => groupId protocolType groupState(4+) groupType(5+)
 *     groupId => STRING
 *     protocolType => STRING
 *     groupState => STRING
 *     groupType => STRING
 * ```
 */
export const listGroups = new Api({
  key: 16,
  name: 'ListGroups',
  versions: [0, 5],
  flexibleFrom: 3,
  request: struct({
    statesFilter: from(4, array(string)),
    typesFilter: from(5, array(string)),
  }),
  response: struct({
    throttleTimeMs: from(1, int32),
    errorCode: int16,
    groups: array(
      struct({
        groupId: string,
        protocolType: string,
        groupState: from(4, string),
        groupType: from(5, string),
      }),
    ),
  }),
});

/** A request as it is read. */
export type ListGroupsRequest = RequestOf<typeof listGroups>;
/** A response to be written. */
export type ListGroupsResponse = ResponseToSend<typeof listGroups>;
