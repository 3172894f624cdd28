import { SLAB_BYTES } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';

/**
 * Appends a batch that lies in the memory of its request, which the log then keeps. A few small batches are not to keep
 * the memory of a request that is large for something else: then the batch gets a piece of its own.
 *
 * @param keptBytes how much of that memory is kept, as far as that is known
 */
export function appendKeeping<T>(
  batch: Buffer,
  { slabs, keptBytes }: { readonly slabs: Slabs; readonly keptBytes: number },
  append: (batch: Buffer) => T,
): T {
  const backingBytes = batch.buffer.byteLength;
  if (backingBytes <= SLAB_BYTES || keptBytes * 2 >= backingBytes) return append(batch);
  const piece = slabs.allocate(batch.length);
  piece.set(batch);
  try {
    return append(piece);
  } finally {
    slabs.release(piece);
  }
}
