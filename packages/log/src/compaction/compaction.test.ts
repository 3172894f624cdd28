import { expect, test } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import {
  baseOffsetOf,
  batchBytesOf,
  compressionOf,
  deleteHorizonOf,
  lastOffsetOf,
  leaderEpochOf,
  recordCountOf,
} from '@weir/records/batch-header.ts';
import { COMPRESSIONS } from '@weir/records/compression.ts';
import { readBatches } from '@weir/records/read-records.ts';
import { asProducers, keyedBatch, ManualClock, openForAppends, openLog, testCache } from '../test-kit.ts';
import type { KeyedRecord } from '../test-kit.ts';
import { append, batchesOf, compact, CONFIG, layout, newBed, recordsOf, reopened, seal } from './test-compaction.ts';

test('of each key the last record is left, at its offset, and no offset is without a batch', () => {
  const bed = newBed();
  append(bed, [['a', '1']], [['b', '1']], [['a', '2']], [['c', '1']], [['a', '3']], [['b', '2']]);
  seal(bed);
  append(bed, [['d', '1']]);
  const before = bed.log.sizeBytes;
  const result = compact(bed.log, bed);
  expect(result).toMatchObject({ kind: 'cleaned', end: 6 });
  expect(recordsOf(bed.log, bed.disk)).toEqual(['3 c=1', '4 a=3', '5 b=2', '6 d=1']);
  expect(layout(bed)).toEqual(['0-2@0:0', '3-3@0:1', '4-4@0:1', '5-5@0:1', '6-6@0:1']);
  expect(bed.log.sizeBytes).toBe(before - (result as { freedBytes: number }).freedBytes);
  expect(bed.log.compaction.cleanPoint).toBe(6);
  const again = reopened(bed);
  expect(recordsOf(again.log, again.disk)).toEqual(['3 c=1', '4 a=3', '5 b=2', '6 d=1']);
  expect(again.log.compaction.cleanPoint).toBe(6);
  expect(compact(again.log, again)).toBeUndefined();
});

test('small segments become one, up to the size of a segment', () => {
  const bed = newBed();
  for (let i = 0; i < 30; i++) append(bed, [[`k${i % 3}`, `v${i}`]]);
  seal(bed);
  const segments = bed.log.segmentCount;
  compact(bed.log, bed);
  // Groups are made of what there was, so the first pass leaves small ones, and the next makes fewer of them.
  for (let i = 30; i < 40; i++) append(bed, [[`k${i % 3}`, `v${i}`]]);
  seal(bed);
  compact(bed.log, bed);
  expect(bed.log.segmentCount).toBeLessThan(segments);
  expect(recordsOf(bed.log, bed.disk)).toEqual(['37 k1=v37', '38 k2=v38', '39 k0=v39']);
  expect(recordsOf(reopened(bed).log, bed.disk)).toHaveLength(3);
});

test('nothing at or past the high watermark is touched, nor does it count', () => {
  const bed = newBed();
  append(bed, [['a', '1']], [['a', '2']], [['b', '1']], [['a', '3']], [['a', '4']], [['b', '2']]);
  seal(bed);
  expect(bed.log.segmentCount).toBeGreaterThan(2);
  const before = layout(bed);
  compact(bed.log, bed, { upTo: offset(2) });
  expect(layout(bed)).toEqual(before);
  compact(bed.log, bed, { upTo: offset(4) });
  const records = recordsOf(bed.log, bed.disk);
  expect(records.slice(-3)).toEqual(['3 a=3', '4 a=4', '5 b=2']);
});

test('what is younger than the minimum lag is left alone', () => {
  const bed = newBed();
  append(bed, [['a', '1', 100]], [['a', '2', 200]], [['b', '1', 300]]);
  seal(bed);
  append(bed, [['a', '3', 1_000]]);
  seal(bed);
  expect(compact(bed.log, bed, { nowMs: 1_100, minLagMs: 850 })).toBeUndefined();
  expect(compact(bed.log, bed, { nowMs: 1_200, minLagMs: 850 })).toMatchObject({ end: 3 });
  expect(recordsOf(bed.log, bed.disk)).toEqual(['1 a=2', '2 b=1', '3 a=3']);
});

test('a tombstone stays for its time, measured from the pass that has cleaned up to it, and goes in a later one', () => {
  const bed = newBed();
  append(bed, [['a', '1']], [['a', null]], [['b', '1']]);
  seal(bed);
  compact(bed.log, bed, { nowMs: 5_000, deleteRetentionMs: 1_000 });
  expect(recordsOf(bed.log, bed.disk)).toEqual(['1 a', '2 b=1']);
  const horizons = [...readBatches(batchesOf(bed.log, bed.disk, 'batches'))].map(({ bytes }) =>
    deleteHorizonOf(bytes, 0),
  );
  expect(horizons).toEqual([undefined, 6_000, undefined]);
  append(bed, [['c', '1']]);
  seal(bed);
  compact(bed.log, bed, { nowMs: 5_999, deleteRetentionMs: 1_000 });
  expect(recordsOf(bed.log, bed.disk)).toEqual(['1 a', '2 b=1', '3 c=1']);
  append(bed, [['c', '2']]);
  seal(bed);
  compact(bed.log, bed, { nowMs: 6_000, deleteRetentionMs: 1_000 });
  expect(recordsOf(bed.log, bed.disk)).toEqual(['2 b=1', '4 c=2']);
});

test('a tombstone that is superseded goes at once', () => {
  const bed = newBed();
  append(bed, [['a', null]], [['a', '1']]);
  seal(bed);
  compact(bed.log, bed);
  expect(recordsOf(bed.log, bed.disk)).toEqual(['1 a=1']);
});

test.each(COMPRESSIONS)('of a batch with %s the records that are left are compressed as they were', (compression) => {
  const bed = newBed();
  const many = Array.from({ length: 50 }, (_, i): KeyedRecord => [`k${i}`, 'value '.repeat(5)]);
  append(bed, keyedBatch(many, compression), keyedBatch(many.slice(10), compression));
  seal(bed);
  compact(bed.log, bed);
  expect(recordsOf(bed.log, bed.disk)).toHaveLength(50);
  const [first] = [...readBatches(batchesOf(bed.log, bed.disk, 'batches'))];
  expect(first!.recordCount).toBe(10);
  expect(first!.lastOffset).toBe(49);
  expect(compressionOf(first!.bytes, 0)).toBe(compression);
});

test('a map that is full ends the pass there, and the next goes on', () => {
  const bed = newBed();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 40; i++)
      append(bed, [
        [`key ${i}`, `${round}`],
        [`other ${i}`, `${round}`],
      ]);
  }
  seal(bed);
  const ends: number[] = [];
  for (;;) {
    const result = compact(bed.log, bed, { mapBytes: 1_000 });
    if (result?.kind !== 'cleaned') break;
    ends.push(result.end);
    expect(ends.length).toBeLessThan(100);
  }
  expect(ends.length).toBeGreaterThan(3);
  expect(ends.at(-1)).toBe(240);
  expect(recordsOf(bed.log, bed.disk)).toHaveLength(80);
  expect(recordsOf(bed.log, bed.disk).every((record) => record.endsWith('=2'))).toBe(true);
});

test('placeholders end where a leader epoch does', () => {
  const bed = newBed({ ...CONFIG, segmentBytes: 100_000 });
  append(bed, [['a', '1']], [['a', '2']]);
  bed.log.beginEpoch(leaderEpoch(4));
  append(bed, [['a', '3']], [['a', '4']], [['a', '5']]);
  seal(bed);
  compact(bed.log, bed);
  expect(layout(bed)).toEqual(['0-1@0:0', '2-3@4:0', '4-4@4:1']);
  expect(bed.log.epochEnd(0)).toEqual({ epoch: 0, endOffset: 2 });
});

test('records without a key, and batches that cannot be read, are left as they are', () => {
  const bed = newBed();
  const broken = keyedBatch(
    [
      ['a', '1'],
      ['a', '2'],
    ],
    'gzip',
  );
  broken[70] = broken[70]! ^ 0xff;
  asProducers(broken, { producerId: -1, epoch: -1, sequence: -1 });
  append(bed, [[null, '1']], broken, [[null, '2']], [['a', '3']], [['a', '4']]);
  seal(bed);
  compact(bed.log, bed);
  expect(layout(bed)).toEqual(['0-0@0:1', '1-2@0:2', '3-3@0:1', '4-4@0:0', '5-5@0:1']);
});

test('a read from anywhere gets what comes next', () => {
  const bed = newBed();
  for (let i = 0; i < 20; i++) append(bed, [[i % 5 === 4 ? `k${i}` : 'a', `v${i}`]]);
  append(bed, [['a', 'end']]);
  seal(bed);
  compact(bed.log, bed);
  for (let from = 0; from <= 20; from++) {
    const found = batchesOf(bed.log, bed.disk, 'records', offset(from));
    const next = [4, 9, 14, 19, 20].find((kept) => kept >= from)!;
    expect(baseOffsetOf(found, 0)).toBe(next);
    expect([...readBatches(found)].every(({ recordCount }) => recordCount === 1)).toBe(true);
    const all = batchesOf(bed.log, bed.disk, 'batches', offset(from));
    expect(baseOffsetOf(all, 0)).toBeLessThanOrEqual(from);
    expect(lastOffsetOf(all, 0)).toBeGreaterThanOrEqual(from);
  }
});

test('where nothing but a placeholder is left up to the high watermark, a reader gets that', () => {
  const bed = newBed();
  append(bed, [['b', '1']], [['a', null]]);
  seal(bed);
  compact(bed.log, bed, { nowMs: 0, deleteRetentionMs: 0 });
  append(bed, [['b', '2']]);
  seal(bed);
  compact(bed.log, bed, { nowMs: 1, deleteRetentionMs: 0 });
  const upTo = offset(2);
  const read = bed.log.read(offset(0), 1_000, upTo);
  if (read.kind !== 'cold') throw new Error(read.kind);
  let seen: string[] = [];
  bed.log.readCold(read.plan, (_, buffers, next) => {
    seen = [...buffers.map((batch) => `${recordCountOf(batch, 0)}`), `${next}`];
  });
  bed.disk.settle();
  expect(seen).toEqual(['0', '2']);
});

test('a read that is under way while segments are swapped gets the same records', () => {
  for (const completed of [0, 1, 2, 3]) {
    const bed = newBed({ ...CONFIG, segmentBytes: 2_000 });
    for (let i = 0; i < 12; i++) append(bed, [[`k${i % 4}`, `v${i}`]]);
    seal(bed);
    const found: Buffer[] = [];
    let begun = 0;
    const beforeSwap = (): void => {
      const read = bed.log.read(offset(9), 10_000, bed.log.durableEnd);
      if (read.kind !== 'cold') throw new Error(read.kind);
      begun++;
      bed.log.readCold(read.plan, (error, buffers) => {
        expect(error).toBeUndefined();
        found.push(Buffer.concat(buffers));
      });
      bed.disk.completeReads(completed);
    };
    compact(bed.log, bed, { beforeSwap });
    bed.disk.settle();
    expect(begun).toBeGreaterThan(0);
    expect(found).toHaveLength(begun);
    for (const batch of found) {
      expect(baseOffsetOf(batch, 0)).toBe(9);
      expect(batchBytesOf(batch, 0)).toBeGreaterThan(61);
    }
  }
});

test('a reader that goes on behind a swap finds its place anew', () => {
  // From 8 alone nothing was read ahead, which would serve it.
  for (const first of [0, 8]) {
    const bed = newBed({ ...CONFIG, segmentBytes: 2_000 });
    for (let i = 0; i < 12; i++) append(bed, [[`k${i % 4}`, `v${i}`]]);
    seal(bed);
    const readAt = (from: number): Buffer => {
      const read = bed.log.read(offset(from), 1, bed.log.durableEnd);
      if (read.kind !== 'cold') throw new Error(read.kind);
      const found: Buffer[] = [];
      bed.log.readCold(read.plan, (error, buffers) => {
        expect(error).toBeUndefined();
        found.push(...buffers);
      });
      bed.disk.settle();
      return Buffer.concat(found);
    };
    for (let from = first; from < 9; from++) expect(baseOffsetOf(readAt(from), 0)).toBe(from);
    compact(bed.log, bed);
    for (let from = 9; from < 12; from++) expect(baseOffsetOf(readAt(from), 0)).toBe(from);
  }
});

test('a segment of which nothing is left does not keep those behind it from growing old', () => {
  const bed = newBed();
  append(
    bed,
    [['a', '1', 10]],
    [['a', '2', 20]],
    [['a', '3', 30]],
    [['b', '1', 40]],
    [['b', '2', 50]],
    [['a', '4', 60]],
  );
  seal(bed);
  compact(bed.log, bed);
  append(bed, [['a', '5', 1_000]]);
  const rules = { nowMs: 1_000, retentionMs: 800, retentionBytes: -1, segmentMs: -1 };
  expect(bed.log.retain({ ...rules, nowMs: 800 }).segments).toBe(0);
  bed.log.retain(rules);
  expect([bed.log.startOffset, recordsOf(bed.log, bed.disk)]).toEqual([6, ['6 a=5']]);
});

test('a search by timestamp finds its record while segments are swapped', () => {
  const bed = newBed();
  for (let i = 0; i < 12; i++) append(bed, [[`k${i % 4}`, `v${i}`, i]]);
  seal(bed);
  const found: (number | undefined)[] = [];
  const beforeSwap = (): void => {
    for (let timestampMs = 0; timestampMs < 12; timestampMs++) {
      bed.log.offsetForTimestamp(timestampMs, bed.log.durableEnd, (error, result) => {
        expect(error).toBeUndefined();
        found[timestampMs] = result?.offset;
      });
    }
  };
  compact(bed.log, bed, { beforeSwap });
  bed.disk.settle();
  // As it was before, or as it is behind.
  for (const [timestampMs, at] of found.entries()) expect([timestampMs, Math.max(8, timestampMs)]).toContain(at);
  expect(found).toHaveLength(12);
});

test('a pass over a log that is cut or made anew under it gives up, and leaves nothing behind', () => {
  const bed = newBed();
  for (let i = 0; i < 12; i++) append(bed, [['a', `v${i}`]]);
  seal(bed);
  const rules = { nowMs: 0, minLagMs: 0, deleteRetentionMs: 0, upTo: bed.log.durableEnd };
  const kinds: string[] = [];
  for (const change of [() => bed.log.truncateTo(offset(5)), () => bed.log.restartAt(offset(3))]) {
    bed.log.compaction.begin({ cleanable: bed.log.compaction.cleanable(rules)!, rules, mapBytes: 10_000 }, ({ kind }) =>
      kinds.push(kind),
    );
    bed.disk.completeReads(4);
    change();
    bed.disk.settle();
    seal(bed);
    rules.upTo = bed.log.durableEnd;
  }
  expect(kinds).toEqual(['abandoned', 'abandoned']);
  expect(bed.disk.list('logs/p')!.filter((name) => /cleaned|swap/.test(name))).toEqual([]);
});

test('a cut below the clean point takes it along, for the next start as well', () => {
  const bed = newBed();
  for (let i = 0; i < 12; i++) append(bed, [[`k${i}`, `v${i}`]]);
  seal(bed);
  compact(bed.log, bed);
  expect(bed.log.compaction.cleanPoint).toBe(12);
  bed.log.truncateTo(offset(5));
  expect(bed.log.compaction.cleanPoint).toBe(5);
  expect(reopened(bed).log.compaction.cleanPoint).toBe(5);
});

test('bytes that are no sound batch are damage, and another error of the disk ends the pass alone', () => {
  const bed = newBed();
  const faults: string[] = [];
  bed.log.onFault = (_, what) => faults.push(what);
  for (let i = 0; i < 6; i++) append(bed, [['a', `v${i}`]]);
  seal(bed);
  bed.disk.failNextRead('EIO');
  expect(compact(bed.log, bed)).toMatchObject({ kind: 'failed' });
  bed.disk.failNextAppend('ENOSPC', 10);
  expect(compact(bed.log, bed)).toMatchObject({ kind: 'failed' });
  expect([faults, bed.log.appendable]).toEqual([[], true]);
  expect(bed.disk.list('logs/p')!.filter((name) => /cleaned|swap/.test(name))).toEqual([]);
  bed.disk.flipBit(`logs/p/${'0'.repeat(20)}.log`, 65);
  expect(compact(bed.log, bed)).toMatchObject({ kind: 'failed' });
  expect([faults, bed.log.appendable]).toEqual([['damage'], false]);
});

test('a sync that fails is the end of the log', () => {
  const bed = newBed();
  const faults: string[] = [];
  bed.log.onFault = (_, what) => faults.push(what);
  for (let i = 0; i < 6; i++) append(bed, [['a', `v${i}`]]);
  seal(bed);
  bed.disk.failNextSync();
  expect(compact(bed.log, bed)?.kind).not.toBe('cleaned');
  expect(faults).toEqual(['sync']);
});

test('wherever the power goes in a pass, a start has all records that are to be there, and no damage', () => {
  const expected = ['21 k1=v21', '22 k2=v22', '23 k0=v23', '24 end=1'];
  let cuts = 0;
  for (let mutations = 0, isOver = false; !isOver; mutations++) {
    for (const how of [...Array.from({ length: 5 }, () => 'crash' as const), 'kill' as const]) {
      const disk = new SimulatedDisk(seededRandom(1_000 * mutations + cuts));
      const clock = new ManualClock();
      const bed = { disk, clock, log: openForAppends(disk, { config: CONFIG, clock, cache: testCache(1) }) };
      for (let i = 0; i < 24; i++) {
        append(bed, [[`k${(i + 1) % 3}`, `v${i}`]]);
        // What a pass has left are small segments, which the next makes one of.
        if (i === 14) compact(bed.log, bed);
      }
      seal(bed);
      append(bed, [['end', '1']]);
      const checkpoint = bed.log.checkpointable();
      disk.crashAfter(mutations);
      try {
        expect(compact(bed.log, bed)?.kind).toBe('cleaned');
        isOver = true;
      } catch (error) {
        if (disk.powerCut === undefined) throw error;
        cuts += 1;
      }
      disk[how]();
      const again = openLog(disk, { config: CONFIG, clock, checkpoint, cache: testCache(1) });
      expect(again.recovery.damage).toBeUndefined();
      expect(again.recovery.tornBytesCut).toBe(0);
      const found = recordsOf(again.log, disk);
      expect(found.filter((record) => expected.includes(record))).toEqual(expected);
      expect(disk.list('logs/p')!.filter((name) => /cleaned|swap/.test(name))).toEqual([]);
      again.log.beginEpoch(leaderEpoch(9));
      const last = { disk, clock, log: again.log };
      compact(again.log, last);
      expect(recordsOf(again.log, disk)).toEqual(expected);
      expect(leaderEpochOf(batchesOf(again.log, disk, 'batches'), 0)).toBe(0);
    }
  }
  expect(cuts).toBeGreaterThan(40);
}, 60_000);
