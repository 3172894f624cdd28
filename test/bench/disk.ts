import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Latencies, print } from './measure.ts';

/** What the disk itself does: no figure above means anything without it. */
export function benchDisk(): void {
  console.log('\nThe disk underneath, in the same run');
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-disk-'));
  const file = openSync(join(directory, 'raw'), 'w');
  try {
    for (const kib of [4, 100, 1024]) {
      const chunk = Buffer.alloc(kib * 1024, 1);
      const latencies = new Latencies();
      const count = 300;
      const start = performance.now();
      for (let i = 0; i < count; i++) {
        const before = performance.now();
        writeSync(file, chunk);
        fdatasyncSync(file);
        latencies.add(performance.now() - before);
      }
      const seconds = (performance.now() - start) / 1000;
      print({
        name: `write of ${kib} KiB and fdatasync, one after another`,
        result:
          `${Math.round(count / seconds)}/s, ${((count * chunk.length) / seconds / 1e6).toFixed(0)} MB/s, ` +
          `p50 ${latencies.percentile(0.5).toFixed(2)} ms, p99 ${latencies.percentile(0.99).toFixed(2)} ms`,
      });
    }
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true });
  }
}
