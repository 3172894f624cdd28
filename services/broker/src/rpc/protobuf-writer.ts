/** Pieces of protobuf's wire format, for frames that are put together by hand so that their batches need no copy. */

/** A tag below 16 takes one byte: the field number, shifted by three, and the wire type. */
export function writeByte(out: Buffer, at: number, value: number): number {
  out[at] = value;
  return at + 1;
}

/** A whole number from 0 to 2^53 - 1. */
export function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value;
  while (rest > 0x7f) {
    out[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  out[at++] = rest;
  return at;
}

/** Any of 64 bits. Most fit a number. */
export function writeVarint64(out: Buffer, at: number, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return writeVarint(out, at, Number(value));
  let rest = value;
  while (rest > 0x7fn) {
    out[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  out[at++] = Number(rest);
  return at;
}

/** An int32 or int64, which takes ten bytes when it is negative. */
export function writeInt(out: Buffer, at: number, value: number): number {
  return value >= 0 ? writeVarint(out, at, value) : writeVarint64(out, at, BigInt.asUintN(64, BigInt(value)));
}
