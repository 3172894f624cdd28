import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import { batchBytesOf, lastOffsetOf } from '@weir/records/batch-header.ts';

/** Batches that go on the wire together, as a view. */
export interface BatchFrame {
  readonly records: Buffer;
  /** Behind its last batch. */
  readonly nextOffset: Offset;
}

/** Cuts whole batches that lie behind each other into frames: of at most so many bytes, or of one batch. */
export function* batchFrames(batches: Buffer, bytesMax: number): Generator<BatchFrame> {
  for (let from = 0, to = 0; from < batches.length; from = to) {
    let last = to;
    do {
      last = to;
      to += batchBytesOf(batches, to);
    } while (to < batches.length && to + batchBytesOf(batches, to) - from <= bytesMax);
    yield { records: batches.subarray(from, to), nextOffset: offset(lastOffsetOf(batches, last) + 1) };
  }
}
