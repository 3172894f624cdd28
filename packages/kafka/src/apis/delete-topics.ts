import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { array, from, int16, int32, nullableString, string, struct, until, uuid } from '../schema.ts';

/**
 * DeleteTopics (key 20), versions 1 to 6, flexible from 4.
 *
 * ```
 * Request => [topics](6+) [topicNames](1-5) timeoutMs
 *   topics => name topicId
 *     name => nullable STRING
 *     topicId => UUID
 *   topicNames => STRING
 *   timeoutMs => INT32
 *
 * Response => throttleTimeMs [responses]
 *   throttleTimeMs => INT32
 *   responses => name topicId(6+) errorCode errorMessage(5+)
 *     name => nullable STRING
 *     topicId => UUID
 *     errorCode => INT16
 *     errorMessage => nullable STRING
 * ```
 */
export const deleteTopics = new Api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexibleFrom: 4,
  request: struct({
    topics: from(
      6,
      array(
        struct({
          name: nullableString(),
          topicId: uuid,
        }),
      ),
    ),
    topicNames: until(5, array(string)),
    timeoutMs: int32,
  }),
  response: struct({
    throttleTimeMs: int32,
    responses: array(
      struct({
        name: nullableString(6),
        topicId: from(6, uuid),
        errorCode: int16,
        errorMessage: from(5, nullableString()),
      }),
    ),
  }),
});

/** A request as it is read. */
export type DeleteTopicsRequest = RequestOf<typeof deleteTopics>;
/** A response to be written. */
export type DeleteTopicsResponse = ResponseToSend<typeof deleteTopics>;
