import { DiskError, type DiskFile } from '@weir/base/disk.ts';
import { WeirError } from '@weir/base/errors.ts';
import { BATCH_HEADER_BYTES, baseOffsetOf, batchBytesOf, lastOffsetOf, magicOf } from '@weir/records/batch-header.ts';

/** Decides over the batches of a walk. `chunk` holds the batch at `at`; it is a fresh buffer that may be kept. */
export interface BatchVisitor {
  /** Sees a batch's header, possibly twice. `take`: its body is wanted too. */
  header(chunk: Buffer, at: number): 'skip' | 'take' | 'stop' | 'bad';
  /** Sees a whole batch that was to be taken, and its place in the file. False stops the walk. */
  batch(chunk: Buffer, at: number, position: number): boolean;
}

/** Where a walk goes. */
export interface BatchWalk {
  readonly file: DiskFile;
  /** The start of a batch. */
  readonly from: number;
  /** The end of a batch, at or below the file's. */
  readonly to: number;
  /** What one read asks for, at least. */
  readonly chunkBytes: number;
  readonly batchBytesMax: number;
}

/**
 * Reads the batches of a segment one after another without blocking.
 *
 * @param done called once, with EBADMSG when what is on the disk is not a batch
 */
export function walkBatches(
  walk: BatchWalk,
  visitor: BatchVisitor,
  done: (error: DiskError | undefined) => void,
): void {
  const { file, to, chunkBytes, batchBytesMax } = walk;

  const readOn = (position: number, wanted: number): void => {
    if (position >= to) return done(undefined);
    const chunk = Buffer.allocUnsafeSlow(Math.min(Math.max(chunkBytes, wanted), to - position));
    file.read(chunk, position, (error, bytes) => {
      if (error !== undefined) return done(error);
      if (bytes < chunk.length) return done(new DiskError('EIO', `the file ends before position ${to}`));
      step(chunk, position);
    });
  };

  /** The offset at which the next batch begins, once one was seen. */
  let expected: number | undefined;

  const step = (chunk: Buffer, start: number): void => {
    let at = 0;
    while (start + at < to) {
      const position = start + at;
      if (at + BATCH_HEADER_BYTES > chunk.length) {
        if (position + BATCH_HEADER_BYTES > to) return done(notABatch(position));
        return readOn(position, BATCH_HEADER_BYTES);
      }
      const bytes = batchBytesOf(chunk, at);
      const sound = magicOf(chunk, at) === 2 && bytes >= BATCH_HEADER_BYTES && bytes <= batchBytesMax;
      if (!sound || position + bytes > to) return done(notABatch(position));
      const verdict = verdictOn(visitor, chunk, at, expected);
      if (verdict === 'bad') return done(notABatch(position));
      if (verdict === 'stop') return done(undefined);
      if (verdict === 'take') {
        if (at + bytes > chunk.length) return readOn(position, bytes);
        if (!visitor.batch(chunk, at, position)) return done(undefined);
      }
      expected = lastOffsetOf(chunk, at) + 1;
      at += bytes;
    }
    done(undefined);
  };

  readOn(walk.from, BATCH_HEADER_BYTES);
}

function verdictOn(
  visitor: BatchVisitor,
  chunk: Buffer,
  at: number,
  expected: number | undefined,
): ReturnType<BatchVisitor['header']> {
  try {
    if (expected !== undefined && baseOffsetOf(chunk, at) !== expected) return 'bad';
    // Its end has to be an offset too: the walk goes on from there.
    if (lastOffsetOf(chunk, at) < baseOffsetOf(chunk, at)) return 'bad';
    return visitor.header(chunk, at);
  } catch (error) {
    // An offset or a timestamp that no batch can have.
    if (error instanceof WeirError) return 'bad';
    throw error;
  }
}

function notABatch(position: number): DiskError {
  return new DiskError('EBADMSG', `there is no sound batch at position ${position}`);
}
