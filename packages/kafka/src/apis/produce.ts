import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import {
  array,
  from,
  int16,
  int32,
  int64,
  nullableString,
  records,
  string,
  struct,
  tagged,
  until,
  uuid,
} from '../schema.ts';

/**
 * Produce (key 0), versions 3 to 13, flexible from 9.
 *
 * ```
 * Request => transactionalId acks timeoutMs [topicData]
 *   transactionalId => nullable STRING
 *   acks => INT16
 *   timeoutMs => INT32
 *   topicData => name(3-12) topicId(13+) [partitionData]
 *     name => STRING
 *     topicId => UUID
 *     partitionData => index records
 *       index => INT32
 *       records => nullable RECORDS
 *
 * Response => [responses] throttleTimeMs <tag 0: [nodeEndpoints]>(10+)
 *   responses => name(3-12) topicId(13+) [partitionResponses]
 *     name => STRING
 *     topicId => UUID
 *     partitionResponses => index errorCode baseOffset logAppendTimeMs logStartOffset(5+) [recordErrors](8+)
 *         errorMessage(8+) <tag 0: currentLeader>(10+)
 *       index => INT32
 *       errorCode => INT16
 *       baseOffset => INT64
 *       logAppendTimeMs => INT64
 *       logStartOffset => INT64
 *       recordErrors => batchIndex batchIndexErrorMessage
 *         batchIndex => INT32
 *         batchIndexErrorMessage => nullable STRING
 *       errorMessage => nullable STRING
 *       currentLeader => leaderId leaderEpoch
 *         leaderId => INT32
 *         leaderEpoch => INT32
 *   throttleTimeMs => INT32
 *   nodeEndpoints => nodeId host port rack
 *     nodeId => INT32
 *     host => STRING
 *     port => INT32
 *     rack => nullable STRING
 * ```
 */
export const produce = new Api({
  key: 0,
  name: 'Produce',
  versions: [3, 13],
  flexibleFrom: 9,
  request: struct({
    transactionalId: nullableString(),
    acks: int16,
    timeoutMs: int32,
    topicData: array(
      struct({
        name: until(12, string),
        topicId: from(13, uuid),
        partitionData: array(
          struct({
            index: int32,
            records,
          }),
        ),
      }),
    ),
  }),
  response: struct({
    responses: array(
      struct({
        name: until(12, string),
        topicId: from(13, uuid),
        partitionResponses: array(
          struct({
            index: int32,
            errorCode: int16,
            baseOffset: int64,
            logAppendTimeMs: from(3, int64, -1),
            logStartOffset: from(5, int64, -1),
            recordErrors: from(
              8,
              array(
                struct({
                  batchIndex: int32,
                  batchIndexErrorMessage: nullableString(),
                }),
              ),
            ),
            errorMessage: from(8, nullableString()),
            currentLeader: tagged(
              0,
              10,
              struct({
                leaderId: from(10, int32, -1),
                leaderEpoch: from(10, int32, -1),
              }),
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32,
    nodeEndpoints: tagged(
      0,
      10,
      array(
        struct({
          nodeId: int32,
          host: string,
          port: int32,
          rack: nullableString(),
        }),
      ),
    ),
  }),
});

/** A request as it is read. */
export type ProduceRequest = RequestOf<typeof produce>;
/** A response to be written. */
export type ProduceResponse = ResponseToSend<typeof produce>;
