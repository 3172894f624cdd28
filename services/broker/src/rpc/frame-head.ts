import { writeByte, writeInt, writeVarint, writeVarint64 } from './protobuf-writer.ts';

/** What a FetchResponse and a ReplicateResponse both begin with. */
export interface FrameHead {
  readonly subscription: bigint;
  /** Kafka's error code; 0 for none. */
  readonly errorCode: number;
  readonly message: string;
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/** Field numbers that both have, shifted, with their wire types: 0 a varint, 2 a length and bytes. */
const TAG = {
  subscription: 8,
  errorCode: 16,
  message: 26,
  highWatermark: 32,
  logStartOffset: 40,
} as const;

/** Five tags, and varints of at most ten bytes. */
const HEAD_BYTES_MAX = 5 + 5 * 10;

/** Begins a frame in a buffer that has room for so many bytes more, from `at` on. */
export function beginFrame(frame: FrameHead, moreBytesMax: number): { readonly out: Buffer; readonly at: number } {
  const messageBytes = frame.message === '' ? 0 : Buffer.byteLength(frame.message);
  const out = Buffer.allocUnsafe(HEAD_BYTES_MAX + messageBytes + moreBytesMax);
  let at = 0;
  if (frame.subscription !== 0n) at = writeVarint64(out, writeByte(out, at, TAG.subscription), frame.subscription);
  if (frame.errorCode !== 0) at = writeInt(out, writeByte(out, at, TAG.errorCode), frame.errorCode);
  if (messageBytes > 0) {
    at = writeVarint(out, writeByte(out, at, TAG.message), messageBytes);
    at += out.write(frame.message, at);
  }
  if (frame.highWatermark !== 0) at = writeVarint(out, writeByte(out, at, TAG.highWatermark), frame.highWatermark);
  if (frame.logStartOffset !== 0) at = writeVarint(out, writeByte(out, at, TAG.logStartOffset), frame.logStartOffset);
  return { out, at };
}
