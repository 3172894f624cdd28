import { assert } from '@weir/base/assert.ts';
import {
  baseTimestampOf,
  BATCH_CRC_FROM,
  BATCH_HEADER_BYTES,
  compressionOf,
  deleteHorizonOf,
  hasLogAppendTime,
  maxTimestampOf,
  writeCleanedHeader,
  writeCrc,
} from './batch-header.ts';
import { compress, COMPRESSIONS } from './compression.ts';
import { crc32c } from './crc32c.ts';
import type { RecordCursor } from './record-cursor.ts';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

/** A record that stays, as it is encoded in any batch. */
export interface KeptRecord {
  readonly timestampMs: number;
  readonly offsetDelta: number;
  /** A view of the batch, or of what it was decompressed to. */
  readonly fields: Buffer;
}

/** What the cursor shows. */
export function keptRecord({ timestampMs, offsetDelta, encodedFields: fields }: RecordCursor): KeptRecord {
  return { timestampMs, offsetDelta, fields };
}

/**
 * The batch with nothing but these of its records, at their offsets, and with all else that its header says: base and last
 * offset, leader epoch, producer and sequence. They are compressed as they were.
 *
 * @param batch - one whole batch
 * @param deleteHorizonMs - from when on its tombstones may go; undefined: as it says itself
 */
export function rebuildBatch(batch: Buffer, records: readonly KeptRecord[], deleteHorizonMs?: number): Buffer {
  assert(records.length > 0, 'a batch is made anew for the records that it has left');
  const horizonMs = deleteHorizonOf(batch, 0) ?? deleteHorizonMs;
  const baseTimestampMs = horizonMs ?? baseTimestampOf(batch, 0);
  const plain = encode(records, baseTimestampMs);
  const compression = compressionOf(batch, 0);
  assert(compression !== undefined, 'the records of a batch were read');
  const body = compress(compression, plain);
  const rebuilt = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + body.length);
  rebuilt.set(body, BATCH_HEADER_BYTES);
  const latestMs = records.reduce((latest, { timestampMs }) => Math.max(latest, timestampMs), -1);
  writeCleanedHeader(rebuilt, batch, {
    batchBytes: rebuilt.length,
    compressionId: COMPRESSIONS.indexOf(compression),
    recordCount: records.length,
    baseTimestampMs,
    maxTimestampMs: hasLogAppendTime(batch, 0) ? maxTimestampOf(batch, 0) : latestMs,
    hasDeleteHorizon: horizonMs !== undefined,
  });
  writeCrc(rebuilt, 0, crc32c(rebuilt.subarray(BATCH_CRC_FROM)));
  return rebuilt;
}

/** The batch without any of its records: it still says what its producer's last sequence number was. */
export function emptyBatch(batch: Buffer): Buffer {
  const empty = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES);
  const maxTimestampMs = maxTimestampOf(batch, 0);
  writeCleanedHeader(empty, batch, {
    batchBytes: BATCH_HEADER_BYTES,
    compressionId: 0,
    recordCount: 0,
    baseTimestampMs: maxTimestampMs,
    maxTimestampMs,
    hasDeleteHorizon: false,
  });
  writeCrc(empty, 0, crc32c(empty.subarray(BATCH_CRC_FROM)));
  return empty;
}

function encode(records: readonly KeptRecord[], baseTimestampMs: number): Buffer {
  let total = 0;
  const lengths = records.map(({ timestampMs, offsetDelta, fields }) => {
    const length = 1 + varlongBytes(timestampMs - baseTimestampMs) + varintBytes(offsetDelta) + fields.length;
    total += varintBytes(length) + length;
    return length;
  });
  const bytes = Buffer.allocUnsafeSlow(total);
  let at = 0;
  for (const [i, { timestampMs, offsetDelta, fields }] of records.entries()) {
    at = writeVarint(bytes, at, lengths[i]!);
    // Attributes, which have no bits yet.
    bytes[at++] = 0;
    at = writeVarlong(bytes, at, timestampMs - baseTimestampMs);
    at = writeVarint(bytes, at, offsetDelta);
    bytes.set(fields, at);
    at += fields.length;
  }
  return bytes;
}
