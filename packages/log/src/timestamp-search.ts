import type { DiskError } from '@weir/base/disk.ts';
import { WeirError } from '@weir/base/errors.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf, maxTimestampOf } from '@weir/records/batch-header.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { BatchVisitor } from './batch-walk.ts';
import type { SegmentSummary } from './index-file.ts';
import type { TimestampedOffset } from './log-read.ts';
import type { SegmentReader } from './segment-reader.ts';

/** A search reads so much at a time: mostly it ends in the first batches. */
const SEARCH_BYTES = 64 * 1024;

/** What is searched: segments as they were when it began. */
export interface SearchedLog {
  readonly segments: readonly SegmentSummary[];
  readonly reader: SegmentReader;
}

/** Told once, with an error or what was found. */
export type SearchDone<T> = (error: DiskError | undefined, found: T) => void;

/** A search in the batches that lie at or above `from` and below `upTo`. */
export type Search<T> = (log: SearchedLog, range: { from: Offset; upTo: Offset }, done: SearchDone<T>) => void;

/**
 * Finds the first record (by offset) whose timestamp is at or after the one asked for and whose offset is from `from` to
 * below `upTo`: Kafka's rule. The batch that has it is opened to find it.
 */
export function searchTimestamp(
  { segments, reader }: SearchedLog,
  { timestampMs, from, upTo }: { timestampMs: number; from: Offset; upTo: Offset },
  done: SearchDone<TimestampedOffset | undefined>,
): void {
  const searchFrom = (first: number): void => {
    let index = first;
    while (index < segments.length && segments[index]!.maxTimestampMs < timestampMs) index += 1;
    const segment = segments[index];
    if (segment === undefined || segment.baseOffset >= upTo) return done(undefined, undefined);
    let found: TimestampedOffset | undefined;
    let over = false;
    reader.timePosition(segment, timestampMs, (position) => {
      reader.walk(
        segment,
        { position, chunkBytes: SEARCH_BYTES },
        {
          header(chunk, at) {
            over = baseOffsetOf(chunk, at) >= upTo;
            if (over) return 'stop';
            return maxTimestampOf(chunk, at) < timestampMs || lastOffsetOf(chunk, at) < from ? 'skip' : 'take';
          },
          batch(chunk, at) {
            found = firstRecordFrom(chunk.subarray(at, at + batchBytesOf(chunk, at)), timestampMs, from);
            return found === undefined;
          },
        },
        (error) => {
          if (error !== undefined) return done(error, undefined);
          if (found !== undefined) return done(undefined, found.offset < upTo ? found : undefined);
          // A batch may claim a later timestamp than its records have: then the search goes on.
          if (over) return done(undefined, undefined);
          searchFrom(index + 1);
        },
      );
    });
  };
  searchFrom(0);
}

/**
 * Finds the latest timestamp of the batches that lie at or above `from` and below `upTo`; -1 without any. Segments that
 * lie in between as a whole are not read.
 */
export function searchMaxTimestamp(
  { segments, reader }: SearchedLog,
  { from, upTo }: { from: Offset; upTo: Offset },
  done: SearchDone<number>,
): void {
  const latestFirst = segments.toSorted((a, b) => b.maxTimestampMs - a.maxTimestampMs);
  const search = (index: number, known: number): void => {
    const segment = latestFirst[index];
    if (segment === undefined || segment.maxTimestampMs <= known) return done(undefined, known);
    if (segment.endOffset <= from || segment.baseOffset >= upTo) return search(index + 1, known);
    if (segment.baseOffset >= from && segment.endOffset <= upTo) return done(undefined, segment.maxTimestampMs);
    let latest = known;
    const visitor: BatchVisitor = {
      header(chunk, at) {
        if (baseOffsetOf(chunk, at) >= upTo) return 'stop';
        if (lastOffsetOf(chunk, at) >= from) latest = Math.max(latest, maxTimestampOf(chunk, at));
        return 'skip';
      },
      batch: () => true,
    };
    reader.walk(segment, { position: 0, chunkBytes: SEARCH_BYTES }, visitor, (error) => {
      if (error === undefined) search(index + 1, latest);
      else done(error, -1);
    });
  };
  search(0, -1);
}

/** The first record of a batch at or after a timestamp, and at or after an offset. */
function firstRecordFrom(batch: Buffer, timestampMs: number, from: Offset): TimestampedOffset | undefined {
  let found: TimestampedOffset | undefined;
  try {
    readRecords(batch, (record) => {
      if (record.timestampMs < timestampMs || record.offset < from) return;
      found = { offset: offset(record.offset), timestampMs: record.timestampMs };
      return false;
    });
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    // Bodies are not opened when they are appended: for one that cannot be read the batch itself is the answer.
    return { offset: offset(Math.max(from, baseOffsetOf(batch, 0))), timestampMs: maxTimestampOf(batch, 0) };
  }
  return found;
}
