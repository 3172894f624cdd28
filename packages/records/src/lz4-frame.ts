import { WeirError } from '@weir/base/errors.ts';

/**
 * The outside of an LZ4 frame (the LZ4 Frame Format, 1.6): magic, descriptor, blocks behind their little-endian
 * lengths, an end mark. The library that decompresses takes no limit for its output and forgives a missing end and
 * bytes behind it, so a frame is walked first: the lengths inside each block say what it becomes, without a copy.
 */
const MAGIC = 0x184d_2204;
const FRAME_BYTES_MIN = 4 + 3 + 4;

const VERSION_MASK = 0xc0;
const VERSION_1 = 0x40;
const BLOCK_CHECKSUM_BIT = 0x10;
const CONTENT_SIZE_BIT = 0x08;
const CONTENT_CHECKSUM_BIT = 0x04;
const DICTIONARY_BIT = 0x01;
const UNCOMPRESSED_BIT = 0x8000_0000;

const MATCH_BYTES_MIN = 4;
const LENGTH_GOES_ON = 15;

/**
 * What the one frame that `frame` consists of decompresses to, in bytes.
 *
 * @throws WeirError CORRUPT_MESSAGE when it is not one whole frame, needs a dictionary, or becomes more than `bytesMax`
 */
export function lz4ContentBytes(frame: Buffer, bytesMax: number): number {
  if (frame.length < FRAME_BYTES_MIN || frame.readUInt32LE(0) !== MAGIC) throw corrupt('there is no LZ4 frame');
  const flags = frame[4]!;
  if ((flags & VERSION_MASK) !== VERSION_1) throw corrupt('the frame has another version than 1');
  if ((flags & DICTIONARY_BIT) !== 0) throw corrupt('the frame needs a dictionary');
  const blockChecksumBytes = (flags & BLOCK_CHECKSUM_BIT) === 0 ? 0 : 4;
  const contentChecksumBytes = (flags & CONTENT_CHECKSUM_BIT) === 0 ? 0 : 4;
  let content = 0;
  let at = 7 + ((flags & CONTENT_SIZE_BIT) === 0 ? 0 : 8);
  for (;;) {
    if (at + 4 > frame.length) throw corrupt('the frame has no end mark');
    const length = frame.readUInt32LE(at);
    at += 4;
    if (length === 0) break;
    const blockBytes = length % UNCOMPRESSED_BIT;
    if (blockBytes > frame.length - at) throw corrupt('a block runs past the end');
    content += length >= UNCOMPRESSED_BIT ? blockBytes : blockContentBytes(frame, at, at + blockBytes);
    if (content > bytesMax) throw corrupt(`they become more than ${bytesMax} bytes`);
    at += blockBytes + blockChecksumBytes;
  }
  if (at + contentChecksumBytes !== frame.length) throw corrupt('the frame does not end with the records');
  return content;
}

/** Adds up the literals and matches of a block's sequences. */
function blockContentBytes(frame: Buffer, start: number, end: number): number {
  let content = 0;
  let at = start;
  while (at < end) {
    const token = frame[at++]!;
    let literals = token >>> 4;
    if (literals === LENGTH_GOES_ON) {
      let more = 255;
      while (more === 255 && at < end) literals += more = frame[at++]!;
    }
    content += literals;
    at += literals;
    // The last sequence is literals only.
    if (at >= end) break;
    let match = (token & 0x0f) + MATCH_BYTES_MIN;
    at += 2;
    if ((token & 0x0f) === LENGTH_GOES_ON) {
      let more = 255;
      while (more === 255 && at < end) match += more = frame[at++]!;
    }
    content += match;
  }
  return content;
}

function corrupt(why: string): WeirError {
  return new WeirError('CORRUPT_MESSAGE', `records that say they are lz4 do not decompress: ${why}`);
}
