import { fromBinary } from '@bufbuild/protobuf';
import { ProduceRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeProduceFrame } from './produce-frame.ts';

const int31 = fc.integer({ min: 0, max: 0x7fff_ffff });
const batch = fc.record({
  topicId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  partition: int31,
  leaderEpoch: fc.integer({ min: -1, max: 0x7fff_ffff }),
  records: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});
const frame = fc.record({
  id: fc.maxSafeNat(),
  acks: fc.constantFrom(1 as const, 2 as const),
  traceparent: fc.string({ unit: 'grapheme', maxLength: 200 }),
  batches: fc.array(batch, { maxLength: 5 }),
});

test('a frame written by hand reads as the same ProduceRequest', () => {
  fc.assert(
    fc.property(frame, (wanted) => {
      const read = fromBinary(ProduceRequestSchema, encodeProduceFrame(wanted));
      expect(read.id).toBe(BigInt(wanted.id));
      expect(read.acks).toBe(wanted.acks);
      expect(read.traceparent).toBe(wanted.traceparent);
      expect(
        read.batches.map(({ topicId, partition, leaderEpoch, records }) => ({
          topicId: [...topicId],
          partition,
          leaderEpoch,
          records: [...records],
        })),
      ).toEqual(wanted.batches.map((sent) => ({ ...sent, topicId: [...sent.topicId], records: [...sent.records] })));
    }),
  );
});
