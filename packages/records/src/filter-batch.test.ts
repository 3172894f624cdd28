import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import { BatchBuilder } from './batch-builder.ts';
import {
  baseOffsetOf,
  baseSequenceOf,
  batchBytesOf,
  compressionOf,
  deleteHorizonOf,
  lastOffsetOf,
  leaderEpochOf,
  maxTimestampOf,
  producerIdOf,
  recordCountOf,
  writeBaseOffset,
  writeLeaderEpoch,
} from './batch-header.ts';
import { checkBatch, isValidBatchAt } from './check-batch.ts';
import { COMPRESSIONS } from './compression.ts';
import { emptyBatch, keptRecord, rebuildBatch } from './filter-batch.ts';
import type { KeptRecord } from './filter-batch.ts';
import { isPlaceholder, placeholder, restOfPlaceholder, withoutPlaceholders } from './placeholder.ts';
import { listRecords } from './read-records.ts';
import type { NewRecord } from './record.ts';
import { RecordCursor } from './record-cursor.ts';

const bytes = fc.option(fc.uint8Array({ maxLength: 50 }));
const record: fc.Arbitrary<NewRecord> = fc.record({
  key: bytes,
  value: bytes,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: bytes }), { maxLength: 2 }),
  timestampMs: fc.integer({ min: 0, max: 1_800_000_000_000 }),
});

function batchOf(records: readonly NewRecord[], compression: (typeof COMPRESSIONS)[number] = 'none'): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_000_000, compression });
  for (const one of records) builder.append(one);
  const batch = builder.build({ id: 7, epoch: 2, baseSequence: 40 });
  writeBaseOffset(batch, 0, offset(100));
  writeLeaderEpoch(batch, 0, 3);
  return batch;
}

test('a batch made anew has the records that stay, each as it was, and says of itself what it said', () => {
  const options = fc.record({
    records: fc.array(fc.tuple(record, fc.boolean()), { minLength: 1, maxLength: 20 }),
    compression: fc.constantFrom(...COMPRESSIONS),
    horizonMs: fc.option(fc.integer({ min: 0, max: 2_000_000_000_000 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(options, ({ records, compression, horizonMs }) => {
      if (!records.some(([, stays]) => stays)) return;
      const batch = batchOf(
        records.map(([one]) => one),
        compression,
      );
      const kept: KeptRecord[] = [];
      const cursor = new RecordCursor();
      cursor.open(batch);
      while (cursor.next()) if (records[cursor.offsetDelta]![1]) kept.push(keptRecord(cursor));
      const rebuilt = rebuildBatch(batch, kept, horizonMs);
      expect(isValidBatchAt(rebuilt, 0, rebuilt.length)).toBe(true);
      expect(listRecords(rebuilt)).toEqual(listRecords(batch).filter((_, i) => records[i]![1]));
      for (const said of [baseOffsetOf, lastOffsetOf, leaderEpochOf, producerIdOf, baseSequenceOf, compressionOf])
        expect(said(rebuilt, 0)).toEqual(said(batch, 0));
      expect(deleteHorizonOf(rebuilt, 0)).toBe(horizonMs);
      expect(maxTimestampOf(rebuilt, 0)).toBe(Math.max(...listRecords(rebuilt).map(({ timestampMs }) => timestampMs)));
      // Once set, it stays.
      expect(deleteHorizonOf(rebuildBatch(rebuilt, kept, 5), 0)).toBe(horizonMs ?? 5);
    }),
  );
});

test('an emptied batch tells its producer, its sequence and its offsets, and no records', () => {
  const batch = batchOf([{ key: Buffer.from('k'), value: null, timestampMs: 9 }], 'gzip');
  const empty = emptyBatch(batch);
  expect(isValidBatchAt(empty, 0, empty.length)).toBe(true);
  for (const said of [baseOffsetOf, lastOffsetOf, leaderEpochOf, producerIdOf, baseSequenceOf, maxTimestampOf])
    expect(said(empty, 0)).toBe(said(batch, 0));
  expect([recordCountOf(empty, 0), compressionOf(empty, 0), isPlaceholder(empty, 0)]).toEqual([0, 'none', false]);
  expect(listRecords(empty)).toEqual([]);
});

test('a placeholder stands for offsets, or for the rest of them', () => {
  const whole = placeholder({ base: offset(10), end: offset(50), epoch: 4 });
  const rest = restOfPlaceholder(whole, offset(30));
  for (const [batch, base] of [
    [whole, 10],
    [rest, 30],
  ] as const) {
    expect(isValidBatchAt(batch, 0, batch.length)).toBe(true);
    expect(isPlaceholder(batch, 0)).toBe(true);
    expect([baseOffsetOf(batch, 0), lastOffsetOf(batch, 0), leaderEpochOf(batch, 0)]).toEqual([base, 49, 4]);
    expect(maxTimestampOf(batch, 0)).toBe(-1);
  }
});

test('batches without the placeholders among them are the stretches in between', () => {
  const hole = placeholder({ base: offset(0), end: offset(5), epoch: 1 });
  const batch = batchOf([{ key: null, value: null, timestampMs: 1 }]);
  expect(withoutPlaceholders(Buffer.concat([hole, hole]))).toEqual([]);
  expect(withoutPlaceholders(Buffer.concat([batch, batch]))).toEqual([Buffer.concat([batch, batch])]);
  expect(withoutPlaceholders(Buffer.concat([hole, batch, batch, hole, batch, hole]))).toEqual([
    Buffer.concat([batch, batch]),
    batch,
  ]);
  expect(withoutPlaceholders(Buffer.concat([batch, hole]))).toEqual([batch]);
});

test('producers may not say when tombstones go', () => {
  const batch = batchOf([{ key: Buffer.from('k'), value: null, timestampMs: 9 }]);
  const cursor = new RecordCursor();
  cursor.open(batch);
  cursor.next();
  const rebuilt = rebuildBatch(batch, [keptRecord(cursor)], 1);
  expect(checkBatch(rebuilt, { maxBytes: batchBytesOf(rebuilt, 0) })?.code).toBe('INVALID_RECORD');
});
