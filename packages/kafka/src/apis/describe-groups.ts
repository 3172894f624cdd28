import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, bytes, from, int16, int32, nullableString, string, struct } from '../schema.ts';

/**
 * DescribeGroups (key 15), versions 0 to 6, flexible from 5. Metadata and assignments are read as views of the
 * message. A group that is not there has the state Dead and no error before version 6, and error 69 from then on
 * (KIP-1043).
 *
 * ```
 * Request => [groups] includeAuthorizedOperations(3+)
 *   groups => STRING
 *   includeAuthorizedOperations => BOOL
 *
 * Response => throttleTimeMs(1+) [groups]
 *   throttleTimeMs => INT32
 *   groups => errorCode errorMessage(6+) groupId groupState protocolType protocolData [members]
 *       authorizedOperations(3+)
 *     errorCode => INT16
 *     errorMessage => nullable STRING
 *     groupId => STRING
 *     groupState => STRING
 *     protocolType => STRING
 *     protocolData => STRING
 *     members => memberId groupInstanceId(4+) clientId clientHost memberMetadata memberAssignment
 *       memberId => STRING
 *       groupInstanceId => nullable STRING
 *       clientId => STRING
 *       clientHost => STRING
 *       memberMetadata => BYTES
 *       memberAssignment => BYTES
 *     authorizedOperations => INT32
 * ```
 */
export const describeGroups = new Api({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 6],
  flexibleFrom: 5,
  request: struct({
    groups: array(string),
    includeAuthorizedOperations: from(3, boolean),
  }),
  response: struct({
    throttleTimeMs: from(1, int32),
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: from(6, nullableString()),
        groupId: string,
        groupState: string,
        protocolType: string,
        protocolData: string,
        members: array(
          struct({
            memberId: string,
            groupInstanceId: from(4, nullableString()),
            clientId: string,
            clientHost: string,
            memberMetadata: bytes,
            memberAssignment: bytes,
          }),
        ),
        authorizedOperations: from(3, int32, -2147483648),
      }),
    ),
  }),
});

/** A request as it is read. */
export type DescribeGroupsRequest = RequestOf<typeof describeGroups>;
/** A response to be written. */
export type DescribeGroupsResponse = ResponseToSend<typeof describeGroups>;
