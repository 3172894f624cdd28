import type { DiskFile } from '@weir/base/disk.ts';
import { WeirError } from '@weir/base/errors.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  baseOffsetOf,
  batchBytesOf,
  lastOffsetOf,
  leaderEpochOf,
  magicOf,
  maxTimestampOf,
} from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import type { SegmentSummary } from './index-file.ts';
import { OffsetIndex } from './offset-index.ts';
import { noteBatch, type SegmentIndexes } from './segment.ts';
import { TimeIndex } from './time-index.ts';

/** A scan reads so much at a time. */
const SCAN_BYTES = 1024 * 1024;
/** A scan of headers alone: of large batches most is passed over. */
const HEADER_SCAN_BYTES = 64 * 1024;

/** What a scan found. */
export interface SegmentScan extends SegmentIndexes {
  /** The part in front of the first bad byte; all of the segment when there is none. */
  readonly good: SegmentSummary;
  /** Why the bytes behind that part are bad; undefined when there are none. */
  readonly bad: string | undefined;
}

/**
 * Checks a segment's batches one after another: lengths, CRCs, offsets without a gap, leader epochs.
 *
 * @throws DiskError
 */
export function scanSegment(options: {
  readonly file: DiskFile;
  readonly baseOffset: Offset;
  readonly batchBytesMax: number;
  readonly indexIntervalBytes: number;
  /** Says what is wrong with a batch of that epoch at that offset, or undefined. Asked for each good batch in order. */
  readonly epochProblem: (epoch: number, base: Offset) => string | undefined;
  /** Sees each good batch in order. */
  readonly visit: (buffer: Buffer, at: number) => void;
}): SegmentScan {
  const { file, baseOffset } = options;
  const window = new FileWindow(file, SCAN_BYTES);
  const indexes = { offsets: new OffsetIndex(), times: new TimeIndex() };
  let endOffset = baseOffset;
  let bytes = 0;
  let maxTimestampMs = -1;
  let lastEpoch = -1;
  let indexed = 0;
  let bad: string | undefined;
  while (bytes < file.size) {
    bad = window.problemAt(bytes, options.batchBytesMax);
    if (bad !== undefined) break;
    const { buffer } = window;
    const at = window.locate(bytes);
    bad = placeProblem(buffer, at, endOffset) ?? options.epochProblem(leaderEpochOf(buffer, at), endOffset);
    if (bad !== undefined) break;
    const base = endOffset;
    if (bytes - indexed >= options.indexIntervalBytes) {
      noteBatch(indexes, { relativeOffset: base - baseOffset, position: bytes, before: { maxTimestampMs } });
      indexed = bytes;
    }
    endOffset = offset(lastOffsetOf(buffer, at) + 1);
    maxTimestampMs = Math.max(maxTimestampMs, maxTimestampOf(buffer, at));
    lastEpoch = leaderEpochOf(buffer, at);
    options.visit(buffer, at);
    bytes += batchBytesOf(buffer, at);
  }
  return { ...indexes, good: { baseOffset, endOffset, bytes, maxTimestampMs, lastEpoch }, bad };
}

/**
 * Goes through the headers of a segment that need not be checked: of each batch no more is looked at.
 *
 * @param visit sees each batch; false ends it
 * @param from where one of the batches begins
 * @returns false: from somewhere on its bytes are no batches
 * @throws DiskError
 */
export function scanHeaders(
  file: DiskFile,
  segment: SegmentSummary,
  batchBytesMax: number,
  visit: (buffer: Buffer, at: number) => boolean,
  from: { readonly position: number; readonly offset: Offset } = { position: 0, offset: segment.baseOffset },
): boolean {
  const window = new FileWindow(file, HEADER_SCAN_BYTES);
  let { position, offset: expected } = from;
  while (position < segment.bytes) {
    if (!window.fill(position, BATCH_HEADER_BYTES)) return false;
    const { buffer } = window;
    const at = window.locate(position);
    const bytes = batchBytesOf(buffer, at);
    if (magicOf(buffer, at) !== BATCH_MAGIC || bytes < BATCH_HEADER_BYTES || bytes > batchBytesMax) return false;
    if (placeProblem(buffer, at, expected) !== undefined) return false;
    if (!visit(buffer, at)) return true;
    expected = offset(lastOffsetOf(buffer, at) + 1);
    position += bytes;
  }
  return expected === segment.endOffset;
}

/** What is wrong with the offsets and times in a header whose CRC is right; the CRC does not cover the base offset. */
function placeProblem(buffer: Buffer, at: number, expected: Offset): string | undefined {
  try {
    const base = baseOffsetOf(buffer, at);
    if (base !== expected) return `a batch with base offset ${base} where ${expected} was expected`;
    if (lastOffsetOf(buffer, at) < base) return 'a batch that ends before it begins';
    maxTimestampOf(buffer, at);
    return undefined;
  } catch (error) {
    if (error instanceof WeirError) return error.message;
    throw error;
  }
}

/**
 * Looks for a valid batch that starts at or behind a position and has an offset above the one expected where the bad
 * bytes began. Producers can put the bytes of batches into their records; a find among those errs on the safe side.
 *
 * @returns the batch's position, or undefined
 * @throws DiskError
 */
export function findValidBatch(
  file: DiskFile,
  from: number,
  options: { readonly above: Offset; readonly batchBytesMax: number },
): number | undefined {
  const window = new FileWindow(file, SCAN_BYTES);
  // Checking a candidate costs its length; past this budget the bytes are odd enough to be treated as a find.
  let budget = 16 * (file.size - from);
  for (let position = from; position + BATCH_HEADER_BYTES <= file.size; position++) {
    window.fill(position, BATCH_HEADER_BYTES);
    const { buffer } = window;
    const at = window.locate(position);
    if (buffer[at + 16] !== 2 || buffer[at]! !== 0 || buffer[at + 1]! > 0x1f) continue;
    const bytes = batchBytesOf(buffer, at);
    if (bytes < BATCH_HEADER_BYTES || bytes > options.batchBytesMax || position + bytes > file.size) continue;
    if (baseOffsetOf(buffer, at) <= options.above) continue;
    if (window.problemAt(position, options.batchBytesMax) === undefined) return position;
    budget -= bytes;
    if (budget < 0) return position;
  }
  return undefined;
}

/** The part of a file that is in memory while it is read through from front to back. */
class FileWindow {
  readonly #file: DiskFile;
  #buffer: Buffer;
  #start = 0;
  #length = 0;

  constructor(file: DiskFile, readBytes: number) {
    this.#file = file;
    this.#buffer = Buffer.allocUnsafe(Math.min(readBytes, file.size));
  }

  /** What is in memory, and possibly older bytes behind it. Good until the next `fill`. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Where a position of the file is in `buffer`. */
  locate(position: number): number {
    return position - this.#start;
  }

  /** Brings so many bytes from a position on into memory; false when the file ends before. */
  fill(position: number, bytes: number): boolean {
    if (position >= this.#start && position + bytes <= this.#start + this.#length) return true;
    if (position + bytes > this.#file.size) return false;
    if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(bytes);
    this.#start = position;
    this.#length = this.#file.readNow(this.#buffer, position);
    return this.#length >= bytes;
  }

  /** What is wrong with the bytes at a position as a batch; undefined: it is valid and in `buffer`. */
  problemAt(position: number, batchBytesMax: number): string | undefined {
    if (!this.fill(position, BATCH_HEADER_BYTES)) return 'less than the header of a batch';
    const bytes = batchBytesOf(this.#buffer, this.locate(position));
    if (bytes < BATCH_HEADER_BYTES || bytes > batchBytesMax) return `a batch length of ${bytes}`;
    if (!this.fill(position, bytes)) return `a batch of ${bytes} bytes that ends behind the file`;
    const at = this.locate(position);
    return isValidBatchAt(this.#buffer, at, at + bytes) ? undefined : 'a batch whose header or CRC is wrong';
  }
}
