import { constants, PerformanceObserver } from 'node:perf_hooks';
import type { PerformanceEntry } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RECEIVED_BYTES_PER_SCAVENGE } from '@weir/base/limits.ts';
import { received } from './scavenge.ts';

/** What Node's types lack. */
type GcEntry = PerformanceEntry & { readonly detail: { readonly kind: number } };

test('memory that was received is collected with the young generation, before V8 collects everything for it', async () => {
  const kinds: unknown[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as GcEntry[]) kinds.push(entry.detail.kind);
  });
  observer.observe({ type: 'gc' });
  const before = process.memoryUsage().arrayBuffers;
  const pieceBytes = 64 * 1024;
  // A GiB, for which V8 by itself would collect the whole heap a dozen times.
  for (let bytes = 0; bytes < 64 * RECEIVED_BYTES_PER_SCAVENGE; bytes += pieceBytes) {
    new Uint8Array(new ArrayBuffer(pieceBytes)).fill(1);
    received(pieceBytes);
    if (bytes % RECEIVED_BYTES_PER_SCAVENGE === 0) await turn();
  }
  while (kinds.length < 64) await turn();
  observer.disconnect();
  expect(kinds.filter((kind) => kind === constants.NODE_PERFORMANCE_GC_MAJOR).length).toBeLessThan(4);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * RECEIVED_BYTES_PER_SCAVENGE);
});
