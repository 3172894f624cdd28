import { fromBinary } from '@bufbuild/protobuf';
import type { Codec, Method } from '@weir/base/transport.ts';
import { ReplicateResponseSchema, ReplicationService } from '@weir/proto/weir/broker/v1/replication_pb.js';
import type { ReplicateRequest } from '@weir/proto/weir/broker/v1/replication_pb.js';
import { protobufMethod, withCodec } from '@weir/runtime/protobuf.ts';
import type { Divergence } from '../partition/followership.ts';
import { writeByte, writeInt, writeVarint, writeVarint64 } from '../rpc/protobuf-writer.ts';

/** A ReplicateResponse before it is put together: its batches are still where the log keeps them. */
export interface ReplicateFrame {
  readonly subscription: bigint;
  /** Kafka's error code; 0 for none. */
  readonly errorCode: number;
  readonly message: string;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly divergence: Divergence | undefined;
  /** A producer snapshot; undefined for none. */
  readonly producers: Uint8Array | undefined;
  readonly records: readonly Uint8Array[];
}

/** Field numbers of `ReplicateResponse` and `Divergence`, shifted, with their wire types: 0 a varint, 2 a length and bytes. */
const TAG = {
  subscription: 8,
  errorCode: 16,
  message: 26,
  highWatermark: 32,
  logStartOffset: 40,
  divergence: 50,
  records: 58,
  producers: 66,
  divergenceEpoch: 8,
  divergenceEnd: 16,
} as const;

/** All before the producers or the batches: nine tags, eight varints of at most ten bytes, and a length of one. */
const HEAD_BYTES_MAX = 9 + 8 * 10 + 1;
const RECORDS_HEAD_BYTES_MAX = 1 + 10;

/** Puts a frame together. In parts, its batches stay where they are; read, they are views of what came in. */
const replicateFrameCodec: Codec<ReplicateFrame> = {
  encode: (frame) => Buffer.concat(partsOf(frame)),
  encodeParts: partsOf,
  decode(bytes) {
    const { subscription, errorCode, message, highWatermark, logStartOffset, divergence, producers, records } =
      fromBinary(ReplicateResponseSchema, bytes, { readUnknownFields: false });
    return {
      subscription,
      errorCode,
      message,
      highWatermark: Number(highWatermark),
      logStartOffset: Number(logStartOffset),
      divergence:
        divergence === undefined ? undefined : { epoch: divergence.epoch, endOffset: Number(divergence.endOffset) },
      producers: producers.length === 0 ? undefined : producers,
      records: records.length === 0 ? [] : [records],
    };
  },
};

/** The method, with frames whose batches are not copied. */
export const REPLICATE: Method<ReplicateRequest, ReplicateFrame> = withCodec(
  protobufMethod(ReplicationService.method.replicate),
  { response: replicateFrameCodec },
);

/** All but the batches' bytes, and then those. */
function partsOf(frame: ReplicateFrame): Uint8Array[] {
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
  if (frame.divergence !== undefined) at = writeDivergence(out, at, frame.divergence);
  const { producers } = frame;
  if (producers === undefined) {
    if (recordBytes > 0) at = writeVarint(out, writeByte(out, at, TAG.records), recordBytes);
    return [out.subarray(0, at), ...frame.records];
  }
  at = writeVarint(out, writeByte(out, at, TAG.producers), producers.length);
  const head = Buffer.allocUnsafe(RECORDS_HEAD_BYTES_MAX);
  const headBytes = recordBytes > 0 ? writeVarint(head, writeByte(head, 0, TAG.records), recordBytes) : 0;
  return [out.subarray(0, at), producers, head.subarray(0, headBytes), ...frame.records];
}

function writeDivergence(out: Buffer, at: number, { epoch, endOffset }: Divergence): number {
  const bodyAt = writeByte(out, at, TAG.divergence) + 1;
  let end = writeInt(out, writeByte(out, bodyAt, TAG.divergenceEpoch), epoch);
  end = writeInt(out, writeByte(out, end, TAG.divergenceEnd), endOffset);
  // Two tags and two varints: less than 128 bytes.
  writeByte(out, bodyAt - 1, end - bodyAt);
  return end;
}
