import { setTimeout as pause } from 'node:timers/promises';
import { residentMiB } from '../measure.ts';
import type { Cluster, Shape } from './cluster.ts';
import {
  AVERAGE,
  count,
  CPU,
  CPU_A_RECORD,
  endToEnd,
  KIB,
  LINGER,
  MEGABYTES,
  P50_WHOLE,
  P99,
  P99_WHOLE,
  produce,
  RATE,
} from './load.ts';
import { scaled } from './row.ts';
import type { Bench, OwnRow, SharedRow, Values } from './row.ts';

/** Each partition on all of them; a write with acks=all counts on two. */
export const REPLICATED: Shape = { brokers: 3, flush: 'interval' };
/** How titles of rows on such a cluster begin. */
export const ON_THREE = 'three brokers';

const QUIET_MS = 10_000;
const MEMORY_RECORDS = 600_000;
/** Some tens of seconds of Kafka's rate. */
const PRODUCE_RECORDS = new Map([
  [16, 300_000],
  [128, 600_000],
]);

/** `replicated-memory`: a row of clusters of three brokers that begins with one that has done nothing. */
export const replicatedOwnRows: readonly OwnRow[] = [
  {
    kind: 'own',
    id: 'replicated-memory',
    title: `${ON_THREE}: memory of the one that has most (RSS); the load: 600,000 × 1 KiB in, acks=all, and out, 12 partitions`,
    figures: [
      { name: 'idle, MiB', digits: 0, target: { kind: 'ratio-at-most', value: 0.25 } },
      { name: 'after the load, MiB', digits: 0, target: { kind: 'ratio-at-most', value: 0.25 } },
      { name: 'after the load, all with their controller, MiB', digits: 0 },
    ],
    async measure(name, bench) {
      const cluster = await bench.fresh(name, REPLICATED);
      try {
        await cluster.start();
        return await memory(cluster, bench);
      } finally {
        await cluster.remove();
      }
    },
  },
];

/** `replicated-produce-…` and `replicated-e2e`: load on clusters of three brokers that run. */
export const replicatedLoadRows: readonly SharedRow[] = [
  ...[...PRODUCE_RECORDS.keys()].flatMap((batchKib) => [1, 12].map((partitions) => produceRow(batchKib, partitions))),
  {
    kind: 'shared',
    id: 'replicated-e2e',
    title: `${ON_THREE}: end to end, 100 B, acks=all, one record at a time`,
    figures: [AVERAGE, P50_WHOLE, { ...P99_WHOLE, target: { kind: 'ratio-at-most', value: 0.5 } }, CPU_A_RECORD],
    shape: REPLICATED,
    partitions: 1,
    measure: endToEnd,
  },
];

function produceRow(batchKib: number, partitions: number): SharedRow {
  const records = PRODUCE_RECORDS.get(batchKib)!;
  const settings = ['acks=all', `batch.size=${batchKib * KIB}`, LINGER];
  return {
    kind: 'shared',
    id: `replicated-produce-${batchKib}k-p${partitions}`,
    title: `${ON_THREE}: produce 1 KiB, ${batchKib} KiB batches, acks=all, ${count(partitions)}`,
    figures: [{ ...RATE, target: { kind: 'ratio-at-least', value: 1.5 } }, MEGABYTES, CPU, P99],
    shape: REPLICATED,
    partitions,
    measure: (cluster, topic, bench) => produce(cluster, topic, bench, { records, recordBytes: KIB, settings }),
  };
}

async function memory(cluster: Cluster, bench: Bench): Promise<Values> {
  await pause(QUIET_MS);
  const idle = Math.max(...cluster.brokerPids.map(residentMiB));
  const records = scaled(MEMORY_RECORDS, bench);
  await bench.tools.createTopic(cluster.bootstrap, { name: 'load', partitions: 12, replicas: 3 });
  await bench.tools.produce(cluster.bootstrap, 'load', { records, recordBytes: KIB, settings: ['acks=all'] });
  await bench.tools.consume(cluster.bootstrap, 'load', records);
  await pause(QUIET_MS / 2);
  return {
    'idle, MiB': idle,
    'after the load, MiB': Math.max(...cluster.brokerPids.map(residentMiB)),
    'after the load, all with their controller, MiB': cluster.workingPids.reduce(
      (sum, pid) => sum + residentMiB(pid),
      0,
    ),
  };
}
