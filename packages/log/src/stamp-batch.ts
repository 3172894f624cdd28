import { assert } from '@weir/base/assert.ts';
import { offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import {
  batchBytesOf,
  lastOffsetOf,
  maxTimestampOf,
  writeBaseOffset,
  writeLeaderEpoch,
} from '@weir/records/batch-header.ts';

/**
 * Writes its base offset and leader epoch into the header of one whole batch: the only bytes of it that are changed.
 *
 * @returns the offset behind its last record
 * @throws WeirError CORRUPT_MESSAGE when its last offset or a timestamp is no safe integer
 */
export function stampBatch(batch: Buffer, base: Offset, epoch: LeaderEpoch): Offset {
  assert(batch.length === batchBytesOf(batch, 0), 'one whole batch is appended at a time');
  writeBaseOffset(batch, 0, base);
  writeLeaderEpoch(batch, 0, epoch);
  maxTimestampOf(batch, 0);
  const last = lastOffsetOf(batch, 0);
  assert(last >= base, 'a batch has at least one record');
  return offset(last + 1);
}
