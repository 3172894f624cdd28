import type { Cancel, Clock } from '@weir/base/clock.ts';
import type { DiskError } from '@weir/base/disk.ts';
import { COLD_READ_BYTES, COMPACTION_SLICE_BYTES, COMPACTION_SLICE_MS } from '@weir/base/limits.ts';
import { batchBytesOf } from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import type { SegmentSummary } from '../index-file.ts';
import type { SegmentReader } from '../segment-reader.ts';

/** What a walk needs. */
export interface SlicedWalkParts {
  readonly clock: Clock;
  readonly reader: SegmentReader;
  /** It has been given up, or what it walks through is not there any more: nothing it meets means anything. */
  readonly isOver: () => boolean;
  /** Between two slices. */
  readonly pause: (goOn: () => void) => Cancel | undefined;
}

/** Visits all batches of a segment, each with a right CRC, in slices, so that it never keeps the loop for long. */
export class SlicedWalk {
  readonly #parts: SlicedWalkParts;
  readonly #segment: SegmentSummary;
  readonly #visit: (batch: Buffer) => boolean;
  readonly #done: (error: DiskError | undefined) => void;
  #cancel: Cancel | undefined;

  /**
   * @param visit sees each batch, whose memory is good until it returns; false ends the walk
   * @param done called once, unless the walk is over before
   */
  constructor(
    parts: SlicedWalkParts,
    segment: SegmentSummary,
    visit: (batch: Buffer) => boolean,
    done: (error: DiskError | undefined) => void,
  ) {
    this.#parts = parts;
    this.#segment = segment;
    this.#visit = visit;
    this.#done = done;
  }

  begin(): void {
    this.#slice(0);
  }

  stop(): void {
    this.#cancel?.();
  }

  #slice(from: number): void {
    const { clock, reader, isOver, pause } = this.#parts;
    if (isOver()) return;
    // Of the first batch on, as the first read does not count.
    let untilMs = Number.POSITIVE_INFINITY;
    let position = from;
    let goesOn = true;
    reader.walk(
      this.#segment,
      { position: from, chunkBytes: COLD_READ_BYTES },
      {
        header: () => 'take',
        batch: (chunk, at, place) => {
          if (isOver()) return false;
          const end = at + batchBytesOf(chunk, at);
          if (!isValidBatchAt(chunk, at, end)) return 'bad';
          if (position === from) untilMs = clock.monotonicMs() + COMPACTION_SLICE_MS;
          goesOn = this.#visit(chunk.subarray(at, end));
          position = place + end - at;
          return goesOn && position - from < COMPACTION_SLICE_BYTES && clock.monotonicMs() < untilMs;
        },
      },
      (error) => {
        if (isOver()) return;
        if (error !== undefined || !goesOn || position >= this.#segment.bytes) return this.#done(error);
        this.#cancel = pause(() => this.#slice(position));
      },
    );
  }
}
