import { collectDefaultMetrics } from 'prom-client';
import type { Registry } from 'prom-client';
import { anonymousMemoryBytes, memoryLimitBytes } from './machine.ts';
import { gauge } from './metrics.ts';

/** What every service tells of its process: Node's own numbers, who it is, and how its memory stands to its limit. */
export function registerProcessMetrics(registry: Registry, about: { version: string; service: string }): void {
  collectDefaultMetrics({ register: registry });
  gauge(registry, {
    name: 'weir_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'service', 'node'],
    collect: (metric) => metric.set({ ...about, node: process.version }, 1),
  });
  gauge(registry, {
    name: 'weir_memory_limit_bytes',
    help: 'What the process may use: the limit of its container, or the memory of the machine.',
    collect: (metric) => metric.set(memoryLimitBytes()),
  });
  gauge(registry, {
    name: 'weir_memory_used_bytes',
    help: 'What the process uses of that and cannot give back. Pages of files, which process_resident_memory_bytes has as well, are left out.',
    collect: (metric) => metric.set(anonymousMemoryBytes()),
  });
}
