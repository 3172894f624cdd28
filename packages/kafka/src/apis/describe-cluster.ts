import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, boolean, from, int16, int32, int8, nullableString, string, struct } from '../schema.ts';

/**
 * DescribeCluster (key 60), versions 0 to 2, flexible from 0.
 *
 * ```
 * Request => includeClusterAuthorizedOperations endpointType(1+) includeFencedBrokers(2+)
 *   includeClusterAuthorizedOperations => BOOL
 *   endpointType => INT8
 *   includeFencedBrokers => BOOL
 *
 * Response => throttleTimeMs errorCode errorMessage endpointType(1+) clusterId controllerId [brokers]
 *     clusterAuthorizedOperations
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   errorMessage => nullable STRING
 *   endpointType => INT8
 *   clusterId => STRING
 *   controllerId => INT32
 *   brokers => brokerId host port rack isFenced(2+)
 *     brokerId => INT32
 *     host => STRING
 *     port => INT32
 *     rack => nullable STRING
 *     isFenced => BOOL
 *   clusterAuthorizedOperations => INT32
 * ```
 */
export const describeCluster = new Api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexibleFrom: 0,
  request: struct({
    includeClusterAuthorizedOperations: boolean,
    endpointType: from(1, int8, 1),
    includeFencedBrokers: from(2, boolean),
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullableString(),
    endpointType: from(1, int8, 1),
    clusterId: string,
    controllerId: from(0, int32, -1),
    brokers: array(
      struct({
        brokerId: int32,
        host: string,
        port: int32,
        rack: nullableString(),
        isFenced: from(2, boolean),
      }),
    ),
    clusterAuthorizedOperations: from(0, int32, -2147483648),
  }),
});

/** A request as it is read. */
export type DescribeClusterRequest = RequestOf<typeof describeCluster>;
/** A response to be written. */
export type DescribeClusterResponse = ResponseToSend<typeof describeCluster>;
