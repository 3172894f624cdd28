import fc from 'fast-check';
import { expect, test } from 'vitest';
import { REPLICATE } from './replicate-frame.ts';

const offsets = fc.nat({ max: Number.MAX_SAFE_INTEGER });

test('a frame reads back through protobuf as what it was, however large its numbers are', () => {
  fc.assert(
    fc.property(
      fc.record({
        subscription: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        errorCode: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        message: fc.string({ unit: 'binary', maxLength: 200 }),
        highWatermark: offsets,
        logStartOffset: offsets,
        divergence: fc.option(
          fc.record({
            epoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
            endOffset: fc.oneof(fc.constant(-1), offsets),
          }),
          { nil: undefined },
        ),
        producers: fc.option(fc.uint8Array({ minLength: 1, maxLength: 300 }), { nil: undefined }),
        records: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
      }),
      (frame) => {
        const { records, producers, ...rest } = REPLICATE.response.decode(REPLICATE.response.encode(frame));
        const { records: sent, producers: told, ...others } = frame;
        expect(rest).toEqual(others);
        expect(producers === undefined ? undefined : [...producers]).toEqual(
          told === undefined ? undefined : [...told],
        );
        expect(Buffer.concat(records).equals(Buffer.concat(sent))).toBe(true);
      },
    ),
  );
});
