import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import {
  array,
  boolean,
  from,
  int16,
  int32,
  int8,
  nullableArray,
  nullableString,
  string,
  struct,
  tagged,
  uuid,
} from '../schema.ts';

/**
 * CreateTopics (key 19), versions 2 to 7, flexible from 5.
 *
 * ```
 * Request => [topics] timeoutMs validateOnly
 *   topics => name numPartitions replicationFactor [assignments] [configs]
 *     name => STRING
 *     numPartitions => INT32
 *     replicationFactor => INT16
 *     assignments => partitionIndex [brokerIds]
 *       partitionIndex => INT32
 *       brokerIds => INT32
 *     configs => name value
 *       name => STRING
 *       value => nullable STRING
 *   timeoutMs => INT32
 *   validateOnly => BOOL
 *
 * Response => throttleTimeMs [topics]
 *   throttleTimeMs => INT32
 *   topics => name topicId(7+) errorCode errorMessage <tag 0: topicConfigErrorCode>(5+) numPartitions(5+)
 *       replicationFactor(5+) [configs](5+)
 *     name => STRING
 *     topicId => UUID
 *     errorCode => INT16
 *     errorMessage => nullable STRING
 *     topicConfigErrorCode => INT16
 *     numPartitions => INT32
 *     replicationFactor => INT16
 *     configs => name value readOnly configSource isSensitive
 *       name => STRING
 *       value => nullable STRING
 *       readOnly => BOOL
 *       configSource => INT8
 *       isSensitive => BOOL
 * ```
 */
export const createTopics = new Api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleFrom: 5,
  request: struct({
    topics: array(
      struct({
        name: string,
        numPartitions: int32,
        replicationFactor: int16,
        assignments: array(
          struct({
            partitionIndex: int32,
            brokerIds: array(int32),
          }),
        ),
        configs: array(
          struct({
            name: string,
            value: nullableString(),
          }),
        ),
      }),
    ),
    timeoutMs: from(2, int32, 60000),
    validateOnly: boolean,
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        topicId: from(7, uuid),
        errorCode: int16,
        errorMessage: nullableString(),
        topicConfigErrorCode: tagged(0, 5, int16),
        numPartitions: from(5, int32, -1),
        replicationFactor: from(5, int16, -1),
        configs: from(
          5,
          nullableArray(
            struct({
              name: string,
              value: nullableString(),
              readOnly: boolean,
              configSource: from(5, int8, -1),
              isSensitive: boolean,
            }),
          ),
        ),
      }),
    ),
  }),
});

/** A request as it is read. */
export type CreateTopicsRequest = RequestOf<typeof createTopics>;
/** A response to be written. */
export type CreateTopicsResponse = ResponseToSend<typeof createTopics>;
