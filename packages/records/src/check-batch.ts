import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { DECOMPRESSED_BYTES_MAX } from '@weir/base/limits.ts';
import {
  baseOffsetOf,
  baseSequenceOf,
  BATCH_CRC_FROM,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBytesOf,
  compressionOf,
  crcOf,
  deleteHorizonOf,
  hasLogAppendTime,
  hasProducerId,
  hasSoundOffsets,
  hasSoundTimestamps,
  isControl,
  isTransactional,
  lastOffsetDeltaOf,
  leaderEpochOf,
  magicOf,
  producerEpochOf,
  recordCountOf,
} from './batch-header.ts';
import { crc32c } from './crc32c.ts';

/** Base offset and length, which stand in front of what the length counts. */
const LENGTH_END = 12;
/** Bytes up to and including the magic, which all of Kafka's formats have in the same place. */
const MAGIC_END = 17;
/** The smallest batch or message of any format, its length and what is in front of it included. */
const ANY_FORMAT_BYTES_MIN = 26;
/** Length, attributes, two deltas, two lengths and a header count, one byte each. */
const RECORD_BYTES_MIN = 7;

/**
 * Whether `buffer` is exactly one batch that a producer may append: its refusal, or undefined when it is. Records are
 * not parsed and compressed bodies not opened: the CRC covers what the producer sent. Whatever passes here is a valid
 * batch to `isValidBatchAt` too, at any base offset and in any epoch that the log stamps into it.
 *
 * The codes are Kafka's: CORRUPT_MESSAGE is for bytes that were changed on their way, INVALID_RECORD for a batch that is
 * not all there, and for one that came as it was sent and is none that may be appended.
 */
export function checkBatch(buffer: Buffer, { maxBytes }: { readonly maxBytes: number }): Refusal | undefined {
  const notWhole = envelopeProblem(buffer);
  if (notWhole !== undefined) return notWhole;
  const bytes = batchBytesOf(buffer, 0);
  if (bytes > maxBytes) return refusal('MESSAGE_TOO_LARGE', `the batch has ${bytes} bytes, of at most ${maxBytes}`);
  if (bytes < BATCH_HEADER_BYTES) return refusal('CORRUPT_MESSAGE', 'the length of the batch is less than its header');
  if (!hasRightCrc(buffer, 0, bytes)) return refusal('CORRUPT_MESSAGE', 'the batch does not match its CRC-32C');
  // Only now: what says that more follows is the length, which may be what is damaged.
  if (bytes < buffer.length) {
    return refusal('INVALID_RECORD', `${buffer.length - bytes} bytes follow the batch; send one batch per partition`);
  }
  if (!hasSoundTimestamps(buffer, 0)) {
    return refusal('INVALID_TIMESTAMP', 'timestamps are in milliseconds since 1970, within -1 to 2^53 - 1');
  }
  const problem = batchProblemAt(buffer, 0, bytes);
  if (problem !== undefined) return refusal('INVALID_RECORD', `this is no record batch: ${problem}`);
  return producerProblem(buffer);
}

/** What keeps `buffer` from beginning with a whole batch, in the order in which Kafka looks (`ByteBufferLogInputStream`). */
function envelopeProblem(buffer: Buffer): Refusal | undefined {
  if (buffer.length === 0) return refusal('INVALID_RECORD', 'there is no batch; send one per partition');
  if (buffer.length < LENGTH_END) return CUT_SHORT;
  const bytes = batchBytesOf(buffer, 0);
  if (bytes < ANY_FORMAT_BYTES_MIN) return refusal('CORRUPT_MESSAGE', 'the length of the batch is that of none');
  if (buffer.length < MAGIC_END) return CUT_SHORT;
  const magic = magicOf(buffer, 0);
  if (magic < 0 || magic > BATCH_MAGIC) return refusal('CORRUPT_MESSAGE', `there is no message format v${magic}`);
  if (bytes > buffer.length) return CUT_SHORT;
  if (magic === BATCH_MAGIC) return undefined;
  return refusal('INVALID_RECORD', `message format v${magic} is not taken; send record batches (v2)`);
}

const CUT_SHORT = refusal('INVALID_RECORD', 'the batch is cut short; send one whole batch per partition');

/**
 * Whether a whole batch with the right CRC starts at `at` and ends at or before `end`. For recovery, which tries many
 * positions: nearly all that is no batch fails at the header, without a look at the body.
 */
export function isValidBatchAt(buffer: Buffer, at: number, end: number): boolean {
  if (batchProblemAt(buffer, at, end) !== undefined || compressionOf(buffer, at) === undefined) return false;
  return hasRightCrc(buffer, at, batchBytesOf(buffer, at));
}

/** Whether the CRC of the batch at `at` is right, all of whose `bytes` are there. */
export function hasRightCrc(buffer: Buffer, at: number, bytes: number): boolean {
  return crc32c(buffer.subarray(at + BATCH_CRC_FROM, at + bytes)) === crcOf(buffer, at);
}

/**
 * What in the header keeps the bytes at `at` from being a whole batch before `end`, or undefined. Past this check the
 * accessors of batch-header.ts do not throw (but `producerIdOf`). Neither CRC nor compression are looked at.
 */
export function batchProblemAt(buffer: Buffer, at: number, end: number): string | undefined {
  if (end - at < BATCH_HEADER_BYTES) return 'its header is cut short';
  if (magicOf(buffer, at) !== BATCH_MAGIC) return 'its magic is not 2';
  const bytes = batchBytesOf(buffer, at);
  if (bytes < BATCH_HEADER_BYTES) return 'its length is less than its header';
  if (bytes > end - at) return 'it is cut short';
  if (!hasSoundOffsets(buffer, at)) return 'its offsets do not ascend within 0 to 2^53 - 1';
  if (!hasSoundTimestamps(buffer, at)) return 'its timestamps are not within -1 to 2^53 - 1';
  if (leaderEpochOf(buffer, at) < -1) return 'its leader epoch is below -1';
  const count = recordCountOf(buffer, at);
  if (count < 0 || count - 1 > lastOffsetDeltaOf(buffer, at)) return 'it has more records than offsets';
  return undefined;
}

/** What makes a sound batch one that no producer may send (Kafka's `LogValidator.validateBatch`). */
function producerProblem(buffer: Buffer): Refusal | undefined {
  const compression = compressionOf(buffer, 0);
  if (compression === undefined) {
    return refusal('UNSUPPORTED_COMPRESSION_TYPE', 'its compression is none of none, gzip, snappy, lz4 and zstd');
  }
  if (isControl(buffer, 0)) return refusal('INVALID_RECORD', 'control records are for brokers only');
  if (deleteHorizonOf(buffer, 0) !== undefined) {
    return refusal('INVALID_RECORD', 'the delete horizon of tombstones is for brokers to set');
  }
  if (isTransactional(buffer, 0)) return refusal('INVALID_RECORD', 'transactions are not supported');
  if (hasLogAppendTime(buffer, 0)) {
    return refusal('INVALID_TIMESTAMP', 'the timestamp type of a producer is create time, not log append time');
  }
  const base = baseOffsetOf(buffer, 0);
  if (base !== 0) return refusal('INVALID_RECORD', `the base offset of a producer's batch is 0, not ${base}`);
  const count = recordCountOf(buffer, 0);
  const lastDelta = lastOffsetDeltaOf(buffer, 0);
  if (count < 1) return refusal('INVALID_RECORD', 'a batch has at least one record');
  if (lastDelta !== count - 1) {
    return refusal('INVALID_RECORD', `${count} records have ${count - 1} as last offset delta, not ${lastDelta}`);
  }
  const bodyBytesMax = compression === 'none' ? buffer.length - BATCH_HEADER_BYTES : DECOMPRESSED_BYTES_MAX;
  if (count * RECORD_BYTES_MIN > bodyBytesMax) {
    return refusal('INVALID_RECORD', `${count} records do not fit into ${bodyBytesMax} bytes`);
  }
  if (hasProducerId(buffer, 0) && (producerEpochOf(buffer, 0) < 0 || baseSequenceOf(buffer, 0) < 0)) {
    return refusal('INVALID_RECORD', 'a batch with a producer id has an epoch and a sequence number from 0');
  }
  return undefined;
}
