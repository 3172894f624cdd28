import { assert } from '@weir/base/assert.ts';
import {
  BATCH_CRC_FROM,
  BATCH_HEADER_BYTES,
  NO_PRODUCER,
  writeCrc,
  writePlainHeader,
  writeProducer,
} from './batch-header.ts';
import type { BatchProducer } from './batch-header.ts';
import { compress, COMPRESSIONS } from './compression.ts';
import type { Compression } from './compression.ts';
import { crc32c } from './crc32c.ts';
import type { NewRecord, RecordHeader } from './record.ts';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

/** Room that a builder starts with, unless its batch may not become that large; it doubles from there. */
const INITIAL_BYTES = 4 * 1024;
/** Below this many bytes a loop copies faster than a call. */
const LOOP_COPY_BYTES_MAX = 8;
/** A null key or value, where a length is expected. */
const NULL_LENGTH = -1;
const NO_HEADERS: readonly RecordHeader[] = [];

/**
 * Makes one record batch: records are written straight into one growing buffer, and none of them is kept. A builder
 * makes one batch and is spent then, as the batch is a view of its buffer.
 */
export class BatchBuilder {
  readonly #maxBytes: number;
  readonly #compression: Compression;
  #buffer: Buffer;
  /** Where the next record goes. Invariant: BATCH_HEADER_BYTES <= at <= max(maxBytes, BATCH_HEADER_BYTES). */
  #at = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;
  #built = false;

  /** `maxBytes` bounds the whole batch, its header included, before compression. */
  constructor({ maxBytes, compression = 'none' }: { readonly maxBytes: number; readonly compression?: Compression }) {
    this.#maxBytes = maxBytes;
    this.#compression = compression;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(BATCH_HEADER_BYTES, Math.min(maxBytes, INITIAL_BYTES)));
  }

  /** Records so far. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the batch so far, its header included, before compression. */
  get bytes(): number {
    return this.#at;
  }

  /**
   * Adds a record that `recordProblem` finds nothing wrong with. False when it would not fit into `maxBytes`: then
   * nothing was added, and if `count` is 0 no batch of that size can hold the record.
   */
  append(record: NewRecord): boolean {
    assert(!this.#built, 'a builder makes one batch');
    const { key, value, timestampMs } = record;
    assert(Number.isSafeInteger(timestampMs) && timestampMs >= 0, 'a timestamp is a safe integer from 0');
    const headers = record.headers ?? NO_HEADERS;
    const timestampDelta = this.#count === 0 ? 0 : timestampMs - this.#baseTimestampMs;
    const recordBytes = bytesOf(record, headers) + varlongBytes(timestampDelta) + varintBytes(this.#count);
    const end = this.#at + varintBytes(recordBytes) + recordBytes;
    if (end > this.#maxBytes) return false;
    this.#reserve(end);
    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#at, recordBytes);
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, this.#count);
    at = writeBytes(buffer, at, key);
    at = writeBytes(buffer, at, value);
    at = writeHeaders(buffer, at, headers);
    assert(at === end, 'a record takes the bytes that were counted for it');
    if (this.#count === 0) this.#baseTimestampMs = timestampMs;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    this.#at = end;
    this.#count++;
    return true;
  }

  /** The batch: base offset 0, no leader epoch. Uncompressed if compression would not make it smaller. */
  build(producer: BatchProducer = NO_PRODUCER): Buffer {
    assert(!this.#built && this.#count > 0, 'a builder makes one batch, of at least one record');
    this.#built = true;
    let batch = this.#buffer.subarray(0, this.#at);
    let compression = this.#compression;
    if (compression !== 'none') {
      const body = compress(compression, batch.subarray(BATCH_HEADER_BYTES));
      if (BATCH_HEADER_BYTES + body.length < batch.length) {
        batch = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + body.length);
        batch.set(body, BATCH_HEADER_BYTES);
      } else {
        compression = 'none';
      }
    }
    writePlainHeader(batch, {
      batchBytes: batch.length,
      compressionId: COMPRESSIONS.indexOf(compression),
      recordCount: this.#count,
      baseTimestampMs: this.#baseTimestampMs,
      maxTimestampMs: this.#maxTimestampMs,
    });
    stampProducer(batch, producer);
    return batch;
  }

  /** Grows the buffer to hold `end` bytes, which are at most maxBytes. */
  #reserve(end: number): void {
    if (end <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#maxBytes, Math.max(end, 2 * this.#buffer.length)));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}

/** Makes a batch a producer's, with the CRC that it has then. Nobody else may be looking at it. */
export function stampProducer(batch: Buffer, producer: BatchProducer): void {
  writeProducer(batch, 0, producer);
  writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
}

/** Bytes of an uncompressed batch that holds nothing but this record: what decides whether any batch can. */
export function singleRecordBatchBytes(record: Omit<NewRecord, 'timestampMs'>): number {
  const recordBytes = bytesOf(record, record.headers ?? NO_HEADERS) + varlongBytes(0) + varintBytes(0);
  return BATCH_HEADER_BYTES + varintBytes(recordBytes) + recordBytes;
}

/** Bytes of a record but for its length in front and its two deltas, which depend on its place. */
function bytesOf({ key, value }: Omit<NewRecord, 'timestampMs'>, headers: readonly RecordHeader[]): number {
  // One byte of attributes, which has no bits yet.
  return 1 + lengthAndBytes(key) + lengthAndBytes(value) + headersBytes(headers);
}

function lengthAndBytes(bytes: Uint8Array | null): number {
  return bytes === null ? varintBytes(NULL_LENGTH) : varintBytes(bytes.length) + bytes.length;
}

function headersBytes(headers: readonly RecordHeader[]): number {
  let total = varintBytes(headers.length);
  for (let i = 0; i < headers.length; i++) {
    const { key, value } = headers[i]!;
    const keyBytes = Buffer.byteLength(key);
    total += varintBytes(keyBytes) + keyBytes + lengthAndBytes(value);
  }
  return total;
}

function writeBytes(buffer: Buffer, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return writeVarint(buffer, at, NULL_LENGTH);
  at = writeVarint(buffer, at, bytes.length);
  if (bytes.length > LOOP_COPY_BYTES_MAX) buffer.set(bytes, at);
  else for (let i = 0; i < bytes.length; i++) buffer[at + i] = bytes[i]!;
  return at + bytes.length;
}

function writeHeaders(buffer: Buffer, at: number, headers: readonly RecordHeader[]): number {
  at = writeVarint(buffer, at, headers.length);
  for (let i = 0; i < headers.length; i++) {
    const { key, value } = headers[i]!;
    at = writeVarint(buffer, at, Buffer.byteLength(key));
    at += buffer.write(key, at, 'utf8');
    at = writeBytes(buffer, at, value);
  }
  return at;
}
