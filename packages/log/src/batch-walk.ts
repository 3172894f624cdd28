import { DiskError, type DiskFile } from '@weir/base/disk.ts';
import { WeirError } from '@weir/base/errors.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import {
  BATCH_HEADER_BYTES,
  baseOffsetOf,
  batchBytesOf,
  lastOffsetOf,
  leaderEpochOf,
  magicOf,
} from '@weir/records/batch-header.ts';
import { BAD_BYTES } from './log-errors.ts';
import type { LeaderEpochs } from './leader-epochs.ts';

/** Decides over the batches of a walk. `chunk` holds the batch at `at`; it is slab memory: who keeps it, retains it. */
export interface BatchVisitor {
  /** Sees a batch's header, possibly twice. `take`: its body is wanted too. */
  header(chunk: Buffer, at: number): 'skip' | 'take' | 'stop' | 'bad';
  /** Sees a whole batch that was to be taken, and its place in the file. False stops the walk. */
  batch(chunk: Buffer, at: number, position: number): boolean | 'bad';
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
  readonly slabs: Slabs;
  /** Which leader epoch each of the batches has. */
  readonly epochs: LeaderEpochs;
}

/** What follows from a chunk. */
type Step =
  | { readonly kind: 'over'; readonly error: DiskError | undefined }
  /** Another chunk has to be read, of so many bytes at least. */
  | { readonly kind: 'on'; readonly position: number; readonly wanted: number };

const OVER: Step = { kind: 'over', error: undefined };

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
  const { file, to, chunkBytes, batchBytesMax, slabs, epochs } = walk;

  const readOn = (position: number, wanted: number): void => {
    if (position >= to) return done(undefined);
    const chunk = slabs.allocate(Math.min(Math.max(chunkBytes, wanted), to - position));
    file.read(chunk, position, (error, bytes) => {
      const next = error === undefined ? step(chunk, position, bytes) : over(error);
      slabs.release(chunk);
      if (next.kind === 'over') done(next.error);
      else readOn(next.position, next.wanted);
    });
  };

  /** The offset at which the next batch begins, once one was seen. */
  let expected: number | undefined;

  const step = (chunk: Buffer, start: number, read: number): Step => {
    if (read < chunk.length) return over(new DiskError(BAD_BYTES, `the file ends before position ${to}`));
    let at = 0;
    while (start + at < to) {
      const position = start + at;
      if (at + BATCH_HEADER_BYTES > chunk.length) {
        if (position + BATCH_HEADER_BYTES > to) return notABatch(position);
        return { kind: 'on', position, wanted: BATCH_HEADER_BYTES };
      }
      const bytes = batchBytesOf(chunk, at);
      const sound = magicOf(chunk, at) === 2 && bytes >= BATCH_HEADER_BYTES && bytes <= batchBytesMax;
      if (!sound || position + bytes > to) return notABatch(position);
      const verdict = verdictOn(visitor, chunk, at, expected);
      if (verdict === 'bad') return notABatch(position);
      if (verdict === 'stop') return OVER;
      // Not of those behind the stop: their epochs may be about to be recorded.
      if (epochs.contradict(leaderEpochOf(chunk, at), baseOffsetOf(chunk, at))) return notABatch(position);
      if (verdict === 'take') {
        if (at + bytes > chunk.length) return { kind: 'on', position, wanted: bytes };
        const goesOn = visitor.batch(chunk, at, position);
        if (goesOn === 'bad') return notABatch(position);
        if (!goesOn) return OVER;
      }
      expected = lastOffsetOf(chunk, at) + 1;
      at += bytes;
    }
    return OVER;
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

function notABatch(position: number): Step {
  return over(new DiskError(BAD_BYTES, `there is no sound batch at position ${position}`));
}

function over(error: DiskError): Step {
  return { kind: 'over', error };
}
