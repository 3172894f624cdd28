import { strict as assert } from 'node:assert';
import {
  BATCH_HEADER_BYTES,
  baseOffsetOf,
  batchBytesOf,
  leaderEpochOf,
  writeLeaderEpoch,
} from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import type { Log } from './log.ts';

/** For the model test: whether every reader sees where what was read is not what was appended. Up to there all has to be right. */
export function isRotSeen(found: Buffer, expected: readonly { readonly bytes: Buffer }[], log: Log): boolean {
  let at = 0;
  for (const { bytes } of expected) {
    if (at + BATCH_HEADER_BYTES > found.length || !isValidBatchAt(found, at, found.length)) return true;
    const batch = Buffer.from(found.subarray(at, at + batchBytesOf(found, at)));
    // No CRC covers a batch's leader epoch: where the file of them is lost as well, the batch is believed.
    if (log.epochAt(baseOffsetOf(batch, 0)) === leaderEpochOf(batch, 0))
      writeLeaderEpoch(batch, 0, leaderEpochOf(bytes, 0));
    assert.equal(batch.equals(bytes), true, 'rot that nobody notices');
    at += bytes.length;
  }
  return false;
}
