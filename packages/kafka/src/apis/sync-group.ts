import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, bytes, from, int16, int32, nullableString, string, struct } from '../schema.ts';

/**
 * SyncGroup (key 14), versions 0 to 5, flexible from 4. Assignments are read as views of the message: who keeps one
 * copies it.
 *
 * ```
 * Request => groupId generationId memberId groupInstanceId(3+) protocolType(5+) protocolName(5+) [assignments]
 *   groupId => STRING
 *   generationId => INT32
 *   memberId => STRING
 *   groupInstanceId => nullable STRING
 *   protocolType => nullable STRING
 *   protocolName => nullable STRING
 *   assignments => memberId assignment
 *     memberId => STRING
 *     assignment => BYTES
 *
 * Response => throttleTimeMs(1+) errorCode protocolType(5+) protocolName(5+) assignment
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   protocolType => nullable STRING
 *   protocolName => nullable STRING
 *   assignment => BYTES
 * ```
 */
export const syncGroup = new Api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexibleFrom: 4,
  request: struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: from(3, nullableString()),
    protocolType: from(5, nullableString()),
    protocolName: from(5, nullableString()),
    assignments: array(
      struct({
        memberId: string,
        assignment: bytes,
      }),
    ),
  }),
  response: struct({
    throttleTimeMs: from(1, int32),
    errorCode: int16,
    protocolType: from(5, nullableString()),
    protocolName: from(5, nullableString()),
    assignment: bytes,
  }),
});

/** A request as it is read. */
export type SyncGroupRequest = RequestOf<typeof syncGroup>;
/** A response to be written. */
export type SyncGroupResponse = ResponseToSend<typeof syncGroup>;
