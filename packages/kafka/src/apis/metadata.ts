import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import {
  array,
  between,
  boolean,
  from,
  int16,
  int32,
  nullableArray,
  nullableString,
  string,
  struct,
  uuid,
} from '../schema.ts';

/**
 * Metadata (key 3), versions 0 to 13, flexible from 9.
 *
 * ```
 * Request => [topics] allowAutoTopicCreation(4+) includeClusterAuthorizedOperations(8-10)
 *     includeTopicAuthorizedOperations(8+)
 *   topics => topicId(10+) name
 *     topicId => UUID
 *     name => nullable STRING
 *   allowAutoTopicCreation => BOOL
 *   includeClusterAuthorizedOperations => BOOL
 *   includeTopicAuthorizedOperations => BOOL
 *
 * Response => throttleTimeMs(3+) [brokers] clusterId(2+) controllerId(1+) [topics]
 *     clusterAuthorizedOperations(8-10) errorCode(13+)
 *   throttleTimeMs => INT32
 *   brokers => nodeId host port rack(1+)
 *     nodeId => INT32
 *     host => STRING
 *     port => INT32
 *     rack => nullable STRING
 *   clusterId => nullable STRING
 *   controllerId => INT32
 *   topics => errorCode name topicId(10+) isInternal(1+) [partitions] topicAuthorizedOperations(8+)
 *     errorCode => INT16
 *     name => nullable STRING
 *     topicId => UUID
 *     isInternal => BOOL
 *     partitions => errorCode partitionIndex leaderId leaderEpoch(7+) [replicaNodes] [isrNodes]
 *         [offlineReplicas](5+)
 *       errorCode => INT16
 *       partitionIndex => INT32
 *       leaderId => INT32
 *       leaderEpoch => INT32
 *       replicaNodes => INT32
 *       isrNodes => INT32
 *       offlineReplicas => INT32
 *     topicAuthorizedOperations => INT32
 *   clusterAuthorizedOperations => INT32
 *   errorCode => INT16
 * ```
 */
export const metadata = new Api({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexibleFrom: 9,
  request: struct({
    topics: nullableArray(
      struct({
        topicId: from(10, uuid),
        name: nullableString(10),
      }),
      1,
    ),
    allowAutoTopicCreation: from(4, boolean, true),
    includeClusterAuthorizedOperations: between(8, 10, boolean),
    includeTopicAuthorizedOperations: from(8, boolean),
  }),
  response: struct({
    throttleTimeMs: from(3, int32),
    brokers: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: from(1, nullableString()),
      }),
    ),
    clusterId: from(2, nullableString()),
    controllerId: from(1, int32, -1),
    topics: array(
      struct({
        errorCode: int16,
        name: nullableString(12),
        topicId: from(10, uuid),
        isInternal: from(1, boolean),
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: from(7, int32, -1),
            replicaNodes: array(int32),
            isrNodes: array(int32),
            offlineReplicas: from(5, array(int32)),
          }),
        ),
        topicAuthorizedOperations: from(8, int32, -2147483648),
      }),
    ),
    clusterAuthorizedOperations: between(8, 10, int32, -2147483648),
    errorCode: from(13, int16),
  }),
});

/** A request as it is read. */
export type MetadataRequest = RequestOf<typeof metadata>;
/** A response to be written. */
export type MetadataResponse = ResponseToSend<typeof metadata>;
