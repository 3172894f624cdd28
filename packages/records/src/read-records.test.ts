import { WeirError } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { BATCH_CRC_FROM, batchBytesOf, writeBaseOffset, writeCrc } from './batch-header.ts';
import { COMPRESSIONS } from './compression.ts';
import type { Compression } from './compression.ts';
import { crc32c } from './crc32c.ts';
import { listRecords, readBatches, readRecords } from './read-records.ts';
import { RecordCursor } from './record-cursor.ts';
import { orRefused } from './test-kit.ts';

const HEADERS = [
  { key: 'trace', value: Buffer.from('abc') },
  { key: 'ü', value: null },
];

function batchAt(base: number, values: readonly string[], compression: Compression = 'none'): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_000_000, compression });
  for (const [i, value] of values.entries()) {
    builder.append({
      key: i % 2 === 0 ? null : Buffer.from('key'),
      value: Buffer.from(value),
      headers: HEADERS,
      timestampMs: 10 - i,
    });
  }
  const batch = builder.build();
  writeBaseOffset(batch, 0, offset(base));
  return batch;
}

function seal(batch: Buffer): Buffer {
  writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
  return batch;
}

/** A batch with this body, its header and CRC right. */
function batchOfBody(count: number, body: Uint8Array, compressionId = 0): Buffer {
  const batch = Buffer.concat([batchAt(0, ['x']).subarray(0, 61), body]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(compressionId, 21);
  batch.writeInt32BE(Math.max(0, count - 1), 23);
  batch.writeInt32BE(count, 57);
  return seal(batch);
}

const THREE = Buffer.concat([batchAt(0, ['a', 'b']), batchAt(2, ['c', 'd', 'e'], 'zstd'), batchAt(5, ['f'])]);

test('batches are viewed one after another, without a copy', () => {
  const views = [...readBatches(THREE)];
  expect(views.map((view) => [view.baseOffset, view.lastOffset, view.recordCount])).toEqual([
    [0, 1, 2],
    [2, 4, 3],
    [5, 5, 1],
  ]);
  expect(views.map(({ leaderEpoch, maxTimestampMs }) => [leaderEpoch, maxTimestampMs])).toEqual(
    views.map(() => [-1, 10]),
  );
  for (const view of views) expect(view.bytes.buffer).toBe(THREE.buffer);
  expect(views.reduce((sum, view) => sum + view.bytes.length, 0)).toBe(THREE.length);
});

test('no bytes hold no batches and no records', () => {
  expect([...readBatches(Buffer.alloc(0))]).toEqual([]);
  expect(listRecords(Buffer.alloc(0))).toEqual([]);
});

test('records of several batches are visited in order until the visitor has enough', () => {
  const seen: string[] = [];
  readRecords(THREE, (record) => {
    seen.push(`${record.offset}${record.value?.toString()}`);
    return record.offset < 3;
  });
  expect(seen).toEqual(['0a', '1b', '2c', '3d']);
});

test('reading from an offset leaves out what comes before it, also within a batch', () => {
  for (let from = 0; from <= 6; from++) {
    const offsets: number[] = [];
    readRecords(THREE, (record) => void offsets.push(record.offset), from);
    expect(offsets).toEqual([0, 1, 2, 3, 4, 5].slice(from));
  }
});

test('a batch that ends before the wanted offset is not even opened', () => {
  const damaged = Buffer.from(THREE);
  damaged[70]! ^= 1;
  const offsets: number[] = [];
  readRecords(damaged, (record) => void offsets.push(record.offset), 2);
  expect(offsets).toEqual([2, 3, 4, 5]);
  expect(() => listRecords(damaged)).toThrow(/CRC/);
});

test('a record has its timestamp, key, value and headers', () => {
  const [first, second] = listRecords(batchAt(7, ['a', 'b']));
  expect(first).toEqual({ offset: 7, timestampMs: 10, key: null, value: Buffer.from('a'), headers: HEADERS });
  expect(second).toEqual({
    offset: 8,
    timestampMs: 9,
    key: Buffer.from('key'),
    value: Buffer.from('b'),
    headers: HEADERS,
  });
});

test('keys and values of an uncompressed batch are views of the buffer', () => {
  const batch = batchAt(0, ['a', 'b']);
  for (const { key, value, headers } of listRecords(batch)) {
    expect(value?.buffer).toBe(batch.buffer);
    expect((key ?? batch).buffer).toBe(batch.buffer);
    expect(headers[0]?.value?.buffer).toBe(batch.buffer);
  }
});

test('with log append time all records have the time that the broker gave the batch', () => {
  const batch = batchAt(0, ['a', 'b', 'c']);
  batch.writeInt16BE(0x08, 21);
  batch.writeBigInt64BE(12_345n, 35);
  expect(listRecords(seal(batch)).map(({ timestampMs }) => timestampMs)).toEqual([12_345, 12_345, 12_345]);
});

test('control records are not shown', () => {
  const control = batchAt(2, ['marker']);
  control.writeInt16BE(0x20, 21);
  const offsets = listRecords(Buffer.concat([batchAt(0, ['a', 'b']), seal(control), batchAt(3, ['c'])]));
  expect(offsets.map((record) => record.offset)).toEqual([0, 1, 3]);
});

test('offsets keep the gaps that compaction leaves', () => {
  // Two records with offset deltas 1 and 4 of a batch that reaches to 6.
  const batch = batchOfBody(2, Buffer.from('0c0000020101000c000008010100', 'hex'));
  batch.writeInt32BE(6, 23);
  expect(listRecords(seal(batch)).map((record) => record.offset)).toEqual([1, 4]);
});

test('a cursor goes from batch to batch and keeps what was asked to be kept', () => {
  const cursor = new RecordCursor();
  const kept: unknown[] = [];
  let at = 0;
  while (at < THREE.length) {
    at = cursor.open(THREE, at);
    while (cursor.next()) kept.push(cursor.record());
    expect(cursor.next()).toBe(false);
  }
  expect(kept).toEqual(listRecords(THREE));
});

// Batches as Sarama (Go) writes them, of its record_test.go: one record, in each compression that is there.
test.each([
  ['none', '00000046', '547961fd', '0000', '28000a00080102030406050607020608090a040b0c'],
  [
    'gzip',
    '0000005f',
    'e74acea5',
    '0001',
    '1f8b080000096e8800ff001500eaff28000a00080102030406050607020608090a040b0c0300adc9586715000000',
  ],
  ['snappy', '00000048', '15009f61', '0002', '155028000a00080102030406050607020608090a040b0c'],
  [
    'lz4',
    '00000059',
    'a94a77c5',
    '0003',
    '04224d186470b91500008028000a00080102030406050607020608090a040b0c000000000c3bef92',
  ],
])("another implementation's batch is read: %s", (_compression, length, crc, attributes, body) => {
  const batch = Buffer.from(
    `0000000000000000${length}0000000002${crc}${attributes}00000000000001588dcd5938${'00'.repeat(8 + 8 + 2 + 4)}00000001${body}`,
    'hex',
  );
  expect(listRecords(batch)).toEqual([
    {
      offset: 0,
      timestampMs: 1_479_847_795_005,
      key: Buffer.from([1, 2, 3, 4]),
      value: Buffer.from([5, 6, 7]),
      headers: [{ key: '\b\t\n', value: Buffer.from([11, 12]) }],
    },
  ]);
});

test.each([
  ['no bytes for its records', 1, ''],
  ['a record of no bytes', 1, '00'],
  ['a record of negative length', 1, '01'],
  ['a record that is longer than the batch', 1, '7e0000000101'],
  ['a record that is longer than its fields', 1, '0e00000001010000'],
  ['a record that is shorter than its fields', 1, '0a000000010100'],
  ['a key that is longer than the record', 1, '0c0000007e0100'],
  ['a key of length -2', 1, '0c000000030100'],
  ['a value that is longer than the record', 1, '0c000000017e00'],
  ['a negative number of headers', 1, '0c000000010101'],
  ['more headers than bytes', 1, '140000000101feffffff0f'],
  ['a header without a key', 1, '100000000101020101'],
  ['a record too many', 1, '0c0000000101000c000002010100'],
  ['a record too few', 2, '0c000000010100'],
  ['an offset below the last one', 2, '0c0000020101000c000000010100'],
  ['an offset twice', 2, '0c0000000101000c000000010100'],
  ['an offset beyond the batch', 1, '0c000002010100'],
  ['a timestamp beyond the safe integers', 1, '1a00feffffffffffff1f00010100'],
  ['a byte behind the last record', 1, '0c00000001010000'],
])('a batch is refused that has %s, although its CRC is right', (_what, count, body) => {
  expect(() => listRecords(batchOfBody(count, Buffer.from(body, 'hex')))).toThrow(WeirError);
});

test('an unknown compression is refused by its own code', () => {
  expect(() => listRecords(batchOfBody(1, Buffer.from('0c000000010100', 'hex'), 5))).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED_COMPRESSION_TYPE' }),
  );
});

test('a batch that is cut short is refused after the whole ones before it were read', () => {
  for (let length = THREE.length - 1; length > THREE.length - batchAt(5, ['f']).length; length--) {
    const offsets: number[] = [];
    expect(() => readRecords(THREE.subarray(0, length), (record) => void offsets.push(record.offset))).toThrow(
      WeirError,
    );
    expect(offsets).toEqual([0, 1, 2, 3, 4]);
  }
});

test('random bytes end in records or a WeirError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(offsetsIn(Buffer.from(bytes))).toBeDefined();
    }),
    { numRuns: 1_000 },
  );
});

test('random records behind a right header and CRC end in records or a WeirError', () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // Mostly small numbers, so that more of them make sense.
    fc.array(fc.oneof(fc.nat(16), fc.nat(255)), { maxLength: 60 }).map((bytes) => Uint8Array.from(bytes)),
  );
  fc.assert(
    fc.property(fc.nat(4), body, fc.nat(4), (count, bytes, compressionId) => {
      expect(offsetsIn(batchOfBody(count, bytes, compressionId))).toBeDefined();
    }),
    { numRuns: 5_000 },
  );
});

test.each(COMPRESSIONS)('flipped bits under a right CRC end in records or a WeirError: %s', (compression) => {
  const whole = batchAt(0, ['first', 'second', 'third '.repeat(50)], compression);
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length * 8 - 1), { minLength: 1, maxLength: 4 }), (bits) => {
      const flipped = Buffer.from(whole);
      for (const bit of bits) flipped[bit >> 3]! ^= 1 << (bit & 7);
      if (batchBytesOf(flipped, 0) === flipped.length) seal(flipped);
      expect(offsetsIn(flipped)).toBeDefined();
    }),
    { numRuns: 2_000 },
  );
});

/** Offsets of what a buffer holds: the property is that nothing but a WeirError is thrown. */
function offsetsIn(buffer: Buffer): readonly number[] | 'refused' {
  return orRefused(() => listRecords(buffer).map((record) => record.offset));
}
