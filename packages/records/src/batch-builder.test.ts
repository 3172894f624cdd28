import { InvariantViolation } from '@weir/base/assert.ts';
import { RECORD_HEADERS_MAX } from '@weir/base/limits.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchBuilder, singleRecordBatchBytes, stampProducer } from './batch-builder.ts';
import {
  baseSequenceOf,
  compressionOf,
  lastOffsetOf,
  maxTimestampOf,
  producerEpochOf,
  producerIdOf,
  recordCountOf,
} from './batch-header.ts';
import { checkBatch } from './check-batch.ts';
import { COMPRESSIONS } from './compression.ts';
import { listRecords } from './read-records.ts';
import { recordProblem } from './record.ts';
import type { NewRecord } from './record.ts';

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }));
const record: fc.Arbitrary<NewRecord> = fc.record(
  {
    key: bytes,
    value: bytes,
    headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 10 }), value: bytes }), {
      maxLength: 4,
    }),
    timestampMs: fc.oneof(fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }), fc.maxSafeNat()),
  },
  { requiredKeys: ['key', 'value', 'timestampMs'] },
);

test.each(COMPRESSIONS)('records come back as they went in, in order, with %s', (compression) => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), (records) => {
      const builder = new BatchBuilder({ maxBytes: 100_000, compression });
      for (const one of records) expect(builder.append(one)).toBe(true);
      expect(builder.count).toBe(records.length);
      const batch = builder.build();
      expect(checkBatch(batch, { maxBytes: builder.bytes })).toBeUndefined();
      expect(lastOffsetOf(batch, 0)).toBe(records.length - 1);
      expect(maxTimestampOf(batch, 0)).toBe(Math.max(...records.map(({ timestampMs }) => timestampMs)));
      expect(listRecords(batch)).toEqual(records.map(expected));
    }),
  );
});

function expected({ key, value, headers, timestampMs }: NewRecord, index: number): unknown {
  return {
    offset: index,
    timestampMs,
    key: key && Buffer.from(key),
    value: value && Buffer.from(value),
    headers: (headers ?? []).map((header) => ({ key: header.key, value: header.value && Buffer.from(header.value) })),
  };
}

test('a batch is the producer’s that it is built for, or stamped for later, under a CRC of its own', () => {
  const builder = new BatchBuilder({ maxBytes: 1_000 });
  builder.append({ key: null, value: Buffer.from('a'), timestampMs: 1 });
  const batch = builder.build({ id: 2 ** 40 + 7, epoch: 0, baseSequence: 0x7fff_ffff });
  const producer = (): number[] => [producerIdOf(batch, 0), producerEpochOf(batch, 0), baseSequenceOf(batch, 0)];
  expect(producer()).toEqual([2 ** 40 + 7, 0, 0x7fff_ffff]);
  expect(checkBatch(batch, { maxBytes: 1_000 })).toBeUndefined();
  stampProducer(batch, { id: 9, epoch: 0x7fff, baseSequence: 0 });
  expect(producer()).toEqual([9, 0x7fff, 0]);
  expect(checkBatch(batch, { maxBytes: 1_000 })).toBeUndefined();
  expect(listRecords(batch).map(({ value }) => String(value))).toEqual(['a']);
});

test('a batch never grows past its limit, and a record that does not fit leaves it as it was', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 0, max: 3_000 }),
      (records, maxBytes) => {
        const builder = new BatchBuilder({ maxBytes });
        const taken = records.filter((one) => {
          const before = builder.bytes;
          const fits = builder.append(one);
          expect(builder.bytes > before).toBe(fits);
          return fits;
        });
        expect(builder.count).toBe(taken.length);
        if (taken.length === 0) return;
        const batch = builder.build();
        expect(batch.length).toBeLessThanOrEqual(maxBytes);
        expect(listRecords(batch)).toEqual(taken.map(expected));
      },
    ),
  );
});

test('a record that fits alone is taken into an empty batch of exactly that size, and not of a byte less', () => {
  fc.assert(
    fc.property(record, (one) => {
      const size = singleRecordBatchBytes(one);
      expect(new BatchBuilder({ maxBytes: size - 1 }).append(one)).toBe(false);
      const builder = new BatchBuilder({ maxBytes: size });
      expect(builder.append(one)).toBe(true);
      expect(builder.build()).toHaveLength(size);
    }),
  );
});

test('the buffer grows over several doublings', () => {
  const builder = new BatchBuilder({ maxBytes: 1024 * 1024 });
  const value = Buffer.alloc(1_000, 'weir');
  while (builder.append({ key: null, value, timestampMs: 1 }));
  const batch = builder.build();
  expect(batch.length).toBeGreaterThan(1024 * 1024 - 1_100);
  expect(recordCountOf(batch, 0)).toBe(builder.count);
  expect(listRecords(batch).every((one) => one.value?.equals(value))).toBe(true);
});

test('the bytes are those that another implementation writes for the same record', () => {
  const builder = new BatchBuilder({ maxBytes: 1_000 });
  builder.append({
    key: Buffer.from([1, 2, 3, 4]),
    value: Buffer.from([5, 6, 7]),
    headers: [{ key: '\b\t\n', value: Buffer.from([11, 12]) }],
    timestampMs: 1_479_847_795_000,
  });
  const batch = builder.build();
  // Sarama's "uncompressed record" but for the timestamp delta of 5 ms, which a first record of ours does not have.
  expect(batch.toString('hex', 61)).toBe('28000000080102030406050607020608090a040b0c');
  expect(batch.toString('hex', 0, 17)).toBe('000000000000000000000046ffffffff02');
  expect(batch.toString('hex', 21, 61)).toBe(
    '0000' +
      '00000000' +
      '000001588dcd5938' +
      '000001588dcd5938' +
      'ffffffffffffffff' +
      'ffff' +
      'ffffffff' +
      '00000001',
  );
});

test('records that compression would only make larger are sent as they are', () => {
  const builder = new BatchBuilder({ maxBytes: 1_000, compression: 'gzip' });
  builder.append({ key: null, value: Buffer.from('short'), timestampMs: 1 });
  const batch = builder.build();
  expect(compressionOf(batch, 0)).toBe('none');
  expect(batch).toHaveLength(builder.bytes);
});

test('a spent or empty builder does not build', () => {
  const builder = new BatchBuilder({ maxBytes: 1_000 });
  expect(() => builder.build()).toThrow(InvariantViolation);
  builder.append({ key: null, value: null, timestampMs: 0 });
  builder.build();
  expect(() => builder.build()).toThrow(InvariantViolation);
  expect(() => builder.append({ key: null, value: null, timestampMs: 0 })).toThrow(InvariantViolation);
});

test('what recordProblem refuses is what a builder does not take, and too many headers', () => {
  for (const timestampMs of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    const bad = { key: null, value: null, timestampMs };
    expect(recordProblem(bad)).toMatch(/timestamp/);
    expect(() => new BatchBuilder({ maxBytes: 1_000 }).append(bad)).toThrow(InvariantViolation);
  }
  const header = { key: 'k', value: null };
  const withHeaders = (count: number): NewRecord => ({
    key: null,
    value: null,
    timestampMs: 0,
    headers: Array.from({ length: count }, () => header),
  });
  expect(recordProblem(withHeaders(RECORD_HEADERS_MAX))).toBeUndefined();
  expect(recordProblem(withHeaders(RECORD_HEADERS_MAX + 1))).toMatch(/headers/);
});
