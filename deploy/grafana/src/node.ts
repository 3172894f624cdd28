import type { DashboardSpec } from './dashboard.ts';
import { graph, HERE, rate } from './panel.ts';

function line(metric: string, what: string): { expr: string; legend: string } {
  return { expr: `${metric}{${HERE}}`, legend: `${what} {{instance}}`.trim() };
}

/** The processes underneath. */
export const node: DashboardSpec = {
  name: 'node',
  title: 'Weir / Node runtime',
  description: 'Event loop, memory, collector and descriptors of each process.',
  instancesOf: 'weir_build_info',
  rows: [
    {
      title: 'Event loop and processor',
      panels: [
        graph({
          title: 'Event loop lag (p99)',
          description: 'How late the loop turned. Everything else waits behind it.',
          unit: 's',
          targets: [line('nodejs_eventloop_lag_p99_seconds', '')],
          thresholds: [
            { value: null, color: 'green' },
            { value: 0.5, color: 'red' },
          ],
        }),
        graph({
          title: 'Event loop lag (worst)',
          description: 'The worst turn since the last scrape.',
          unit: 's',
          targets: [line('nodejs_eventloop_lag_max_seconds', '')],
        }),
        graph({
          title: 'Processor',
          description: 'Cores in use.',
          unit: 'short',
          targets: [{ expr: rate('process_cpu_seconds_total', { by: 'instance' }), legend: '{{instance}}' }],
        }),
      ],
    },
    {
      title: 'Memory',
      panels: [
        graph({
          title: 'Used, and the limit',
          description: 'What the process uses and cannot give back, and what its container may use.',
          unit: 'bytes',
          targets: [line('weir_memory_used_bytes', ''), line('weir_memory_limit_bytes', 'limit')],
        }),
        graph({
          title: 'Heap',
          description: 'JavaScript objects: in use, and reserved for them.',
          unit: 'bytes',
          targets: [line('nodejs_heap_size_used_bytes', 'used'), line('nodejs_heap_size_total_bytes', 'reserved')],
        }),
        graph({
          title: 'Outside of the heap',
          description: 'Buffers, payload above all; and the resident set, with pages of files in it.',
          unit: 'bytes',
          targets: [
            line('nodejs_external_memory_bytes', 'external'),
            line('process_resident_memory_bytes', 'resident'),
          ],
        }),
        graph({
          title: 'Collector',
          description: 'Share of the time that goes into garbage collection, by kind.',
          unit: 'percentunit',
          targets: [
            { expr: rate('nodejs_gc_duration_seconds_sum', { by: 'instance, kind' }), legend: '{{kind}} {{instance}}' },
          ],
        }),
      ],
    },
    {
      title: 'Process',
      panels: [
        graph({
          title: 'Descriptors',
          description: 'Open files and sockets, and how many there may be.',
          unit: 'short',
          targets: [line('process_open_fds', 'open'), line('process_max_fds', 'most')],
        }),
        graph({
          title: 'Up since',
          description: 'Seconds since the process started: a saw is a process that dies again and again.',
          unit: 's',
          targets: [{ expr: `time() - process_start_time_seconds{${HERE}}`, legend: '{{instance}}' }],
        }),
        graph({
          title: 'Versions',
          description: 'Processes of each version; two while an upgrade is under way.',
          unit: 'short',
          targets: [
            { expr: `count by (version, node) (weir_build_info{${HERE}})`, legend: '{{version}} on Node {{node}}' },
          ],
        }),
      ],
    },
  ],
};
