import { WeirError } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as header from './batch-header.ts';
import { orRefused } from './test-kit.ts';

// 61 bytes, each field with a value of its own.
const HEADER = Buffer.from(
  [
    '0000000123456789', // base offset
    '00000031', // length
    '0000002a', // leader epoch
    '02', // magic
    'deadbeef', // CRC
    '003b', // attributes: lz4, log append time, transactional, control
    '00000004', // last offset delta
    '0000018bcfe56800', // base timestamp
    '0000018bcfe56864', // max timestamp
    '00000000000003e8', // producer id
    '0007', // producer epoch
    '0000000b', // base sequence
    '00000005', // record count
  ].join(''),
  'hex',
);

test('every field is read from its place, at any position of a buffer', () => {
  for (const at of [0, 7]) {
    const buffer = Buffer.concat([Buffer.alloc(at, 0xff), HEADER]);
    expect(header.baseOffsetOf(buffer, at)).toBe(0x1_2345_6789);
    expect(header.batchBytesOf(buffer, at)).toBe(header.BATCH_HEADER_BYTES);
    expect(header.leaderEpochOf(buffer, at)).toBe(42);
    expect(header.magicOf(buffer, at)).toBe(2);
    expect(header.crcOf(buffer, at)).toBe(0xdead_beef);
    expect(header.attributesOf(buffer, at)).toBe(0x3b);
    expect(header.compressionOf(buffer, at)).toBe('lz4');
    expect(header.hasLogAppendTime(buffer, at)).toBe(true);
    expect(header.isTransactional(buffer, at)).toBe(true);
    expect(header.isControl(buffer, at)).toBe(true);
    expect(header.lastOffsetDeltaOf(buffer, at)).toBe(4);
    expect(header.lastOffsetOf(buffer, at)).toBe(0x1_2345_678d);
    expect(header.baseTimestampOf(buffer, at)).toBe(1_700_000_000_000);
    expect(header.maxTimestampOf(buffer, at)).toBe(1_700_000_000_100);
    expect(header.hasProducerId(buffer, at)).toBe(true);
    expect(header.producerIdOf(buffer, at)).toBe(1000);
    expect(header.producerEpochOf(buffer, at)).toBe(7);
    expect(header.baseSequenceOf(buffer, at)).toBe(11);
    expect(header.recordCountOf(buffer, at)).toBe(5);
  }
});

test('stamping base offset and leader epoch changes 12 bytes in front of what the CRC covers', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.integer({ min: -1, max: 2 ** 31 - 1 }), (base, epoch) => {
      const buffer = Buffer.from(HEADER);
      header.writeBaseOffset(buffer, 0, offset(Math.abs(base)));
      header.writeLeaderEpoch(buffer, 0, epoch);
      expect(buffer.readBigInt64BE(0)).toBe(BigInt(Math.abs(base)));
      expect(header.baseOffsetOf(buffer, 0)).toBe(Math.abs(base));
      expect(header.leaderEpochOf(buffer, 0)).toBe(epoch);
      expect(buffer.subarray(8, 12)).toEqual(HEADER.subarray(8, 12));
      expect(buffer.subarray(16)).toEqual(HEADER.subarray(16));
    }),
  );
});

test('64-bit fields are exact where they are safe integers, and refused where they are not', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeInteger().map(BigInt)),
      (n) => {
        const buffer = Buffer.from(HEADER);
        buffer.writeBigInt64BE(n, 35);
        buffer.writeBigInt64BE(n, 0);
        const exact = Number.isSafeInteger(Number(n)) ? Number(n) : 'refused';
        expect(orRefused(() => header.maxTimestampOf(buffer, 0))).toBe(exact);
        expect(orRefused(() => header.baseOffsetOf(buffer, 0))).toBe(n < 0n ? 'refused' : exact);
      },
    ),
  );
});

test.each([2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n), -(2n ** 53n) - 1n])('%s is not taken for a safe integer', (n) => {
  const buffer = Buffer.from(HEADER);
  buffer.writeBigInt64BE(n, 27);
  expect(() => header.baseTimestampOf(buffer, 0)).toThrow(WeirError);
  expect(header.hasSoundTimestamps(buffer, 0)).toBe(false);
});

test('a compression id that does not exist is undefined', () => {
  const buffer = Buffer.from(HEADER);
  for (const id of [5, 6, 7]) {
    buffer.writeInt16BE(id, 21);
    expect(header.compressionOf(buffer, 0)).toBeUndefined();
  }
});

test('a header without a producer id says so', () => {
  const buffer = Buffer.alloc(header.BATCH_HEADER_BYTES);
  header.writePlainHeader(buffer, {
    batchBytes: 100,
    compressionId: 4,
    recordCount: 3,
    baseTimestampMs: 5,
    maxTimestampMs: 9,
  });
  expect(header.hasProducerId(buffer, 0)).toBe(false);
  expect(header.producerIdOf(buffer, 0)).toBe(-1);
  expect(header.producerEpochOf(buffer, 0)).toBe(-1);
  expect(header.baseSequenceOf(buffer, 0)).toBe(-1);
  expect(header.leaderEpochOf(buffer, 0)).toBe(-1);
  expect(header.batchBytesOf(buffer, 0)).toBe(100);
  expect(header.compressionOf(buffer, 0)).toBe('zstd');
  expect(header.lastOffsetOf(buffer, 0)).toBe(2);
});
