import { violated } from '@weir/base/assert.ts';
import type { Disk, DiskFile } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import {
  BATCH_HEADER_BYTES,
  baseOffsetOf,
  batchBytesOf,
  hasSoundTimestamps,
  lastOffsetOf,
  leaderEpochOf,
  maxTimestampOf,
} from '@weir/records/batch-header.ts';
import { writeIndexFile, type IndexKind, type SegmentSummary } from './index-file.ts';
import { OffsetIndex } from './offset-index.ts';
import { TimeIndex } from './time-index.ts';

/** Positions and relative offsets in the indexes have 32 bits. */
const RELATIVE_MAX = 0xffff_ffff;

/** A segment's file name without its ending: its base offset in 20 digits, so that names sort as offsets do. */
export function segmentName(baseOffset: Offset): string {
  return String(baseOffset).padStart(20, '0');
}

/** The path of one of a segment's files. */
export function segmentPath(directory: string, baseOffset: Offset, ending: '.log' | IndexKind): string {
  return `${directory}/${segmentName(baseOffset)}${ending}`;
}

/** A segment's indexes while it grows. */
export interface SegmentIndexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
}

/** What a segment has when it is opened for appends. */
export interface SegmentStart extends SegmentIndexes {
  readonly summary: SegmentSummary;
  /** Of its first batch, that one's largest; -1 when it has none. */
  readonly firstTimestampMs: number;
  readonly indexIntervalBytes: number;
}

/**
 * The last segment of a log, which batches are written to. It is a SegmentSummary that grows.
 *
 * Invariant: `bytes` counts whole batches only; after a failed write its file may have more.
 */
export class ActiveSegment implements SegmentSummary {
  readonly baseOffset: Offset;
  readonly indexes: SegmentIndexes;
  readonly #indexIntervalBytes: number;
  #endOffset: Offset;
  #bytes: number;
  #maxTimestampMs: number;
  #firstTimestampMs: number;
  #lastEpoch: number;
  /** Position of the last index entry. */
  #indexed: number;

  constructor({ summary, firstTimestampMs, offsets, times, indexIntervalBytes }: SegmentStart) {
    this.baseOffset = summary.baseOffset;
    this.indexes = { offsets, times };
    this.#endOffset = summary.endOffset;
    this.#bytes = summary.bytes;
    this.#maxTimestampMs = summary.maxTimestampMs;
    this.#firstTimestampMs = firstTimestampMs;
    this.#lastEpoch = summary.lastEpoch;
    this.#indexIntervalBytes = indexIntervalBytes;
    this.#indexed = summary.bytes === 0 ? 0 : offsets.positionOf(RELATIVE_MAX);
  }

  get endOffset(): Offset {
    return this.#endOffset;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get lastEpoch(): number {
    return this.#lastEpoch;
  }

  get maxTimestampMs(): number {
    return this.#maxTimestampMs;
  }

  /** The largest of its first batch, which tells for how long it has been open; -1 when there is none. */
  get firstTimestampMs(): number {
    return this.#firstTimestampMs;
  }

  /** Whether a batch still goes into this segment. An empty segment takes any. */
  hasRoomFor(batch: Buffer, atBytes: number, segmentBytes: number): boolean {
    if (atBytes === 0) return true;
    return atBytes + batch.length <= segmentBytes && lastOffsetOf(batch, 0) - this.baseOffset < RELATIVE_MAX;
  }

  /**
   * Writes batches that have their offsets into its file.
   *
   * @throws DiskError; the segment counts none of them, the file may have a part of them
   */
  append(file: DiskFile, batches: readonly Buffer[]): void {
    file.append(batches);
    for (const batch of batches) this.grow(batch, 0);
  }

  /** Counts the batch that lies behind the others in its file; no more than the header is looked at. */
  grow(buffer: Buffer, at: number): void {
    const base = baseOffsetOf(buffer, at);
    if (base !== this.#endOffset) violated(`a batch at ${base} follows offset ${this.#endOffset}`);
    if (this.#bytes - this.#indexed >= this.#indexIntervalBytes) {
      noteBatch(this.indexes, { relativeOffset: base - this.baseOffset, position: this.#bytes, before: this });
      this.#indexed = this.#bytes;
    }
    this.#bytes += batchBytesOf(buffer, at);
    this.#endOffset = offset(lastOffsetOf(buffer, at) + 1);
    const timestampMs = maxTimestampOf(buffer, at);
    if (this.#firstTimestampMs === -1) this.#firstTimestampMs = timestampMs;
    this.#maxTimestampMs = Math.max(this.#maxTimestampMs, timestampMs);
    this.#lastEpoch = leaderEpochOf(buffer, at);
  }

  /** A snapshot of the numbers. */
  summary(): SegmentSummary {
    const { baseOffset, endOffset, bytes, maxTimestampMs, lastEpoch } = this;
    return { baseOffset, endOffset, bytes, maxTimestampMs, lastEpoch };
  }

  /** Writes the index files. */
  writeIndexes(disk: Disk, directory: string): void {
    writeIndexes(disk, directory, this.summary(), this.indexes);
  }
}

/** Enters a batch into both indexes. */
export function noteBatch(
  { offsets, times }: SegmentIndexes,
  batch: { relativeOffset: number; position: number; before: { readonly maxTimestampMs: number } },
): void {
  // A segment may outgrow its indexes' numbers by what came while a sync was under way: readers step over the rest.
  if (batch.relativeOffset > RELATIVE_MAX || batch.position > RELATIVE_MAX) return;
  offsets.add(batch.relativeOffset, batch.position);
  times.add(batch.before.maxTimestampMs, batch.position);
}

/** Writes both index files of a segment. */
export function writeIndexes(disk: Disk, directory: string, summary: SegmentSummary, indexes: SegmentIndexes): void {
  const { offsets, times } = indexes;
  const path = (kind: IndexKind): string => segmentPath(directory, summary.baseOffset, kind);
  writeIndexFile(disk, path('.index'), '.index', { summary, entries: offsets.entries });
  writeIndexFile(disk, path('.timeindex'), '.timeindex', { summary, entries: times.entries });
}

/** An active segment without a batch. */
export function emptySegment(baseOffset: Offset, indexIntervalBytes: number): ActiveSegment {
  return new ActiveSegment({
    summary: { baseOffset, endOffset: baseOffset, bytes: 0, maxTimestampMs: -1, lastEpoch: -1 },
    firstTimestampMs: -1,
    offsets: new OffsetIndex(),
    times: new TimeIndex(),
    indexIntervalBytes,
  });
}

/** Of the first batch in a segment file, its largest; -1 without one, or when what is there is no timestamp. */
export function firstTimestampOf(file: DiskFile): number {
  const header = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
  if (file.readNow(header, 0) < BATCH_HEADER_BYTES || !hasSoundTimestamps(header, 0)) return -1;
  return maxTimestampOf(header, 0);
}

/** Removes a segment's index files. */
export function removeIndexes(disk: Disk, directory: string, baseOffset: Offset): void {
  for (const kind of ['.index', '.timeindex'] as const) disk.removeFile(segmentPath(directory, baseOffset, kind));
}

/** Removes a segment's files: the log file first, as indexes alone mean nothing. */
export function removeSegment(disk: Disk, directory: string, baseOffset: Offset): void {
  disk.removeFile(segmentPath(directory, baseOffset, '.log'));
  removeIndexes(disk, directory, baseOffset);
}
