import { assert } from '@weir/base/assert.ts';
import type { Offset } from '@weir/base/ids.ts';
import {
  BATCH_CRC_FROM,
  BATCH_HEADER_BYTES,
  batchBytesOf,
  hasProducerId,
  isControl,
  lastOffsetOf,
  leaderEpochOf,
  recordCountOf,
  writeCrc,
  writeEmptyHeader,
} from './batch-header.ts';
import { crc32c } from './crc32c.ts';

/** Last offset deltas have 31 bits. */
export const PLACEHOLDER_OFFSETS_MAX = 0x8000_0000;

/** A batch without records that stands for offsets whose batches compaction has removed. */
export function placeholder(of: { readonly base: Offset; readonly end: Offset; readonly epoch: number }): Buffer {
  const offsets = of.end - of.base;
  assert(offsets > 0 && offsets <= PLACEHOLDER_OFFSETS_MAX, `a placeholder stands for ${offsets} offsets`);
  const batch = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES);
  writeEmptyHeader(batch, { base: of.base, lastOffsetDelta: offsets - 1, epoch: of.epoch });
  writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
  return batch;
}

/** Whether a whole batch is one: an idempotent producer's last batch is kept without records too, and is none. */
export function isPlaceholder(buffer: Buffer, at: number): boolean {
  return recordCountOf(buffer, at) === 0 && !hasProducerId(buffer, at) && !isControl(buffer, at);
}

/** What a placeholder says of the offsets from one of them on. */
export function restOfPlaceholder(batch: Buffer, from: Offset): Buffer {
  const end = (lastOffsetOf(batch, 0) + 1) as Offset;
  return placeholder({ base: from, end, epoch: leaderEpochOf(batch, 0) });
}

/**
 * Whole batches that lie behind each other, without the placeholders among them: a view for each stretch that has none.
 */
export function withoutPlaceholders(batches: Buffer): Buffer[] {
  const stretches: Buffer[] = [];
  let from = 0;
  for (let at = 0; at < batches.length;) {
    const end = at + batchBytesOf(batches, at);
    if (isPlaceholder(batches, at)) {
      if (at > from) stretches.push(batches.subarray(from, at));
      from = end;
    }
    at = end;
  }
  if (from === 0) return [batches];
  if (from < batches.length) stretches.push(batches.subarray(from));
  return stretches;
}
