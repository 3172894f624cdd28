import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, bytes, from, int16, int32, nullableString, string, struct } from '../schema.ts';

/**
 * JoinGroup (key 11), versions 0 to 9, flexible from 6. Metadata is read as a view of the message: who keeps it copies
 * it. Before version 1 the session timeout is the rebalance timeout too, which is then read as -1; before version 7 a
 * null protocolName is written as an empty one.
 *
 * ```
 * Request => groupId sessionTimeoutMs rebalanceTimeoutMs(1+) memberId groupInstanceId(5+) protocolType [protocols]
 *     reason(8+)
 *   groupId => STRING
 *   sessionTimeoutMs => INT32
 *   rebalanceTimeoutMs => INT32
 *   memberId => STRING
 *   groupInstanceId => nullable STRING
 *   protocolType => STRING
 *   protocols => name metadata
 *     name => STRING
 *     metadata => BYTES
 *   reason => nullable STRING
 *
 * Response => throttleTimeMs(2+) errorCode generationId protocolType(7+) protocolName leader skipAssignment(9+)
 *     memberId [members]
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   generationId => INT32
 *   protocolType => nullable STRING
 *   protocolName => nullable(7+) STRING
 *   leader => STRING
 *   skipAssignment => BOOL
 *   memberId => STRING
 *   members => memberId groupInstanceId(5+) metadata
 *     memberId => STRING
 *     groupInstanceId => nullable STRING
 *     metadata => BYTES
 * ```
 */
export const joinGroup = new Api({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 9],
  flexibleFrom: 6,
  request: struct({
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: from(1, int32, -1),
    memberId: string,
    groupInstanceId: from(5, nullableString()),
    protocolType: string,
    protocols: array(
      struct({
        name: string,
        metadata: bytes,
      }),
    ),
    reason: from(8, nullableString()),
  }),
  response: struct({
    throttleTimeMs: from(2, int32),
    errorCode: int16,
    generationId: from(0, int32, -1),
    protocolType: from(7, nullableString()),
    protocolName: nullableString(7),
    leader: string,
    skipAssignment: from(9, boolean),
    memberId: string,
    members: array(
      struct({
        memberId: string,
        groupInstanceId: from(5, nullableString()),
        metadata: bytes,
      }),
    ),
  }),
});

/** A request as it is read. */
export type JoinGroupRequest = RequestOf<typeof joinGroup>;
/** A response to be written. */
export type JoinGroupResponse = ResponseToSend<typeof joinGroup>;
