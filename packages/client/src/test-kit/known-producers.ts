import { ERRORS } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import {
  baseOffsetOf,
  baseSequenceOf,
  hasProducerId,
  producerEpochOf,
  producerIdOf,
  recordCountOf,
} from '@weir/records/batch-header.ts';

/** As many of a producer's batches as a log knows again. */
const BATCHES_KEPT = 5;
const SEQUENCES = 2 ** 31;

/** What a log makes of a batch that an idempotent producer has sent to it. */
export type Judgement =
  | { readonly kind: 'new' }
  | { readonly kind: 'duplicate'; readonly baseOffset: number }
  | { readonly kind: 'refused'; readonly code: ErrorCode };

/** Kafka's rules for idempotent producers (KIP-98), as plainly as can be: from nothing but the batches of a log. */
export function judge(log: readonly Buffer[], batch: Buffer): Judgement {
  if (!hasProducerId(batch, 0)) return { kind: 'new' };
  const own = log.filter((one) => producerIdOf(one, 0) === producerIdOf(batch, 0));
  const last = own.at(-1);
  if (last === undefined) return { kind: 'new' };
  const epoch = producerEpochOf(batch, 0);
  if (epoch < producerEpochOf(last, 0)) return { kind: 'refused', code: 'INVALID_PRODUCER_EPOCH' };
  const first = baseSequenceOf(batch, 0);
  if (epoch > producerEpochOf(last, 0)) return first === 0 ? { kind: 'new' } : OUT_OF_ORDER;
  const kept = own.filter((one) => producerEpochOf(one, 0) === epoch).slice(-BATCHES_KEPT);
  const same = kept.find(
    (one) => baseSequenceOf(one, 0) === first && recordCountOf(one, 0) === recordCountOf(batch, 0),
  );
  if (same !== undefined) return { kind: 'duplicate', baseOffset: baseOffsetOf(same, 0) };
  return first === (baseSequenceOf(last, 0) + recordCountOf(last, 0)) % SEQUENCES ? { kind: 'new' } : OUT_OF_ORDER;
}

const OUT_OF_ORDER: Judgement = { kind: 'refused', code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' };

/** The answer to a batch that was refused. */
export function refusedWith(code: ErrorCode): { errorCode: number; message: string; baseOffset: bigint } {
  return { errorCode: ERRORS[code].number, message: code, baseOffset: -1n };
}
