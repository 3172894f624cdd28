import { WeirError } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import {
  baseOffsetOf,
  baseTimestampOf,
  BATCH_HEADER_BYTES,
  batchBytesOf,
  compressionOf,
  hasLogAppendTime,
  lastOffsetDeltaOf,
  maxTimestampOf,
  recordCountOf,
} from './batch-header.ts';
import { batchProblemAt, hasRightCrc } from './check-batch.ts';
import { decompress } from './compression.ts';
import type { RecordHeader, RecordView } from './record.ts';
import { VarintReader } from './varint.ts';

const NO_HEADERS: readonly RecordHeader<Buffer>[] = [];
const NO_BYTES = Buffer.alloc(0);

/**
 * Walks the records of one batch after another, and allocates nothing per record: after each `next` that said true it
 * shows that record, until the next call. Key, value and headers become views only when they are asked for; `record`
 * makes one to keep.
 */
export class RecordCursor implements RecordView {
  /** Of the record shown. */
  offset = 0 as Offset;
  /** Of the record shown, see RecordView. */
  timestampMs = -1;

  readonly #reader = new VarintReader();
  #body: Buffer = NO_BYTES;
  #bodyEnd = 0;
  #left = 0;
  #baseOffset = 0;
  #lastOffsetDelta = 0;
  #offsetDelta = -1;
  #baseTimestampMs = 0;
  /** What all records of the batch have as theirs, if the broker set it. */
  #appendTimestampMs: number | undefined;

  #fieldsAt = 0;
  #keyAt = 0;
  #keyBytes = 0;
  #valueAt = 0;
  #valueBytes = 0;
  #headersAt = 0;
  #headerCount = 0;

  /**
   * Goes to the batch at `at`, before its first record, and decompresses it. Returns where the batch ends.
   *
   * @throws WeirError CORRUPT_MESSAGE when there is no whole batch with the right CRC or its records do not
   *   decompress, UNSUPPORTED_COMPRESSION_TYPE for a compression that does not exist
   */
  open(buffer: Buffer, at = 0): number {
    this.#left = 0;
    this.#body = NO_BYTES;
    this.#reader.reset(NO_BYTES, 0, 0);
    this.#bodyEnd = 0;
    const problem = batchProblemAt(buffer, at, buffer.length);
    if (problem !== undefined) throw corrupt(`there is no record batch: ${problem}`);
    const bytes = batchBytesOf(buffer, at);
    if (!hasRightCrc(buffer, at, bytes)) throw corrupt('a batch does not match its CRC-32C');
    const compression = compressionOf(buffer, at);
    if (compression === undefined) throw new WeirError('UNSUPPORTED_COMPRESSION_TYPE', 'a compression is unknown');
    if (compression === 'none') {
      this.#body = buffer;
      this.#bodyEnd = at + bytes;
      this.#reader.reset(buffer, at + BATCH_HEADER_BYTES, at + bytes);
    } else {
      this.#body = decompress(compression, buffer.subarray(at + BATCH_HEADER_BYTES, at + bytes));
      this.#bodyEnd = this.#body.length;
      this.#reader.reset(this.#body, 0, this.#bodyEnd);
    }
    this.#left = recordCountOf(buffer, at);
    this.#baseOffset = baseOffsetOf(buffer, at);
    this.#lastOffsetDelta = lastOffsetDeltaOf(buffer, at);
    this.#offsetDelta = -1;
    this.#baseTimestampMs = baseTimestampOf(buffer, at);
    this.#appendTimestampMs = hasLogAppendTime(buffer, at) ? maxTimestampOf(buffer, at) : undefined;
    return at + bytes;
  }

  /**
   * Goes to the next record of the batch; false when there is none left.
   *
   * @throws WeirError CORRUPT_MESSAGE when the bytes are no record, or something follows the last one
   */
  next(): boolean {
    const reader = this.#reader;
    if (this.#left === 0) {
      if (reader.at !== this.#bodyEnd) throw corrupt('bytes follow the last record of a batch');
      return false;
    }
    reader.end = this.#bodyEnd;
    const bytes = reader.readVarint();
    if (bytes < 1 || bytes > reader.end - reader.at) throw corrupt('a record runs past the end of its batch');
    reader.end = reader.at + bytes;
    // Attributes, which have no bits yet.
    reader.at++;
    this.timestampMs = this.#timestamp(reader.readVarlong());
    this.offset = this.#nextOffset(reader.readVarint());
    this.#fieldsAt = reader.at;
    this.#keyBytes = this.#length(reader.readVarint());
    this.#keyAt = reader.at;
    if (this.#keyBytes > 0) reader.at += this.#keyBytes;
    this.#valueBytes = this.#length(reader.readVarint());
    this.#valueAt = reader.at;
    if (this.#valueBytes > 0) reader.at += this.#valueBytes;
    this.#headerCount = reader.readVarint();
    this.#headersAt = reader.at;
    if (this.#headerCount !== 0) this.#skipHeaders();
    if (reader.at !== reader.end) throw corrupt('a record is shorter than it says');
    this.#left--;
    return true;
  }

  get key(): Buffer | null {
    return this.#view(this.#keyAt, this.#keyBytes);
  }

  get value(): Buffer | null {
    return this.#view(this.#valueAt, this.#valueBytes);
  }

  get headers(): readonly RecordHeader<Buffer>[] {
    if (this.#headerCount === 0) return NO_HEADERS;
    const reader = new VarintReader();
    reader.reset(this.#body, this.#headersAt, this.#reader.end);
    const headers: RecordHeader<Buffer>[] = [];
    for (let i = 0; i < this.#headerCount; i++) {
      const keyBytes = reader.readVarint();
      const key = this.#body.toString('utf8', reader.at, reader.at + keyBytes);
      reader.at += keyBytes;
      const valueBytes = reader.readVarint();
      headers.push({ key, value: this.#view(reader.at, valueBytes) });
      if (valueBytes > 0) reader.at += valueBytes;
    }
    return headers;
  }

  get hasKey(): boolean {
    return this.#keyBytes >= 0;
  }

  get isTombstone(): boolean {
    return this.#valueBytes < 0;
  }

  /** Offset of the record shown, less that of its batch. */
  get offsetDelta(): number {
    return this.#offsetDelta;
  }

  /** Key, value and headers of the record shown, as they are encoded: what does not depend on its place in a batch. */
  get encodedFields(): Buffer {
    return this.#body.subarray(this.#fieldsAt, this.#reader.end);
  }

  /** The record shown as one that stays as it is when the cursor goes on. */
  record(): RecordView {
    return {
      offset: this.offset,
      timestampMs: this.timestampMs,
      key: this.key,
      value: this.value,
      headers: this.headers,
    };
  }

  /** A record's timestamp from its delta to the batch's, unless the broker's own holds for all. */
  #timestamp(delta: number): number {
    if (this.#appendTimestampMs !== undefined) return this.#appendTimestampMs;
    const timestampMs = this.#baseTimestampMs + delta;
    if (!Number.isSafeInteger(timestampMs)) throw corrupt('a timestamp is outside of the safe integers');
    return timestampMs;
  }

  /** Offsets ascend within a batch; compaction may leave gaps. */
  #nextOffset(delta: number): Offset {
    if (delta <= this.#offsetDelta || delta > this.#lastOffsetDelta) {
      throw corrupt('the offsets of records do not ascend within their batch');
    }
    this.#offsetDelta = delta;
    return (this.#baseOffset + delta) as Offset;
  }

  /** A length that was read: -1 for null, else what is left of the record holds it. */
  #length(bytes: number): number {
    if (bytes < -1 || bytes > this.#reader.end - this.#reader.at) throw corrupt('a field runs past its record');
    return bytes;
  }

  #skipHeaders(): void {
    const reader = this.#reader;
    if (this.#headerCount < 0) throw corrupt('a record has a negative number of headers');
    // Each header takes two bytes at least, so the loop ends with the record whatever the count says.
    for (let i = 0; i < this.#headerCount; i++) {
      const keyBytes = this.#length(reader.readVarint());
      if (keyBytes < 0) throw corrupt('the key of a header is null');
      reader.at += keyBytes;
      const valueBytes = this.#length(reader.readVarint());
      if (valueBytes > 0) reader.at += valueBytes;
    }
  }

  #view(at: number, bytes: number): Buffer | null {
    return bytes < 0 ? null : this.#body.subarray(at, at + bytes);
  }
}

function corrupt(why: string): WeirError {
  return new WeirError('CORRUPT_MESSAGE', why);
}
