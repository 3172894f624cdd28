import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { MESSAGE_FIELDS_MAX } from '@weir/base/limits.ts';
import { ProduceRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufCodec } from '@weir/runtime/protobuf.ts';

const { decode } = protobufCodec(ProduceRequestSchema);

test('a message of millions of empty entries or unknown fields is refused before an object is made of each', () => {
  // Field 4 without contents; field 5, which does not exist.
  for (const [tag, value] of [
    [0x22, 0x00],
    [0x28, 0x00],
  ] as const) {
    const bomb = Buffer.alloc(16 * 1024 * 1024);
    for (let at = 0; at < bomb.length; at += 2) bomb.writeUInt16BE(tag * 256 + value, at);
    const heapBefore = process.memoryUsage().heapUsed;
    expect(() => decode(bomb)).toThrow(`at most ${MESSAGE_FIELDS_MAX} fields`);
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(64 * 1024 * 1024);
  }
});

test('a message with as many batches as it may have is taken, and what is not protobuf ends in an error', () => {
  const batches = Array.from({ length: 10_000 }, (_, partition) => ({
    partition,
    records: Buffer.alloc(20, partition),
  }));
  const bytes = toBinary(ProduceRequestSchema, create(ProduceRequestSchema, { id: 7n, batches }));
  expect(decode(bytes).batches).toHaveLength(10_000);
  expect(() => decode(Buffer.alloc(100_000, 0xff))).toThrow('invalid');
});

test('what records hold is not taken for fields', () => {
  // Each pair of bytes would be a field. How long the batches are says where a reader is that has lost its place.
  const filled = Buffer.alloc(100_200, Buffer.from([0x28, 0x00]));
  for (let length = 100_000; length < 100_200; length++) {
    const batches = [filled.subarray(0, length), filled.subarray(1, length)].map((records) => ({ records }));
    const bytes = toBinary(ProduceRequestSchema, create(ProduceRequestSchema, { id: 7n, batches }));
    expect(decode(bytes).batches.map(({ records }) => records.length)).toEqual([length, length - 1]);
  }
});
