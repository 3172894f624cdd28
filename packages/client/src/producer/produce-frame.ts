import { InvariantViolation } from '@weir/base/assert.ts';
import type { Codec } from '@weir/base/transport.ts';
import { BrokerService } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod, withCodec } from '@weir/runtime/protobuf.ts';

/** A ProduceRequest before it is written. */
export interface ProduceFrame {
  readonly id: number;
  /** `Acks` of the broker's API. */
  readonly acks: 1 | 2;
  /** Empty for none. */
  readonly traceparent: string;
  readonly batches: readonly FrameBatch[];
}

/** One batch in it. */
export interface FrameBatch {
  /** 16 bytes. */
  readonly topicId: Uint8Array;
  readonly partition: number;
  /** From -1. */
  readonly leaderEpoch: number;
  readonly records: Buffer;
}

// Tags of ProduceRequest: (field number << 3) | wire type.
const ID = 0x08;
const ACKS = 0x10;
const TRACEPARENT = 0x1a;
const BATCHES = 0x22;
// Tags of PartitionBatch.
const TOPIC_ID = 0x0a;
const PARTITION = 0x10;
const LEADER_EPOCH = 0x18;
const RECORDS = 0x22;
/** Protobuf writes a negative int32 as a 64-bit one. */
const MINUS_ONE = Buffer.from('ffffffffffffffffff01', 'hex');

/** Writes a ProduceRequest: each batch is copied once, into the frame. */
export function encodeProduceFrame(frame: ProduceFrame): Buffer {
  const traceparentBytes = Buffer.byteLength(frame.traceparent);
  let bytes = 1 + varintBytes(frame.id) + 2;
  if (traceparentBytes > 0) bytes += 1 + varintBytes(traceparentBytes) + traceparentBytes;
  for (const batch of frame.batches) {
    const batchBytes = partitionBatchBytes(batch);
    bytes += 1 + varintBytes(batchBytes) + batchBytes;
  }
  const out = Buffer.allocUnsafe(bytes);
  out[0] = ID;
  let at = writeVarint(out, 1, frame.id);
  out[at++] = ACKS;
  out[at++] = frame.acks;
  if (traceparentBytes > 0) {
    out[at++] = TRACEPARENT;
    at = writeVarint(out, at, traceparentBytes);
    at += out.write(frame.traceparent, at);
  }
  for (const batch of frame.batches) at = writePartitionBatch(out, at, batch);
  return out;
}

function writePartitionBatch(out: Buffer, start: number, batch: FrameBatch): number {
  let at = start;
  out[at++] = BATCHES;
  at = writeVarint(out, at, partitionBatchBytes(batch));
  out[at++] = TOPIC_ID;
  at = writeBytes(out, at, batch.topicId);
  out[at++] = PARTITION;
  at = writeVarint(out, at, batch.partition);
  out[at++] = LEADER_EPOCH;
  if (batch.leaderEpoch < 0) {
    out.set(MINUS_ONE, at);
    at += MINUS_ONE.length;
  } else {
    at = writeVarint(out, at, batch.leaderEpoch);
  }
  out[at++] = RECORDS;
  return writeBytes(out, at, batch.records);
}

function partitionBatchBytes({ topicId, partition, leaderEpoch, records }: FrameBatch): number {
  return (
    1 +
    varintBytes(topicId.length) +
    topicId.length +
    1 +
    varintBytes(partition) +
    1 +
    (leaderEpoch < 0 ? MINUS_ONE.length : varintBytes(leaderEpoch)) +
    1 +
    varintBytes(records.length) +
    records.length
  );
}

/** Of an unsigned safe integer. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out[at++] = (rest % 0x80) | 0x80;
  out[at++] = rest;
  return at;
}

function writeBytes(out: Buffer, start: number, bytes: Uint8Array): number {
  const at = writeVarint(out, start, bytes.length);
  out.set(bytes, at);
  return at + bytes.length;
}

const frameCodec: Codec<ProduceFrame> = {
  encode: encodeProduceFrame,
  decode: () => {
    throw new InvariantViolation('a client receives no ProduceRequest');
  },
};

/** The produce stream with requests as frames. */
export const PRODUCE = withCodec(protobufMethod(BrokerService.method.produce), { request: frameCodec });
