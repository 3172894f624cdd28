import { fromBinary } from '@bufbuild/protobuf';
import type { Codec } from '@weir/base/transport.ts';
import { FetchResponseSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { beginFrame } from './frame-head.ts';
import type { FrameHead } from './frame-head.ts';
import { writeByte, writeVarint } from './protobuf-writer.ts';

/** A FetchResponse before it is put together: its batches are still where the log keeps them. */
export interface FetchFrame extends FrameHead {
  readonly records: readonly Uint8Array[];
}

/** The field number of `FetchResponse.records`, shifted, with its wire type: a length and bytes. */
const RECORDS_TAG = 50;
/** The tag, and a varint of at most ten bytes. */
const RECORDS_HEAD_BYTES_MAX = 1 + 10;

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
  const { out, at: headEnd } = beginFrame(frame, RECORDS_HEAD_BYTES_MAX);
  const at = recordBytes > 0 ? writeVarint(out, writeByte(out, headEnd, RECORDS_TAG), recordBytes) : headEnd;
  return [out.subarray(0, at), ...frame.records];
}
