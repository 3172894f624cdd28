import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import {
  array,
  boolean,
  from,
  int16,
  int32,
  nullable,
  nullableArray,
  nullableString,
  string,
  struct,
  uuid,
} from '../schema.ts';

/**
 * DescribeTopicPartitions (key 75), versions 0 to 0, flexible from 0.
 *
 * ```
 * Request => [topics] responsePartitionLimit cursor
 *   topics => name
 *     name => STRING
 *   responsePartitionLimit => INT32
 *   cursor => topicName partitionIndex
 *     topicName => STRING
 *     partitionIndex => INT32
 *
 * Response => throttleTimeMs [topics] nextCursor
 *   throttleTimeMs => INT32
 *   topics => errorCode name topicId isInternal [partitions] topicAuthorizedOperations
 *     errorCode => INT16
 *     name => nullable STRING
 *     topicId => UUID
 *     isInternal => BOOL
 *     partitions => errorCode partitionIndex leaderId leaderEpoch [replicaNodes] [isrNodes]
 *         [eligibleLeaderReplicas] [lastKnownElr] [offlineReplicas]
 *       errorCode => INT16
 *       partitionIndex => INT32
 *       leaderId => INT32
 *       leaderEpoch => INT32
 *       replicaNodes => INT32
 *       isrNodes => INT32
 *       eligibleLeaderReplicas => nullable INT32
 *       lastKnownElr => nullable INT32
 *       offlineReplicas => INT32
 *     topicAuthorizedOperations => INT32
 *   nextCursor => topicName partitionIndex
 *     topicName => STRING
 *     partitionIndex => INT32
 * ```
 */
export const describeTopicPartitions = new Api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: [0, 0],
  flexibleFrom: 0,
  request: struct({
    topics: array(
      struct({
        name: string,
      }),
    ),
    responsePartitionLimit: from(0, int32, 2000),
    cursor: nullable(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(
      struct({
        errorCode: int16,
        name: nullableString(),
        topicId: uuid,
        isInternal: boolean,
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: from(0, int32, -1),
            replicaNodes: array(int32),
            isrNodes: array(int32),
            eligibleLeaderReplicas: nullableArray(int32),
            lastKnownElr: nullableArray(int32),
            offlineReplicas: array(int32),
          }),
        ),
        topicAuthorizedOperations: from(0, int32, -2147483648),
      }),
    ),
    nextCursor: nullable(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  }),
});

/** A request as it is read. */
export type DescribeTopicPartitionsRequest = RequestOf<typeof describeTopicPartitions>;
/** A response to be written. */
export type DescribeTopicPartitionsResponse = ResponseToSend<typeof describeTopicPartitions>;
