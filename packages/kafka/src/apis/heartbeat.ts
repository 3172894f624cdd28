import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { from, int16, int32, nullableString, string, struct } from '../schema.ts';

/**
 * Heartbeat (key 12), versions 0 to 4, flexible from 4.
 *
 * ```
 * Request => groupId generationId memberId groupInstanceId(3+)
 *   groupId => STRING
 *   generationId => INT32
 *   memberId => STRING
 *   groupInstanceId => nullable STRING
 *
 * Response => throttleTimeMs(1+) errorCode
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 * ```
 */
export const heartbeat = new Api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexibleFrom: 4,
  request: struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: from(3, nullableString()),
  }),
  response: struct({
    throttleTimeMs: from(1, int32),
    errorCode: int16,
  }),
});

/** A request as it is read. */
export type HeartbeatRequest = RequestOf<typeof heartbeat>;
/** A response to be written. */
export type HeartbeatResponse = ResponseToSend<typeof heartbeat>;
