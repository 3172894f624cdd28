import { setTimeout as pause } from 'node:timers/promises';
import { cpuSeconds, residentMiB } from '../measure.ts';
import type { Cluster } from './cluster.ts';
import type { Figure } from './figures.ts';
import { withIdleConnections } from './idle-connections.ts';
import { scaled } from './row.ts';
import type { Bench, OwnRow, Values } from './row.ts';

const QUIET_MS = 10_000;
const CONNECTIONS = 1_000;
const PARTITIONS = 10_000;
const FIRST: Figure = { name: 'launch to first acknowledgement, s', digits: 2, target: { kind: 'at-most', value: 1 } };
const RECORD_BYTES = 1024;

/** `start…`, `memory`, `connections` and `partitions`: rows that begin with a broker that is not there yet. */
export const ownRows: readonly OwnRow[] = [
  {
    kind: 'own',
    id: 'start',
    title: 'start on an empty disk: Weir all in one (`weir dev`), Kafka as broker and controller in one',
    figures: [FIRST],
    async measure(name, bench) {
      const cluster = await bench.fresh(name, { brokers: 1, flush: 'commit', allInOne: true });
      try {
        return { [FIRST.name]: await secondsToFirst(cluster, bench) };
      } finally {
        await cluster.remove();
      }
    },
  },
  restartRow('start-broker', 'after a clean stop', 'SIGTERM'),
  restartRow('start-killed', 'after kill -9', 'SIGKILL'),
  {
    kind: 'own',
    id: 'memory',
    title: "memory of the broker's process (RSS); the load: 1,000,000 × 1 KiB in and out, 12 partitions",
    figures: [
      { name: 'idle, MiB', digits: 0, target: { kind: 'at-most', value: 98 } },
      { name: 'after the load, MiB', digits: 0, target: { kind: 'at-most', value: 250 } },
      { name: 'idle, with its controller, MiB', digits: 0 },
      { name: 'idle CPU, % of a core', digits: 2 },
    ],
    measure: (name, bench) => withBroker(bench, name, (cluster) => memory(cluster, bench)),
  },
  {
    kind: 'own',
    id: 'connections',
    title: `${CONNECTIONS.toLocaleString('en-US')} idle connections`,
    figures: [
      { name: 'memory before, MiB', digits: 0 },
      { name: 'memory with them, MiB', digits: 0 },
      { name: 'CPU before, % of a core', digits: 2 },
      { name: 'CPU with them, % of a core', digits: 2 },
      { name: 'CPU to connect them all, s', digits: 2, target: { kind: 'ratio-at-most', value: 0.7 } },
    ],
    measure: (name, bench) => withBroker(bench, name, connections),
  },
  {
    kind: 'own',
    id: 'partitions',
    title: `${PARTITIONS.toLocaleString('en-US')} partitions in one topic`,
    figures: [
      { name: 'create, s', digits: 2 },
      { name: 'until each has told its end, s', digits: 2 },
      { name: 'memory before, MiB', digits: 0 },
      { name: 'memory with them, MiB', digits: 0 },
      { name: 'CPU with them, % of a core', digits: 2 },
      { name: 'start after kill -9 until each has told its end, s', digits: 2 },
      { name: 'memory after that start, MiB', digits: 0 },
    ],
    measure: (name, bench) => withBroker(bench, name, (cluster) => manyPartitions(cluster, bench)),
  },
];

/** Of the broker's process alone: with Weir the coordinator goes on meanwhile, with Kafka there is no other process. */
function restartRow(id: string, when: string, signal: 'SIGTERM' | 'SIGKILL'): OwnRow {
  return {
    kind: 'own',
    id,
    title: `start of the broker's process alone, ${when}`,
    figures: [FIRST],
    async measure(name, bench) {
      const cluster = await bench.fresh(name, { brokers: 1, flush: 'commit' });
      try {
        await secondsToFirst(cluster, bench);
        await cluster.end(signal);
        return { [FIRST.name]: await secondsToFirst(cluster, bench) };
      } finally {
        await cluster.remove();
      }
    },
  };
}

async function withBroker(
  bench: Bench,
  name: Cluster['name'],
  measure: (cluster: Cluster) => Promise<Values>,
): Promise<Values> {
  const cluster = await bench.fresh(name, { brokers: 1, flush: 'interval' });
  try {
    await cluster.start();
    return await measure(cluster);
  } finally {
    await cluster.remove();
  }
}

async function secondsToFirst(cluster: Cluster, bench: Bench): Promise<number> {
  const { ready, wallClockMs } = bench.tools.firstAcknowledgement(cluster.bootstrap);
  await ready;
  const launchedMs = await cluster.start();
  return ((await wallClockMs) - launchedMs) / 1000;
}

async function memory(cluster: Cluster, bench: Bench): Promise<Values> {
  const idleCpu = await quietCpu(cluster);
  const idle = residentMiB(cluster.pid);
  const idleAll = cluster.workingPids.reduce((sum, pid) => sum + residentMiB(pid), 0);
  const records = scaled(1_000_000, bench);
  await bench.tools.createTopic(cluster.bootstrap, { name: 'load', partitions: 12 });
  await bench.tools.produce(cluster.bootstrap, 'load', { records, recordBytes: RECORD_BYTES, settings: ['acks=1'] });
  await bench.tools.consume(cluster.bootstrap, 'load', records);
  await pause(QUIET_MS / 2);
  return {
    'idle, MiB': idle,
    'after the load, MiB': residentMiB(cluster.pid),
    'idle, with its controller, MiB': idleAll,
    'idle CPU, % of a core': idleCpu,
  };
}

async function connections(cluster: Cluster): Promise<Values> {
  const cpuBefore = await quietCpu(cluster);
  const memoryBefore = residentMiB(cluster.pid);
  const usedBefore = cpuSeconds(cluster.pid);
  return withIdleConnections(cluster.bootstrap, CONNECTIONS, async () => {
    const used = cpuSeconds(cluster.pid) - usedBefore;
    const cpuWith = await quietCpu(cluster);
    return {
      'memory before, MiB': memoryBefore,
      'memory with them, MiB': residentMiB(cluster.pid),
      'CPU before, % of a core': cpuBefore,
      'CPU with them, % of a core': cpuWith,
      'CPU to connect them all, s': used,
    };
  });
}

async function manyPartitions(cluster: Cluster, bench: Bench): Promise<Values> {
  await pause(QUIET_MS / 2);
  const before = residentMiB(cluster.pid);
  const count = Math.max(100, Math.round(PARTITIONS * Math.min(1, bench.scale)));
  const { createdSeconds, allSeconds } = await bench.tools.createMany(cluster.bootstrap, 'many', count);
  const cpu = await quietCpu(cluster);
  const withThem = residentMiB(cluster.pid);
  await cluster.end('SIGKILL');
  const { ready, wallClockMs } = bench.tools.allLed(cluster.bootstrap, 'many', count);
  await ready;
  const launchedMs = await cluster.start();
  const startSeconds = ((await wallClockMs) - launchedMs) / 1000;
  await pause(QUIET_MS / 2);
  return {
    'create, s': createdSeconds,
    'until each has told its end, s': allSeconds,
    'memory before, MiB': before,
    'memory with them, MiB': withThem,
    'CPU with them, % of a core': cpu,
    'start after kill -9 until each has told its end, s': startSeconds,
    'memory after that start, MiB': residentMiB(cluster.pid),
  };
}

/** CPU of a broker that is left alone for a while, after as long a rest, in per cent of a core. */
async function quietCpu(cluster: Cluster): Promise<number> {
  // Right after a start or a load there is still something to put in order.
  await pause(QUIET_MS / 2);
  const used = (): number => cluster.workingPids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = used();
  await pause(QUIET_MS);
  return ((used() - before) / (QUIET_MS / 1000)) * 100;
}
