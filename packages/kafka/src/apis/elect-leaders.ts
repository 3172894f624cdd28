import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, int8, nullableArray, nullableString, string, struct } from '../schema.ts';

/**
 * ElectLeaders (key 43), versions 0 to 2, flexible from 2. Before version 1 preferred leaders (0) are elected. No partitions
 * (null): those of all topics.
 *
 * ```
 * Request => electionType(1+) [topicPartitions] timeoutMs
 *   electionType => INT8
 *   topicPartitions => topic [partitions], nullable
 *     topic => STRING
 *     partitions => INT32
 *   timeoutMs => INT32
 *
 * Response => throttleTimeMs errorCode(1+) [replicaElectionResults]
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   replicaElectionResults => topic [partitionResults]
 *     topic => STRING
 *     partitionResults => partitionId errorCode errorMessage
 *       partitionId => INT32
 *       errorCode => INT16
 *       errorMessage => nullable STRING
 * ```
 */
export const electLeaders = new Api({
  key: 43,
  name: 'ElectLeaders',
  versions: [0, 2],
  flexibleFrom: 2,
  request: struct({
    electionType: from(1, int8),
    topicPartitions: nullableArray(
      struct({
        topic: string,
        partitions: array(int32),
      }),
    ),
    timeoutMs: int32,
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: from(1, int16),
    replicaElectionResults: array(
      struct({
        topic: string,
        partitionResults: array(
          struct({
            partitionId: int32,
            errorCode: int16,
            errorMessage: nullableString(),
          }),
        ),
      }),
    ),
  }),
});

/** A request as it is read. */
export type ElectLeadersRequest = RequestOf<typeof electLeaders>;
/** A response to be written. */
export type ElectLeadersResponse = ResponseToSend<typeof electLeaders>;
