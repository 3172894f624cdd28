import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import { lastOffsetOf, writeBaseOffset } from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import { makeBatch, testCache } from './test-kit.ts';

/** A batch at an offset, in a view of a larger allocation when one is given. */
function batchAt(base: number, backing?: { buffer: Buffer; at: number }): Buffer {
  const batch = makeBatch([1, 2]);
  const view = backing?.buffer.subarray(backing.at, backing.at + batch.length) ?? Buffer.allocUnsafeSlow(batch.length);
  view.set(batch);
  writeBaseOffset(view, 0, offset(base));
  return view;
}

test('counts an allocation once, as long as a batch in it is kept', () => {
  const cache = testCache(1_000_000);
  const window = cache.window();
  const backing = Buffer.allocUnsafeSlow(10_000);
  window.add(batchAt(0, { buffer: backing, at: 0 }));
  window.add(batchAt(2, { buffer: backing, at: 500 }));
  expect(cache.bytes).toBe(10_000 + 2 * 128);
  window.dropOldest();
  expect(cache.bytes).toBe(10_000 + 128);
  window.dropOldest();
  window.dropOldest();
  expect(cache.bytes).toBe(0);
});

test('drops the oldest batches of all logs first, and reads from what is left', () => {
  const batchBytes = batchAt(0).length;
  const cache = testCache(3 * (batchBytes + 128));
  const a = cache.window();
  const b = cache.window();
  a.add(batchAt(0));
  b.add(batchAt(0));
  a.add(batchAt(2));
  expect(a.read(offset(0), 1, offset(4))).toHaveLength(1);
  a.add(batchAt(4));
  expect(a.read(offset(1), 1, offset(6))).toBeUndefined();
  expect(a.read(offset(3), 10_000, offset(6))).toHaveLength(2);
  expect(b.read(offset(0), 1, offset(2))).toHaveLength(1);
  a.add(batchAt(6));
  expect(b.read(offset(0), 1, offset(2))).toBeUndefined();
});

test('a window that is over takes all it had with it', () => {
  const cache = testCache(1_000_000);
  const a = cache.window();
  const b = cache.window();
  for (let i = 0; i < 10; i++) {
    a.add(batchAt(2 * i));
    b.add(batchAt(2 * i));
  }
  const bytes = cache.bytes;
  a.clear();
  expect(cache.bytes).toBe(bytes / 2);
  expect(a.read(offset(0), 1, offset(20))).toBeUndefined();
  b.clear();
  expect(cache.bytes).toBe(0);
});

test('reads what a list of the batches would give, within the budget, however much goes through', () => {
  const property = fc.property(
    fc.array(fc.nat(2), { minLength: 1, maxLength: 2_500, size: 'max' }),
    fc.integer({ min: 1, max: 20 }),
    (order, kept) => {
      const budget = kept * (batchAt(0).length + 128);
      const cache = testCache(budget);
      const windows = [cache.window(), cache.window(), cache.window()];
      const ends = [0, 0, 0];
      const held: { window: number; base: number }[] = [];
      for (const window of order) {
        const base = ends[window]!;
        windows[window]!.add(batchAt(base));
        ends[window] = base + 2;
        held.push({ window, base });
        expect(cache.bytes).toBeLessThanOrEqual(budget);
      }
      for (const [i, window] of windows.entries()) {
        const bases = held.slice(-kept).filter((entry) => entry.window === i);
        const first = bases[0]?.base;
        if (first === undefined) continue;
        const before = first === 0 ? undefined : window.read(offset(first - 1), 1, offset(ends[i]!));
        expect(before).toBeUndefined();
        const batches = window.read(offset(first + 1), 1_000_000, offset(ends[i]!))!;
        expect(batches.map((batch) => lastOffsetOf(batch, 0) - 1)).toEqual(bases.map(({ base }) => base));
      }
    },
  );
  fc.assert(property, { numRuns: 15 });
});

test('a batch in a slab is kept as long as it is in the cache, and its slab is used again after that', () => {
  const batchBytes = batchAt(0).length;
  const cache = testCache(3 * 64 * 1024);
  const { slabs } = cache;
  const window = cache.window();
  for (let base = 0; base < 20_000; base += 2) {
    const batch = slabs.allocate(batchBytes);
    batchAt(base, { buffer: batch, at: 0 });
    window.add(batch);
    // From here on the cache alone holds it.
    slabs.release(batch);
    if (base % 500 > 0) continue;
    for (const kept of window.read(offset(Math.max(0, base - 100)), 1_000_000, offset(base + 2)) ?? []) {
      expect(isValidBatchAt(kept, 0, kept.length)).toBe(true);
    }
  }
  expect(cache.bytes).toBeLessThanOrEqual(3 * 64 * 1024);
  expect(slabs.bytes).toBeLessThanOrEqual(4 * 64 * 1024);
  window.clear();
  expect(slabs.usedBytes).toBe(0);
});
