import { fromBinary } from '@bufbuild/protobuf';
import type { Codec } from '@weir/base/transport.ts';
import { FetchResponseSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { writeByte, writeInt, writeVarint, writeVarint64 } from './protobuf-writer.ts';

/** A FetchResponse before it is put together: its batches are still where the log keeps them. */
export interface FetchFrame {
  readonly subscription: bigint;
  /** Kafka's error code; 0 for none. */
  readonly errorCode: number;
  readonly message: string;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly records: readonly Uint8Array[];
}

/** Field numbers of `FetchResponse`, shifted, with their wire types: 0 a varint, 2 a length and bytes. */
const TAG = {
  subscription: 8,
  errorCode: 16,
  message: 26,
  highWatermark: 32,
  logStartOffset: 40,
  records: 50,
} as const;

/** Six tags, and varints of at most ten bytes. */
const HEAD_BYTES_MAX = 6 + 6 * 10;

/** Puts a frame together. In parts, its batches stay where they are: nothing is copied between the log and the socket. */
export const fetchFrameCodec: Codec<FetchFrame> = {
  encode: (frame) => Buffer.concat(partsOf(frame)),
  encodeParts: partsOf,
  decode(bytes) {
    const { highWatermark, logStartOffset, records, ...rest } = fromBinary(FetchResponseSchema, bytes);
    return {
      ...rest,
      highWatermark: Number(highWatermark),
      logStartOffset: Number(logStartOffset),
      records: records.length === 0 ? [] : [records],
    };
  },
};

/** All but the batches' bytes, and then those. */
function partsOf(frame: FetchFrame): Uint8Array[] {
  let recordBytes = 0;
  for (const part of frame.records) recordBytes += part.length;
  const messageBytes = frame.message === '' ? 0 : Buffer.byteLength(frame.message);
  const out = Buffer.allocUnsafe(HEAD_BYTES_MAX + messageBytes);
  let at = 0;
  if (frame.subscription !== 0n) at = writeVarint64(out, writeByte(out, at, TAG.subscription), frame.subscription);
  if (frame.errorCode !== 0) at = writeInt(out, writeByte(out, at, TAG.errorCode), frame.errorCode);
  if (messageBytes > 0) {
    at = writeVarint(out, writeByte(out, at, TAG.message), messageBytes);
    at += out.write(frame.message, at);
  }
  if (frame.highWatermark !== 0) at = writeVarint(out, writeByte(out, at, TAG.highWatermark), frame.highWatermark);
  if (frame.logStartOffset !== 0) at = writeVarint(out, writeByte(out, at, TAG.logStartOffset), frame.logStartOffset);
  if (recordBytes > 0) at = writeVarint(out, writeByte(out, at, TAG.records), recordBytes);
  return [out.subarray(0, at), ...frame.records];
}
