import { assert } from '@weir/base/assert.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import { crc32c } from '@weir/records/crc32c.ts';

/**
 * A frame is what one sync of the journal makes durable: groups of many logs. Little-endian: the file's mark (8), header
 * bytes (4), payload bytes (4), CRC32C of the header from here on (4), frame number (8), groups (4), then for each group
 * the length (2) and the UTF-8 of its log's directory, segment's base offset (8), position in that segment's file (4),
 * base offset (8), end offset (8), leader epoch (4), bytes (4); behind the header the groups' batches, whose own CRCs
 * cover what the header does not.
 *
 * The mark is random and the file's own: producers, who can put any bytes into their records, cannot know it, and so
 * cannot write what a search behind a torn frame would take for a frame.
 */
export const FRAME_MARK_BYTES = 8;

const FIXED_BYTES = 32;
const GROUP_FIXED_BYTES = 38;
/** Where the bytes begin that the header's CRC covers. */
const CRC_FROM = 20;

/** Batches of one log that lie behind each other, and their place in its active segment. */
export interface GroupPlace {
  readonly directory: string;
  readonly segmentBase: Offset;
  readonly position: number;
  readonly base: Offset;
  /** One past the last record. */
  readonly end: Offset;
  readonly epoch: number;
  readonly bytes: number;
}

/** A frame as it was found. */
export interface Frame {
  readonly number: number;
  /** With their bytes, in the order in which they were written. */
  readonly groups: readonly (GroupPlace & { readonly batches: Buffer })[];
  /** Where the next frame begins. */
  readonly end: number;
}

/** The header of a frame; the groups' batches follow it, in the same order. */
export function encodeFrameHeader(mark: Buffer, number: number, groups: readonly GroupPlace[]): Buffer {
  let headerBytes = FIXED_BYTES;
  let payloadBytes = 0;
  for (const group of groups) {
    headerBytes += GROUP_FIXED_BYTES + Buffer.byteLength(group.directory);
    payloadBytes += group.bytes;
  }
  const header = Buffer.allocUnsafe(headerBytes);
  assert(mark.length === FRAME_MARK_BYTES, 'a mark has its length');
  header.set(mark, 0);
  header.writeUInt32LE(headerBytes, 8);
  header.writeUInt32LE(payloadBytes, 12);
  header.writeBigUInt64LE(BigInt(number), 20);
  let at = header.writeUInt32LE(groups.length, 28);
  for (const group of groups) {
    const nameBytes = header.write(group.directory, at + 2);
    at = header.writeUInt16LE(nameBytes, at) + nameBytes;
    at = writeInt53(header, group.segmentBase, at);
    at = header.writeUInt32LE(group.position, at);
    at = writeInt53(header, group.base, at);
    at = writeInt53(header, group.end, at);
    at = header.writeInt32LE(group.epoch, at);
    at = header.writeUInt32LE(group.bytes, at);
  }
  assert(at === headerBytes, 'a frame header has the length that was counted');
  header.writeUInt32LE(crc32c(header.subarray(CRC_FROM)), 16);
  return header;
}

/** The frame that begins at a place, whole and sound; undefined when none does. */
export function decodeFrame(mark: Buffer, bytes: Buffer, at: number): Frame | undefined {
  if (at + FIXED_BYTES > bytes.length || !bytes.subarray(at, at + FRAME_MARK_BYTES).equals(mark)) return undefined;
  const headerBytes = bytes.readUInt32LE(at + 8);
  const payload = at + headerBytes;
  const end = payload + bytes.readUInt32LE(at + 12);
  if (headerBytes < FIXED_BYTES || end > bytes.length) return undefined;
  if (crc32c(bytes.subarray(at + CRC_FROM, payload)) !== bytes.readUInt32LE(at + 16)) return undefined;
  const groups: Frame['groups'][number][] = [];
  let cursor = at + FIXED_BYTES;
  let batchesAt = payload;
  for (let left = bytes.readUInt32LE(at + 28); left > 0; left--) {
    const nameBytes = bytes.readUInt16LE(cursor);
    const directory = bytes.toString('utf8', cursor + 2, cursor + 2 + nameBytes);
    cursor += 2 + nameBytes;
    const groupBytes = bytes.readUInt32LE(cursor + 32);
    const batches = bytes.subarray(batchesAt, batchesAt + groupBytes);
    const group = {
      directory,
      segmentBase: readOffset(bytes, cursor),
      position: bytes.readUInt32LE(cursor + 8),
      base: readOffset(bytes, cursor + 12),
      end: readOffset(bytes, cursor + 20),
      epoch: bytes.readInt32LE(cursor + 28),
      bytes: groupBytes,
      batches,
    };
    if (!isGroup(batches, group)) return undefined;
    groups.push(group);
    cursor += GROUP_FIXED_BYTES - 2;
    batchesAt += groupBytes;
  }
  return { number: Number(bytes.readBigUInt64LE(at + 20)), groups, end };
}

/** Whether the batches are sound and are those that the header speaks of; a batch's CRC does not cover its place. */
function isGroup(batches: Buffer, { base, end, epoch }: GroupPlace): boolean {
  let expected: number = base;
  for (let at = 0; at < batches.length; at += batchBytesOf(batches, at)) {
    if (!isValidBatchAt(batches, at, batches.length)) return false;
    if (baseOffsetOf(batches, at) !== expected || leaderEpochOf(batches, at) !== epoch) return false;
    expected = lastOffsetOf(batches, at) + 1;
  }
  return expected === end;
}

function writeInt53(buffer: Buffer, value: number, at: number): number {
  return buffer.writeBigInt64LE(BigInt(value), at);
}

function readOffset(buffer: Buffer, at: number): Offset {
  return offset(Number(buffer.readBigInt64LE(at)));
}
