import { Api } from '../api.ts';
import type { RequestOf, ResponseToSend } from '../api.ts';
import { from, int16, int32, int64, nullableString, struct } from '../schema.ts';

/**
 * InitProducerId (key 22), versions 0 to 5, flexible from 2.
 *
 * ```
 * Request => transactionalId transactionTimeoutMs producerId(3+) producerEpoch(3+)
 *   transactionalId => nullable STRING
 *   transactionTimeoutMs => INT32
 *   producerId => INT64
 *   producerEpoch => INT16
 *
 * Response => throttleTimeMs errorCode producerId producerEpoch
 *   throttleTimeMs => INT32
 *   errorCode => INT16
 *   producerId => INT64
 *   producerEpoch => INT16
 * ```
 */
export const initProducerId = new Api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexibleFrom: 2,
  request: struct({
    transactionalId: nullableString(),
    transactionTimeoutMs: int32,
    producerId: from(3, int64, -1),
    producerEpoch: from(3, int16, -1),
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: from(0, int64, -1),
    producerEpoch: int16,
  }),
});

/** A request as it is read. */
export type InitProducerIdRequest = RequestOf<typeof initProducerId>;
/** A response to be written. */
export type InitProducerIdResponse = ResponseToSend<typeof initProducerId>;
