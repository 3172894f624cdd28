import fc from 'fast-check';
import { fromBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { FetchResponseSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { fetchFrameCodec } from './fetch-frame.ts';

const offsets = fc.nat({ max: Number.MAX_SAFE_INTEGER });

test('a frame reads back through protobuf as what it was', () => {
  fc.assert(
    fc.property(
      fc.record({
        subscription: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        errorCode: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        message: fc.string({ unit: 'binary', maxLength: 200 }),
        highWatermark: offsets,
        logStartOffset: offsets,
        records: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
      }),
      (frame) => {
        const read = fromBinary(FetchResponseSchema, fetchFrameCodec.encode(frame));
        expect(read.subscription).toBe(frame.subscription);
        expect(read.errorCode).toBe(frame.errorCode);
        expect(read.message).toBe(frame.message);
        expect(read.highWatermark).toBe(BigInt(frame.highWatermark));
        expect(read.logStartOffset).toBe(BigInt(frame.logStartOffset));
        expect(Buffer.from(read.records).equals(Buffer.concat(frame.records))).toBe(true);
      },
    ),
  );
});

test('its own reader says the same', () => {
  const frame = { subscription: 3n, errorCode: 1, message: 'no', highWatermark: 7, logStartOffset: 2, records: [] };
  expect(fetchFrameCodec.decode(fetchFrameCodec.encode(frame))).toMatchObject(frame);
});
