import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, between, from, int16, int32, int8, nullableString, string, struct, until } from '../schema.ts';

/**
 * FindCoordinator (key 10), versions 0 to 6, flexible from 3.
 *
 * ```
 * Request => key(0-3) keyType(1+) [coordinatorKeys](4+)
 *   key => STRING
 *   keyType => INT8
 *   coordinatorKeys => STRING
 *
 * Response => throttleTimeMs(1+) errorCode(0-3) errorMessage(1-3) nodeId(0-3) host(0-3) port(0-3)
 *     [coordinators](4+)
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   errorMessage => nullable STRING
 *   nodeId => INT32
 *   host => STRING
 *   port => INT32
 *   coordinators => key nodeId host port errorCode errorMessage
 *     key => STRING
 *     nodeId => INT32
 *     host => STRING
 *     port => INT32
 *     errorCode => INT16
 *     errorMessage => nullable STRING
 * ```
 */
export const findCoordinator = new Api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexibleFrom: 3,
  request: struct({
    key: until(3, string),
    keyType: from(1, int8),
    coordinatorKeys: from(4, array(string)),
  }),
  response: struct({
    throttleTimeMs: from(1, int32),
    errorCode: until(3, int16),
    errorMessage: between(1, 3, nullableString()),
    nodeId: until(3, int32),
    host: until(3, string),
    port: until(3, int32),
    coordinators: from(
      4,
      array(
        struct({
          key: string,
          nodeId: int32,
          host: string,
          port: int32,
          errorCode: int16,
          errorMessage: nullableString(),
        }),
      ),
    ),
  }),
});

/** A request as it is read. */
export type FindCoordinatorRequest = RequestOf<typeof findCoordinator>;
/** A response to be written. */
export type FindCoordinatorResponse = ResponseToSend<typeof findCoordinator>;
