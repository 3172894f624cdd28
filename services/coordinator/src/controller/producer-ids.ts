import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { PRODUCER_IDS_PER_BLOCK } from '@weir/base/limits.ts';
import type { Change, ClusterImage } from './image.ts';

/** Gives a broker a block of producer ids. */
export interface AllocateProducerIds {
  readonly kind: 'allocateProducerIds';
  readonly brokerId: BrokerId;
  /** Of its registration. */
  readonly brokerEpoch: number;
}

/** What it got. */
export type ProducerIdsResult =
  | { readonly kind: 'producerIds'; readonly firstId: number; readonly count: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * The steps of giving out producer ids: that they are given out is written before anybody is told (KIP-730), so that they
 * are lost at worst when an answer is.
 */
export function* allocateProducerIds(
  image: ClusterImage,
  { brokerId, brokerEpoch }: AllocateProducerIds,
): Generator<Change[], ProducerIdsResult, void> {
  if (image.sessionOf(brokerId)?.revision !== brokerEpoch) {
    const message = `broker ${brokerId} is not registered with the epoch ${brokerEpoch} any more, and gets no producer ids`;
    return { kind: 'refused', refusal: refusal('STALE_BROKER_EPOCH', message) };
  }
  const firstId = image.nextProducerId;
  yield [{ kind: 'producerIds', next: firstId + PRODUCER_IDS_PER_BLOCK }];
  return { kind: 'producerIds', firstId, count: PRODUCER_IDS_PER_BLOCK };
}
