import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { IndexCache } from './index-cache.ts';
import { decodeIndexFile, writeIndexFile } from './index-file.ts';
import { OffsetIndex } from './offset-index.ts';
import { TimeIndex } from './time-index.ts';

const gaps = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 5_000 })), {
  maxLength: 200,
});

test('the offset index finds the last entry at or below an offset', () => {
  fc.assert(
    fc.property(gaps, fc.nat(10_000), (list, wanted) => {
      const index = new OffsetIndex();
      const entries: { relative: number; position: number }[] = [];
      for (const [relativeGap, positionGap] of list) {
        const last = entries.at(-1) ?? { relative: 0, position: 0 };
        entries.push({ relative: last.relative + relativeGap, position: last.position + positionGap });
        index.add(last.relative + relativeGap, last.position + positionGap);
      }
      const expected = entries.findLast(({ relative }) => relative <= wanted)?.position ?? 0;
      expect(index.positionOf(wanted)).toBe(expected);
      expect(new OffsetIndex(Buffer.from(index.entries)).positionOf(wanted)).toBe(expected);
    }),
  );
});

test('the time index finds the furthest position before which all is older', () => {
  const list = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 100 })), { maxLength: 100 });
  fc.assert(
    fc.property(list, fc.integer({ min: -2, max: 400 }), (steps, wanted) => {
      const index = new TimeIndex();
      const entries: { max: number; position: number }[] = [];
      for (const [rise, gap] of steps) {
        const last = entries.at(-1) ?? { max: -1, position: 0 };
        entries.push({ max: last.max + rise, position: last.position + gap });
        index.add(last.max + rise, last.position + gap);
      }
      const expected = entries.findLast(({ max }) => max < wanted)?.position ?? 0;
      expect(index.positionOf(wanted)).toBe(expected);
      expect(new TimeIndex(Buffer.from(index.entries)).positionOf(wanted)).toBe(expected);
    }),
  );
});

const SEGMENT = { baseOffset: offset(40), endOffset: offset(60), bytes: 1_000, maxTimestampMs: -1, lastEpoch: 3 };

function indexBytes(): Buffer {
  const disk = new SimulatedDisk(seededRandom(1));
  writeIndexFile(disk, 'x', '.index', { summary: SEGMENT, entries: Buffer.alloc(32, 1) });
  return disk.readFile('x')!;
}

test('an index file is taken for its own segment only, at its own size, whole', () => {
  const bytes = indexBytes();
  expect(decodeIndexFile('x', '.index', bytes, SEGMENT)).toEqual(Buffer.alloc(32, 1));
  expect(decodeIndexFile('x', '.timeindex', bytes, SEGMENT)).toBeUndefined();
  expect(decodeIndexFile('x', '.index', bytes, { ...SEGMENT, bytes: 1_001 })).toBeUndefined();
  expect(decodeIndexFile('x', '.index', bytes, { ...SEGMENT, baseOffset: offset(41) })).toBeUndefined();
  for (let byte = 0; byte < bytes.length; byte++) {
    const flipped = Buffer.from(bytes);
    flipped[byte]! ^= 4;
    expect(decodeIndexFile('x', '.index', flipped, SEGMENT), `byte ${byte}`).toBeUndefined();
    expect(decodeIndexFile('x', '.index', bytes.subarray(0, byte), SEGMENT)).toBeUndefined();
  }
});

test('the index cache reads an index once, stays below its bytes, and removes a damaged file', () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const cache = new IndexCache(50);
  const segments = [1, 2, 3].map((base) => ({ ...SEGMENT, baseOffset: offset(base) }));
  const path = (base: number): string => `/${String(base).padStart(20, '0')}.index`;
  for (const summary of segments) {
    writeIndexFile(disk, path(summary.baseOffset), '.index', { summary, entries: Buffer.alloc(24, 1) });
  }
  const load = (index: number): { entries: Buffer | undefined; reads: number } => {
    let entries: Buffer | undefined;
    cache.load({ disk, directory: '', segment: segments[index]!, kind: '.index' }, (found) => {
      entries = found;
    });
    const reads = disk.pendingReads;
    disk.settle();
    return { entries, reads };
  };
  expect(load(0)).toEqual({ entries: Buffer.alloc(24, 1), reads: 1 });
  expect(load(1).reads).toBe(1);
  expect(load(0).reads).toBe(0);
  expect(load(2).reads).toBe(1);
  expect(cache.bytes).toBe(48);
  expect([load(0).reads, load(1).reads]).toEqual([0, 1]);
  disk.flipBit(path(3), 60);
  expect(load(2)).toEqual({ entries: undefined, reads: 1 });
  expect(disk.readFile(path(3))).toBeUndefined();
  expect(load(2)).toEqual({ entries: undefined, reads: 0 });
});
