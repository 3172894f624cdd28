import { WeirError } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { COMPRESSIONS } from './compression.ts';
import type { Compression } from './compression.ts';

/**
 * The header of a record batch, magic 2, as Kafka's `DefaultRecordBatch` lays it out; big-endian:
 *
 * ```
 *  0 int64 base offset          23 int32 last offset delta    51 int16 producer epoch
 *  8 int32 bytes from 12 on     27 int64 base timestamp       53 int32 base sequence
 * 12 int32 leader epoch         35 int64 max timestamp        57 int32 record count
 * 16 int8  magic                43 int64 producer id          61       records
 * 17 int32 CRC-32C from 21 on
 * 21 int16 attributes: 0-2 compression, 3 log append time, 4 transactional, 5 control, 6 delete horizon
 * ```
 *
 * The accessors allocate nothing and check nothing but the range of what they return: whoever calls them knows that
 * BATCH_HEADER_BYTES are there from `at` on (`batchProblemAt` in check-batch.ts checks both).
 */

/** Bytes before the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes that `batchBytesOf` has to see: base offset and length. The length field does not count them. */
export const BATCH_PREFIX_BYTES = 12;
/** Where the bytes begin that the CRC covers; what comes before may change without a new CRC. */
export const BATCH_CRC_FROM = 21;
/** The only magic that is stored. */
export const BATCH_MAGIC = 2;

const LENGTH_AT = 8;
const LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const RECORD_COUNT_AT = 57;

const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME_BIT = 0x08;
const TRANSACTIONAL_BIT = 0x10;
const CONTROL_BIT = 0x20;
const DELETE_HORIZON_BIT = 0x40;

/** Offset of the first record. @throws WeirError CORRUPT_MESSAGE when it is negative or not a safe integer */
export function baseOffsetOf(buffer: Buffer, at: number): Offset {
  return checkedOffset(readInt64(buffer, at));
}

/** Bytes of the whole batch as its header says: any 32-bit integer in damaged bytes, so compare before use. */
export function batchBytesOf(buffer: Buffer, at: number): number {
  return BATCH_PREFIX_BYTES + buffer.readInt32BE(at + LENGTH_AT);
}

/** Epoch of the leader that appended it; -1 in a producer's batch. */
export function leaderEpochOf(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + LEADER_EPOCH_AT);
}

/** 2 for what is stored; 0 and 1 are Kafka's formats from before 0.11, with their magic in the same place. */
export function magicOf(buffer: Buffer, at: number): number {
  return buffer.readInt8(at + MAGIC_AT);
}

/** CRC-32C of the bytes from BATCH_CRC_FROM to the batch's end, unsigned. */
export function crcOf(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at + CRC_AT);
}

/** The attribute bits, see the layout above. */
export function attributesOf(buffer: Buffer, at: number): number {
  return buffer.readInt16BE(at + ATTRIBUTES_AT);
}

/** How the records are compressed; undefined for an id that does not exist. */
export function compressionOf(buffer: Buffer, at: number): Compression | undefined {
  return COMPRESSIONS[attributesOf(buffer, at) & COMPRESSION_MASK];
}

/** Whether all records have the maximum timestamp as theirs, which then is the broker's. */
export function hasLogAppendTime(buffer: Buffer, at: number): boolean {
  return (attributesOf(buffer, at) & LOG_APPEND_TIME_BIT) !== 0;
}

/** Whether it is part of a transaction. */
export function isTransactional(buffer: Buffer, at: number): boolean {
  return (attributesOf(buffer, at) & TRANSACTIONAL_BIT) !== 0;
}

/** Whether its records are markers for brokers, which no consumer sees. */
export function isControl(buffer: Buffer, at: number): boolean {
  return (attributesOf(buffer, at) & CONTROL_BIT) !== 0;
}

/**
 * From when on its tombstones may go, in ms since 1970: then that is its base timestamp too (KIP-534). Undefined: no
 * compaction has been at it, or it has no tombstone.
 *
 * @throws WeirError CORRUPT_MESSAGE when it is not safe
 */
export function deleteHorizonOf(buffer: Buffer, at: number): number | undefined {
  return (attributesOf(buffer, at) & DELETE_HORIZON_BIT) === 0 ? undefined : baseTimestampOf(buffer, at);
}

/** Last offset minus base offset. */
export function lastOffsetDeltaOf(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT);
}

/** Offset of the last record. @throws WeirError CORRUPT_MESSAGE when it is negative or not a safe integer */
export function lastOffsetOf(buffer: Buffer, at: number): Offset {
  return checkedOffset(readInt64(buffer, at) + lastOffsetDeltaOf(buffer, at));
}

/** Timestamp that the records' deltas count from, in ms. @throws WeirError CORRUPT_MESSAGE when it is not safe */
export function baseTimestampOf(buffer: Buffer, at: number): number {
  return checkedInt64(readInt64(buffer, at + BASE_TIMESTAMP_AT));
}

/** Largest timestamp of its records, in ms; -1 for none. @throws WeirError CORRUPT_MESSAGE when it is not safe */
export function maxTimestampOf(buffer: Buffer, at: number): number {
  return checkedInt64(readInt64(buffer, at + MAX_TIMESTAMP_AT));
}

/** Whether an idempotent producer wrote it. */
export function hasProducerId(buffer: Buffer, at: number): boolean {
  return buffer.readInt32BE(at + PRODUCER_ID_AT) >= 0;
}

/** Id of an idempotent producer, else -1. @throws WeirError CORRUPT_MESSAGE when it is not a safe integer */
export function producerIdOf(buffer: Buffer, at: number): number {
  return checkedInt64(readInt64(buffer, at + PRODUCER_ID_AT));
}

/** Epoch of an idempotent producer, else -1. */
export function producerEpochOf(buffer: Buffer, at: number): number {
  return buffer.readInt16BE(at + PRODUCER_EPOCH_AT);
}

/** Sequence number of the first record of an idempotent producer's batch, else -1. */
export function baseSequenceOf(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BASE_SEQUENCE_AT);
}

/** Records in it. */
export function recordCountOf(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + RECORD_COUNT_AT);
}

/** Whether base and last offset are safe integers from 0, in this order: then the accessors above do not throw. */
export function hasSoundOffsets(buffer: Buffer, at: number): boolean {
  const base = readInt64(buffer, at);
  const delta = lastOffsetDeltaOf(buffer, at);
  return base >= 0 && delta >= 0 && Number.isSafeInteger(base + delta);
}

/** Whether base and maximum timestamp are safe integers from -1: then the accessors above do not throw. */
export function hasSoundTimestamps(buffer: Buffer, at: number): boolean {
  const base = readInt64(buffer, at + BASE_TIMESTAMP_AT);
  const max = readInt64(buffer, at + MAX_TIMESTAMP_AT);
  return base >= -1 && Number.isSafeInteger(base) && max >= -1 && Number.isSafeInteger(max);
}

/** Stamps the base offset. The CRC does not cover it. */
export function writeBaseOffset(buffer: Buffer, at: number, offset: Offset): void {
  writeInt64(buffer, at, offset);
}

/** Stamps the leader epoch; -1 for none. The CRC does not cover it. */
export function writeLeaderEpoch(buffer: Buffer, at: number, epoch: number): void {
  buffer.writeInt32BE(epoch, at + LEADER_EPOCH_AT);
}

/** Whose batch it is, and where its first record stands among those that the producer sends to the partition (KIP-98). */
export interface BatchProducer {
  /** -1, with epoch and sequence: a producer without idempotence. */
  readonly id: number;
  readonly epoch: number;
  readonly baseSequence: number;
}

/** Of a batch that no idempotent producer wrote. */
export const NO_PRODUCER: BatchProducer = { id: -1, epoch: -1, baseSequence: -1 };

/** Writes whose batch it is. The CRC covers it. */
export function writeProducer(buffer: Buffer, at: number, producer: BatchProducer): void {
  writeInt64(buffer, at + PRODUCER_ID_AT, producer.id);
  buffer.writeInt16BE(producer.epoch, at + PRODUCER_EPOCH_AT);
  buffer.writeInt32BE(producer.baseSequence, at + BASE_SEQUENCE_AT);
}

/** What a producer without idempotence puts into a header. */
export interface PlainHeader {
  readonly batchBytes: number;
  /** Position in COMPRESSIONS. */
  readonly compressionId: number;
  readonly recordCount: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
}

/** Writes a producer's header at the buffer's start: base offset 0, no epoch, no producer id. The CRC comes last. */
export function writePlainHeader(buffer: Buffer, header: PlainHeader): void {
  writeInt64(buffer, 0, 0);
  buffer.writeInt32BE(header.batchBytes - BATCH_PREFIX_BYTES, LENGTH_AT);
  buffer.writeInt32BE(-1, LEADER_EPOCH_AT);
  buffer.writeInt8(BATCH_MAGIC, MAGIC_AT);
  buffer.writeInt16BE(header.compressionId, ATTRIBUTES_AT);
  buffer.writeInt32BE(header.recordCount - 1, LAST_OFFSET_DELTA_AT);
  writeInt64(buffer, BASE_TIMESTAMP_AT, header.baseTimestampMs);
  writeInt64(buffer, MAX_TIMESTAMP_AT, header.maxTimestampMs);
  writeProducer(buffer, 0, NO_PRODUCER);
  buffer.writeInt32BE(header.recordCount, RECORD_COUNT_AT);
}

/** What compaction changes of a batch's header. */
export interface CleanedHeader {
  readonly batchBytes: number;
  /** Position in COMPRESSIONS. */
  readonly compressionId: number;
  readonly recordCount: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly hasDeleteHorizon: boolean;
}

/** Writes the header of a batch of which not all records are left at the buffer's start. The CRC comes last. */
export function writeCleanedHeader(buffer: Buffer, original: Buffer, header: CleanedHeader): void {
  original.copy(buffer, 0, 0, BATCH_HEADER_BYTES);
  const kept = attributesOf(original, 0) & ~(COMPRESSION_MASK | DELETE_HORIZON_BIT);
  const horizon = header.hasDeleteHorizon ? DELETE_HORIZON_BIT : 0;
  buffer.writeInt32BE(header.batchBytes - BATCH_PREFIX_BYTES, LENGTH_AT);
  buffer.writeInt16BE(kept | horizon | header.compressionId, ATTRIBUTES_AT);
  writeInt64(buffer, BASE_TIMESTAMP_AT, header.baseTimestampMs);
  writeInt64(buffer, MAX_TIMESTAMP_AT, header.maxTimestampMs);
  buffer.writeInt32BE(header.recordCount, RECORD_COUNT_AT);
}

/** Writes the header of a batch without records, producer or time at the buffer's start. The CRC comes last. */
export function writeEmptyHeader(buffer: Buffer, of: { base: Offset; lastOffsetDelta: number; epoch: number }): void {
  const times = { baseTimestampMs: -1, maxTimestampMs: -1 };
  writePlainHeader(buffer, { batchBytes: BATCH_HEADER_BYTES, compressionId: 0, recordCount: 0, ...times });
  writeBaseOffset(buffer, 0, of.base);
  writeLeaderEpoch(buffer, 0, of.epoch);
  buffer.writeInt32BE(of.lastOffsetDelta, LAST_OFFSET_DELTA_AT);
}

/** Puts the CRC into the batch at `at`, over all that it covers. */
export function writeCrc(buffer: Buffer, at: number, crc: number): void {
  buffer.writeUInt32BE(crc, at + CRC_AT);
}

/** Not exact outside of the safe integers, but then outside of them too. */
function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}

function writeInt64(buffer: Buffer, at: number, value: number): void {
  buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
}

function checkedInt64(value: number): number {
  if (!Number.isSafeInteger(value)) throw new WeirError('CORRUPT_MESSAGE', 'a batch header holds no safe integer');
  return value;
}

function checkedOffset(value: number): Offset {
  if (value < 0) throw new WeirError('CORRUPT_MESSAGE', 'a batch header holds a negative offset');
  return checkedInt64(value) as Offset;
}
