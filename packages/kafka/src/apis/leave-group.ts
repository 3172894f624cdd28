import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, nullableString, string, struct, until } from '../schema.ts';

/**
 * LeaveGroup (key 13), versions 0 to 5, flexible from 4. Before version 3 one member leaves, and from then on any
 * number, each named by member id or group instance id.
 *
 * ```
 * Request => groupId memberId(0-2) [members](3+)
 *   groupId => STRING
 *   memberId => STRING
 *   members => memberId groupInstanceId reason(5+)
 *     memberId => STRING
 *     groupInstanceId => nullable STRING
 *     reason => nullable STRING
 *
 * Response => throttleTimeMs(1+) errorCode [members](3+)
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   members => memberId groupInstanceId errorCode
 *     memberId => STRING
 *     groupInstanceId => nullable STRING
 *     errorCode => INT16
 * ```
 */
export const leaveGroup = new Api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexibleFrom: 4,
  request: struct({
    groupId: string,
    memberId: until(2, string),
    members: from(
      3,
      array(
        struct({
          memberId: string,
          groupInstanceId: nullableString(),
          reason: from(5, nullableString()),
        }),
      ),
    ),
  }),
  response: struct({
    throttleTimeMs: from(1, int32),
    errorCode: int16,
    members: from(
      3,
      array(
        struct({
          memberId: string,
          groupInstanceId: nullableString(),
          errorCode: int16,
        }),
      ),
    ),
  }),
});

/** A request as it is read. */
export type LeaveGroupRequest = RequestOf<typeof leaveGroup>;
/** A response to be written. */
export type LeaveGroupResponse = ResponseToSend<typeof leaveGroup>;
