import { refusal, type Refusal } from '@weir/base/errors.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { baseSequenceOf, producerEpochOf } from '@weir/records/batch-header.ts';
import { lastSequenceOf, nextSequence, type ProducerState } from './producer-states.ts';

/** The batch is in the log: a producer that got no answer has sent it again. */
export interface DuplicateBatch {
  readonly kind: 'duplicate';
  readonly baseOffset: Offset;
  /** One past its last record. */
  readonly endOffset: Offset;
}

/** What to do with a batch instead of appending it; undefined: nothing keeps it from being appended. */
export type Admission = DuplicateBatch | Refusal | undefined;

/**
 * Judges an idempotent producer's batch, as Kafka's `ProducerAppendInfo` and `ProducerStateEntry.findDuplicateBatch` do.
 * A producer that is not known (any more) may begin with any sequence number: its state may have expired.
 */
export function admission(known: ProducerState | undefined, producerId: number, batch: Buffer): Admission {
  if (known === undefined) return undefined;
  const epoch = producerEpochOf(batch, 0);
  const first = baseSequenceOf(batch, 0);
  if (epoch < known.epoch) {
    return refusal(
      'INVALID_PRODUCER_EPOCH',
      `producer ${producerId} has gone on to epoch ${known.epoch}, and this batch is of epoch ${epoch}: another instance has replaced it`,
    );
  }
  if (epoch > known.epoch) {
    if (first === 0) return undefined;
    return refusal(
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
      `the first batch of producer ${producerId} in epoch ${epoch} has sequence number ${first}, not 0: the one before it is missing`,
    );
  }
  const last = lastSequenceOf(batch, 0);
  const same = known.batches.find(
    ({ firstSequence, lastSequence }) => firstSequence === first && lastSequence === last,
  );
  if (same !== undefined) {
    return { kind: 'duplicate', baseOffset: same.firstOffset, endOffset: offset(same.lastOffset + 1) };
  }
  const expected = nextSequence(known.batches.at(-1)!.lastSequence);
  if (first === expected) return undefined;
  return refusal(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `producer ${producerId} sent sequence number ${first} where ${expected} was expected: a batch is missing, or this one ` +
      'is too old to tell whether it is in the log',
  );
}
