import type { ErrorCode } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { BATCH_CRC_FROM, writeBaseOffset, writeCrc, writeLeaderEpoch } from './batch-header.ts';
import { checkBatch, isValidBatchAt } from './check-batch.ts';
import { crc32c } from './crc32c.ts';

const MAX = { maxBytes: 1_000 };
const GOOD = batchOf(3);

function batchOf(count: number): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_000 });
  for (let i = 0; i < count; i++) {
    builder.append({ key: Buffer.from(`key ${i}`), value: Buffer.from('value'), timestampMs: 1_700_000_000_000 + i });
  }
  return builder.build();
}

/** A good batch after a change to its bytes, with the right CRC again. */
function changed(change: (batch: Buffer) => void): Buffer {
  const batch = Buffer.from(GOOD);
  change(batch);
  writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
  return batch;
}

test('a batch as producers send it passes, plain or with a producer id', () => {
  expect(checkBatch(GOOD, MAX)).toBeUndefined();
  const idempotent = changed((batch) => {
    batch.writeBigInt64BE(4711n, 43);
    batch.writeInt16BE(0, 51);
    batch.writeInt32BE(0, 53);
  });
  expect(checkBatch(idempotent, MAX)).toBeUndefined();
});

test.each<[string, ErrorCode, Buffer]>([
  ['nothing', 'INVALID_RECORD', Buffer.alloc(0)],
  ['less than a length', 'INVALID_RECORD', GOOD.subarray(0, 11)],
  ['less than a magic', 'INVALID_RECORD', GOOD.subarray(0, 16)],
  ['less than a header', 'INVALID_RECORD', GOOD.subarray(0, 60)],
  ['a batch without its last byte', 'INVALID_RECORD', GOOD.subarray(0, -1)],
  ['a length that is more than there is', 'INVALID_RECORD', changed((batch) => batch.writeInt32BE(GOOD.length, 8))],
  ['a cut batch of message format 3', 'CORRUPT_MESSAGE', changed((batch) => batch.writeInt8(3, 16)).subarray(0, 17)],
  ['a batch with a byte behind it', 'INVALID_RECORD', Buffer.concat([GOOD, Buffer.from([0])])],
  ['two batches', 'INVALID_RECORD', Buffer.concat([GOOD, GOOD])],
  ['message format 0', 'INVALID_RECORD', changed((batch) => batch.writeInt8(0, 16))],
  ['message format 1', 'INVALID_RECORD', changed((batch) => batch.writeInt8(1, 16))],
  ['a format of the future', 'CORRUPT_MESSAGE', changed((batch) => batch.writeInt8(3, 16))],
  ['a negative format', 'CORRUPT_MESSAGE', changed((batch) => batch.writeInt8(-1, 16))],
  ['a negative length', 'CORRUPT_MESSAGE', changed((batch) => batch.writeInt32BE(-12, 8))],
  [
    'a length that is less than any, cut',
    'CORRUPT_MESSAGE',
    changed((batch) => batch.writeInt32BE(13, 8)).subarray(0, 12),
  ],
  ['a length of the header without its end', 'CORRUPT_MESSAGE', changed((batch) => batch.writeInt32BE(48, 8))],
  ['a base offset other than 0', 'INVALID_RECORD', changed((batch) => batch.writeInt8(1, 7))],
  ['a negative base offset', 'INVALID_RECORD', changed((batch) => batch.writeBigInt64BE(-1n, 0))],
  ['an unknown compression', 'UNSUPPORTED_COMPRESSION_TYPE', changed((batch) => batch.writeInt16BE(5, 21))],
  ['log append time', 'INVALID_TIMESTAMP', changed((batch) => batch.writeInt16BE(0x08, 21))],
  ['a transaction', 'INVALID_RECORD', changed((batch) => batch.writeInt16BE(0x10, 21))],
  ['control records', 'INVALID_RECORD', changed((batch) => batch.writeInt16BE(0x20, 21))],
  ['more offsets than records', 'INVALID_RECORD', changed((batch) => batch.writeInt32BE(3, 23))],
  ['fewer offsets than records', 'INVALID_RECORD', changed((batch) => batch.writeInt32BE(1, 23))],
  ['a negative last offset delta', 'INVALID_RECORD', changed((batch) => batch.writeInt32BE(-1, 23))],
  ['no records', 'INVALID_RECORD', changed((batch) => batch.writeInt32BE(0, 57) && batch.writeInt32BE(0, 23))],
  ['a negative number of records', 'INVALID_RECORD', changed((batch) => batch.writeInt32BE(-3, 57))],
  [
    'more records than the bytes can hold',
    'INVALID_RECORD',
    changed((batch) => batch.writeInt32BE(2 ** 31 - 1, 57) && batch.writeInt32BE(2 ** 31 - 2, 23)),
  ],
  [
    'more compressed records than may be decompressed',
    'INVALID_RECORD',
    changed((batch) => {
      batch.writeInt16BE(1, 21);
      batch.writeInt32BE(2 ** 31 - 1, 57);
      batch.writeInt32BE(2 ** 31 - 2, 23);
    }),
  ],
  ['a timestamp beyond the safe integers', 'INVALID_TIMESTAMP', changed((batch) => batch.writeInt8(0x7f, 27))],
  ['a producer id without a sequence', 'INVALID_RECORD', changed((batch) => batch.writeBigInt64BE(1n, 43))],
])('%s is refused with %s', (_what, code, batch) => {
  expect(checkBatch(batch, MAX)?.code).toBe(code);
});

test('the size that counts is the whole batch, and the limit itself is allowed', () => {
  expect(checkBatch(GOOD, { maxBytes: GOOD.length })).toBeUndefined();
  expect(checkBatch(GOOD, { maxBytes: GOOD.length - 1 })?.code).toBe('MESSAGE_TOO_LARGE');
});

test('every flipped bit from the magic on is noticed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: GOOD.length - 1 }), fc.nat(7), (place, bit) => {
      const flipped = Buffer.from(GOOD);
      flipped[place]! ^= 1 << bit;
      expect(checkBatch(flipped, MAX)).toBeDefined();
      expect(isValidBatchAt(flipped, 0, flipped.length)).toBe(false);
    }),
  );
});

test('whatever bytes come, the answer is a refusal or none, and what passes is valid to recovery', () => {
  const header = fc.tuple(fc.uint8Array({ minLength: 0, maxLength: 120 }), fc.boolean()).map(([bytes, likely]) => {
    const batch = Buffer.from(bytes);
    // With the right magic, length and CRC more of them get further.
    if (likely && batch.length >= 61) {
      batch.writeInt8(2, 16);
      batch.writeInt32BE(batch.length - 12, 8);
      writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
    }
    return batch;
  });
  fc.assert(
    fc.property(header, (batch) => {
      const passes = checkBatch(batch, MAX) === undefined;
      expect(!passes || isValidBatchAt(batch, 0, batch.length)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('recovery finds a batch where it starts, nowhere else, and only when it ends in time', () => {
  const stamped = Buffer.from(GOOD);
  writeBaseOffset(stamped, 0, offset(2 ** 40));
  writeLeaderEpoch(stamped, 0, 9);
  const at = 11;
  const buffer = Buffer.concat([Buffer.alloc(at, 0x02), stamped, Buffer.alloc(80)]);
  for (let i = 0; i <= buffer.length; i++) expect(isValidBatchAt(buffer, i, buffer.length), `at ${i}`).toBe(i === at);
  expect(isValidBatchAt(buffer, at, at + stamped.length)).toBe(true);
  expect(isValidBatchAt(buffer, at, at + stamped.length - 1)).toBe(false);
});

test('zeros are no batch', () => {
  expect(isValidBatchAt(Buffer.alloc(4096), 0, 4096)).toBe(false);
});
