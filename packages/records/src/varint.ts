import { WeirError } from '@weir/base/errors.ts';

/**
 * The variable-length integers inside records: zigzag, then groups of seven bits, the lowest first (Protocol
 * Buffers' sint32 and sint64; Kafka's `ByteUtils`). Lengths and counts are 32-bit "varints", timestamps 64-bit
 * "varlongs". Nothing here makes a BigInt: a varlong outside the safe integers is refused.
 */

/** Bytes that a 32-bit varint takes: 1 to 5. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes a 32-bit integer; returns the position after it. The caller has made room. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  while (zigzag >= 0x80) {
    buffer[at++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  buffer[at++] = zigzag;
  return at;
}

/** Bytes that a varlong takes: 1 to 8 for a safe integer. */
export function varlongBytes(value: number): number {
  let rest = Math.floor(magnitude(value) / 64);
  let bytes = 1;
  while (rest > 0) {
    rest = Math.floor(rest / 128);
    bytes++;
  }
  return bytes;
}

/** Writes a safe integer as a varlong; returns the position after it. The caller has made room. */
export function writeVarlong(buffer: Uint8Array, at: number, value: number): number {
  const m = magnitude(value);
  // The lowest group holds the sign bit and six bits of magnitude. What is left is below 2^47, where / and % are exact.
  let group = (m % 64) * 2 + (value < 0 ? 1 : 0);
  let rest = Math.floor(m / 64);
  while (rest > 0) {
    buffer[at++] = group | 0x80;
    group = rest % 128;
    rest = Math.floor(rest / 128);
  }
  buffer[at++] = group;
  return at;
}

/** Zigzag without its sign bit: 0, -1 → 0; 1, -2 → 1; … */
function magnitude(value: number): number {
  return value < 0 ? -value - 1 : value;
}

/**
 * Reads varints one after another from a stretch of bytes. One reader serves a whole batch, so nothing is allocated
 * per integer. Invariant: 0 <= at <= end <= bytes.length.
 */
export class VarintReader {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;

  /** Starts over on `bytes` from `at` up to, and not including, `end`. */
  reset(bytes: Uint8Array, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** @throws WeirError CORRUPT_MESSAGE past the end and for more than 32 bits */
  readVarint(): number {
    let byte = this.#byte();
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let zigzag = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = this.#byte();
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    byte = this.#byte();
    if (byte > 0x0f) throw new WeirError('CORRUPT_MESSAGE', 'a varint has more than 32 bits');
    zigzag |= byte << 28;
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  /** @throws WeirError CORRUPT_MESSAGE past the end and outside the safe integers */
  readVarlong(): number {
    let byte = this.#byte();
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    const negative = (byte & 1) === 1;
    // Below 2^55 after eight bytes: rounded at most where the result is refused anyway.
    let m = (byte & 0x7f) >>> 1;
    let weight = 64;
    for (let bytes = 1; bytes < 8; bytes++) {
      byte = this.#byte();
      m += (byte & 0x7f) * weight;
      weight *= 128;
      if (byte >= 0x80) continue;
      const value = negative ? -m - 1 : m;
      if (Number.isSafeInteger(value)) return value;
      break;
    }
    throw new WeirError('CORRUPT_MESSAGE', 'a varlong is outside of -(2^53 - 1) to 2^53 - 1');
  }

  #byte(): number {
    if (this.at >= this.end) throw new WeirError('CORRUPT_MESSAGE', 'a varint runs past the end of its record');
    return this.bytes[this.at++]!;
  }
}
