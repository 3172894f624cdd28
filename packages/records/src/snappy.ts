import { WeirError } from '@weir/base/errors.ts';
import { snappy } from './codecs.ts';

/**
 * Snappy in Xerial's framing (`SnappyOutputStream` of snappy-java, which Kafka's Java client uses): the magic, two
 * int32 versions, then blocks of raw snappy, each behind its int32 length; big-endian. Other clients write one raw
 * block without framing.
 */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER = Buffer.concat([XERIAL_MAGIC, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])]);
/** What snappy-java puts into a block. */
const BLOCK_BYTES = 32 * 1024;
/** A copy of 3 bytes makes 64 at most, so a block that claims more than this many times its size lies. */
const RATIO_MAX = 22;

/** Snappy as Kafka's Java client writes it. */
export function compressXerial(bytes: Buffer): Buffer {
  const parts: Buffer[] = [XERIAL_HEADER];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = snappy().compressSync(bytes.subarray(at, at + BLOCK_BYTES));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length, 0);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/**
 * Undoes both forms. What the blocks claim is summed up before any memory is taken.
 *
 * @throws WeirError CORRUPT_MESSAGE when it is none or becomes too large; snappy's own Error for a broken block
 */
export function decompressSnappy(bytes: Buffer, bytesMax: number): Buffer {
  const framed = bytes.length >= XERIAL_HEADER.length && bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC);
  const blocks = framed ? xerialBlocks(bytes) : [bytes];
  let claimed = 0;
  for (const block of blocks) claimed += claimedBytes(block);
  if (claimed > bytesMax) throw corrupt(`they claim to be ${claimed} bytes, of at most ${bytesMax}`);
  if (blocks.length === 1) return snappy().uncompressSync(blocks[0]!) as Buffer;
  const out = Buffer.allocUnsafeSlow(claimed);
  let at = 0;
  for (const block of blocks) at += (snappy().uncompressSync(block) as Buffer).copy(out, at);
  return out;
}

function xerialBlocks(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  let at = XERIAL_HEADER.length;
  while (at < bytes.length) {
    const start = at + 4;
    const length = start <= bytes.length ? bytes.readInt32BE(at) : -1;
    if (length < 1 || length > bytes.length - start) throw corrupt('a block runs past the end');
    blocks.push(bytes.subarray(start, start + length));
    at = start + length;
  }
  return blocks;
}

/** The length that a raw block begins with: a little-endian base-128 number of at most 32 bits. */
function claimedBytes(block: Buffer): number {
  let claimed = 0;
  let weight = 1;
  for (let i = 0; i < 5 && i < block.length; i++) {
    const byte = block[i]!;
    claimed += (byte & 0x7f) * weight;
    weight *= 128;
    if (byte >= 0x80) continue;
    if (claimed > block.length * RATIO_MAX) throw corrupt(`${block.length} bytes claim to be ${claimed}`);
    return claimed;
  }
  throw corrupt('a block does not begin with its length');
}

function corrupt(why: string): WeirError {
  return new WeirError('CORRUPT_MESSAGE', `records that say they are snappy do not decompress: ${why}`);
}
