import { fromBinary } from '@bufbuild/protobuf';
import type { Codec, Method } from '@weir/base/transport.ts';
import { ReplicateResponseSchema, ReplicationService } from '@weir/proto/weir/broker/v1/replication_pb.js';
import type { ReplicateRequest } from '@weir/proto/weir/broker/v1/replication_pb.js';
import { protobufMethod, withCodec } from '@weir/runtime/protobuf.ts';
import type { Divergence } from '../partition/followership.ts';
import { beginFrame } from '../rpc/frame-head.ts';
import type { FrameHead } from '../rpc/frame-head.ts';
import { writeByte, writeInt, writeVarint } from '../rpc/protobuf-writer.ts';

/** A ReplicateResponse before it is put together: its batches are still where the log keeps them. */
export interface ReplicateFrame extends FrameHead {
  readonly divergence: Divergence | undefined;
  /** A producer snapshot; undefined for none. */
  readonly producers: Uint8Array | undefined;
  readonly records: readonly Uint8Array[];
}

/** Field numbers of what else a `ReplicateResponse` has, and of `Divergence`, shifted, with their wire types. */
const TAG = {
  divergence: 50,
  records: 58,
  producers: 66,
  divergenceEpoch: 8,
  divergenceEnd: 16,
} as const;

/** The divergence, and the length of the producers or the batches: four tags, three varints, and a length of one byte. */
const MORE_BYTES_MAX = 4 + 3 * 10 + 1;
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
  const { out, at: headEnd } = beginFrame(frame, MORE_BYTES_MAX);
  let at = frame.divergence === undefined ? headEnd : writeDivergence(out, headEnd, frame.divergence);
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
