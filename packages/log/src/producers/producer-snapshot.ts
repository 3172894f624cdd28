import { offset, type Offset } from '@weir/base/ids.ts';
import { PRODUCER_BATCHES_KEPT } from '@weir/base/limits.ts';
import { decodeStored, encodeStored } from '../stored-file.ts';
import { ProducerStates, type ProducerBatch } from './producer-states.ts';

const KIND = { magic: 'WPRS', version: 1, name: 'producer snapshot' };

const HEADER_BYTES = 12;
const PRODUCER_BYTES = 19;
const BATCH_BYTES = 28;

/**
 * The producers of a log as of an offset, in the frame of all stored files: the offset (8), their number (4), and for
 * each, who was idle longest first: id (8), epoch (2), when it was seen (8), the number of its batches (1) and for each
 * of them first and last sequence number (4, 4), first offset (8), last offset less that (4), timestamp (8);
 * little-endian.
 */
export function encodeSnapshot(at: Offset, states: ProducerStates): Buffer {
  let bytes = HEADER_BYTES;
  for (const [, { batches }] of states.entries()) bytes += PRODUCER_BYTES + batches.length * BATCH_BYTES;
  const body = Buffer.allocUnsafe(bytes);
  let end = body.writeBigInt64LE(BigInt(at));
  end = body.writeUInt32LE(states.size, end);
  for (const [producerId, { epoch, batches, seenMs }] of states.entries()) {
    end = body.writeBigInt64LE(BigInt(producerId), end);
    end = body.writeInt16LE(epoch, end);
    end = body.writeBigInt64LE(BigInt(seenMs), end);
    end = body.writeUInt8(batches.length, end);
    for (const batch of batches) {
      end = body.writeInt32LE(batch.firstSequence, end);
      end = body.writeInt32LE(batch.lastSequence, end);
      end = body.writeBigInt64LE(BigInt(batch.firstOffset), end);
      end = body.writeInt32LE(batch.lastOffset - batch.firstOffset, end);
      end = body.writeBigInt64LE(BigInt(batch.timestampMs), end);
    }
  }
  return encodeStored(KIND, body);
}

/**
 * The producers in a snapshot, or undefined when it is damaged or is one of another offset.
 *
 * @throws Error when a newer Weir wrote it
 */
export function decodeSnapshot(path: string, at: Offset, bytes: Buffer): ProducerStates | undefined {
  const body = decodeStored(KIND, path, bytes);
  if (body === undefined || body.length < HEADER_BYTES || Number(body.readBigInt64LE()) !== at) return undefined;
  const states = new ProducerStates();
  let end = HEADER_BYTES;
  for (let left = body.readUInt32LE(8); left > 0; left--) {
    if (end + PRODUCER_BYTES > body.length) return undefined;
    const producerId = Number(body.readBigInt64LE(end));
    const epoch = body.readInt16LE(end + 8);
    const seenMs = Number(body.readBigInt64LE(end + 10));
    const count = body.readUInt8(end + 18);
    end += PRODUCER_BYTES;
    if (count === 0 || count > PRODUCER_BATCHES_KEPT || end + count * BATCH_BYTES > body.length) return undefined;
    const batches: ProducerBatch[] = [];
    for (; batches.length < count; end += BATCH_BYTES) {
      const firstOffset = offset(Number(body.readBigInt64LE(end + 8)));
      batches.push({
        firstSequence: body.readInt32LE(end),
        lastSequence: body.readInt32LE(end + 4),
        firstOffset,
        lastOffset: offset(firstOffset + body.readInt32LE(end + 16)),
        timestampMs: Number(body.readBigInt64LE(end + 20)),
      });
    }
    states.put(producerId, { epoch, batches, seenMs });
  }
  return end === body.length ? states : undefined;
}
