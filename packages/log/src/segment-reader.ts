import { DiskError, type Disk } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { walkBatches, type BatchVisitor } from './batch-walk.ts';
import type { IndexCache } from './index-cache.ts';
import type { SegmentSummary } from './index-file.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import { OffsetIndex } from './offset-index.ts';
import { ActiveSegment } from './segment.ts';
import type { SegmentFiles } from './segment-files.ts';
import { TimeIndex } from './time-index.ts';

/** What a segment reader reads through. */
export interface SegmentReaderOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** Of the log: no CRC covers those in the batches. */
  readonly epochs: LeaderEpochs;
  readonly files: SegmentFiles;
  readonly indexes: IndexCache;
  readonly batchBytesMax: number;
  /** Where what is read lies. */
  readonly slabs: Slabs;
}

/** Finds and reads batches in segment files without blocking. */
export class SegmentReader {
  readonly #options: SegmentReaderOptions;

  constructor(options: SegmentReaderOptions) {
    this.#options = options;
  }

  get slabs(): Slabs {
    return this.#options.slabs;
  }

  /** A position at or before the batch that contains an offset of the segment. */
  offsetPosition(segment: SegmentSummary, value: Offset, done: (position: number) => void): void {
    const relative = value - segment.baseOffset;
    if (segment instanceof ActiveSegment) return done(segment.indexes.offsets.positionOf(relative));
    const { disk, directory, indexes } = this.#options;
    indexes.load({ disk, directory, segment, kind: '.index' }, (entries) =>
      done(entries === undefined ? 0 : new OffsetIndex(entries).positionOf(relative)),
    );
  }

  /** A position in the segment before which every batch is older than the timestamp. */
  timePosition(segment: SegmentSummary, timestampMs: number, done: (position: number) => void): void {
    if (segment instanceof ActiveSegment) return done(segment.indexes.times.positionOf(timestampMs));
    const { disk, directory, indexes } = this.#options;
    indexes.load({ disk, directory, segment, kind: '.timeindex' }, (entries) =>
      done(entries === undefined ? 0 : new TimeIndex(entries).positionOf(timestampMs)),
    );
  }

  /** Walks a segment's batches from the start of one of them on, as far as they were written when it began. */
  walk(
    segment: SegmentSummary,
    { position, chunkBytes }: { position: number; chunkBytes: number },
    visitor: BatchVisitor,
    done: (error: DiskError | undefined) => void,
  ): void {
    const { epochs, files, batchBytesMax, slabs } = this.#options;
    let held: ReturnType<SegmentFiles['acquire']>;
    try {
      held = files.acquire(segment.baseOffset);
    } catch (error) {
      if (error instanceof DiskError) return done(error);
      throw error;
    }
    const walk = { file: held.file, from: position, to: segment.bytes, chunkBytes, batchBytesMax, slabs, epochs };
    walkBatches(walk, visitor, (error) => {
      files.release(held);
      done(error);
    });
  }
}
