import { expect, test } from 'vitest';
import { COLD_READ_BYTES, READ_AHEAD_BYTES_MAX, SLAB_BYTES, TAIL_CACHE_BYTES } from '@weir/base/limits.ts';
import { budgetsFor } from './budgets.ts';

const MIB = 1024 * 1024;

test.each([64, 128, 512, 4_096, 65_536])('what is kept under a limit of %i MiB is at most half of it', (limitMiB) => {
  const { tailCacheBytes, appendPendingBytes, slabIdleBytes, readAheadBytes, slabUsedBytes } = budgetsFor(
    limitMiB * MIB,
  );
  expect(tailCacheBytes + appendPendingBytes + slabIdleBytes + readAheadBytes).toBeLessThanOrEqual(
    (limitMiB / 2) * MIB,
  );
  expect(slabUsedBytes).toBeLessThanOrEqual((limitMiB / 2) * MIB);
  // What the parts may use by themselves does not make memory scarce.
  expect(tailCacheBytes + appendPendingBytes + readAheadBytes).toBeLessThanOrEqual(slabUsedBytes);
  expect(tailCacheBytes).toBeGreaterThanOrEqual(4 * SLAB_BYTES);
  expect(readAheadBytes).toBeGreaterThanOrEqual(COLD_READ_BYTES);
});

test('a machine with much memory does not make a broker keep much', () => {
  const { tailCacheBytes, readAheadBytes } = budgetsFor(1_024 * 1_024 * MIB);
  expect([tailCacheBytes, readAheadBytes]).toEqual([TAIL_CACHE_BYTES, READ_AHEAD_BYTES_MAX]);
});
