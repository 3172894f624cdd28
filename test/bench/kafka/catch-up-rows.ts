import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@weir/client/client.ts';
import type { Stretch } from './acknowledgements.ts';
import { KIB, LINGER } from './load.ts';
import { createReplicated, untilInSync, withNativeClient } from './native-client.ts';
import { NativeLoad } from './native-load.ts';
import { ON_THREE, REPLICATED } from './replicated-rows.ts';
import { scaled } from './row.ts';
import type { Bench, OwnRow, Values } from './row.ts';
import { WeirCluster } from './weir-cluster.ts';

const BEHIND = 'behind';
const LOADED = 'loaded';
const PARTITIONS = 12;
/** 1 GB of 1 KiB. */
const MISSED_RECORDS = 1_000_000;
/** The broker that is stopped and starts again. */
const FOLLOWER = 3;
/** 4 MB/s: a load to every leader, far from the limit of the machine and its disk, whose moods would be most of a p99. */
const LOAD = { topic: LOADED, recordsPerSecond: 1_000, recordBytes: 4 * KIB };
const QUIET_MS = 20_000;
/** Until connections and code are warm. */
const WARM_MS = 5_000;
const SUBSCRIBED_MS_MAX = 60_000;
const POLL_MS = 5;

const RATE = 'from the first subscription until in sync, MB/s';
const P99 = 'produce p99 meanwhile, ms';
const QUIET_P99 = 'produce p99 before, ms';
const RATIO = 'p99 meanwhile, times that before';

/** `replicated-catch-up…`: a broker that was away while 1 GB was written. */
export const catchUpRows: readonly OwnRow[] = [
  {
    kind: 'own',
    id: 'replicated-catch-up',
    title: `${ON_THREE}: one that has missed 1 GB catches up, ${PARTITIONS} partitions, no other load`,
    figures: [{ name: RATE, digits: 0, target: { kind: 'at-least', value: 100 } }],
    only: 'Weir',
    measure: (_, bench) =>
      onCluster(async (cluster, client) => {
        await missRecords(cluster, bench);
        const { megabytesPerSecond } = await catchUp(cluster, client);
        return { [RATE]: megabytesPerSecond };
      }),
  },
  {
    kind: 'own',
    id: 'replicated-catch-up-loaded',
    title: `${ON_THREE}: the same while the native client produces 1,000 × 4 KiB a second, acks=all`,
    figures: [
      { name: RATE, digits: 0 },
      { name: QUIET_P99, digits: 1 },
      { name: P99, digits: 1 },
      { name: RATIO, digits: 2, target: { kind: 'at-most', value: 2 } },
    ],
    only: 'Weir',
    measure: (_, bench) =>
      onCluster(async (cluster, client) => {
        await createReplicated(client, LOADED, PARTITIONS);
        const quietP99 = await p99UnderLoad(client, async () => {
          const fromMs = performance.now();
          await pause(QUIET_MS);
          return { fromMs, toMs: performance.now() };
        });
        await missRecords(cluster, bench);
        let megabytesPerSecond = Number.NaN;
        const p99 = await p99UnderLoad(client, async () => {
          const caughtUp = await catchUp(cluster, client);
          megabytesPerSecond = caughtUp.megabytesPerSecond;
          return caughtUp.stretch;
        });
        return { [RATE]: megabytesPerSecond, [QUIET_P99]: quietP99, [P99]: p99, [RATIO]: p99 / quietP99 };
      }),
  },
];

async function onCluster(measure: (cluster: WeirCluster, client: Client) => Promise<Values>): Promise<Values> {
  const cluster = await WeirCluster.prepare(REPLICATED);
  try {
    await cluster.start();
    return await withNativeClient(cluster, async (client) => {
      await createReplicated(client, BEHIND, PARTITIONS);
      return measure(cluster, client);
    });
  } finally {
    await cluster.remove();
  }
}

/** Stops a broker, and writes what it will have to get. */
async function missRecords(cluster: WeirCluster, bench: Bench): Promise<void> {
  await cluster.endBroker(FOLLOWER, 'SIGTERM');
  const records = scaled(MISSED_RECORDS, bench);
  const settings = ['acks=all', `batch.size=${128 * KIB}`, LINGER];
  await bench.tools.produce(cluster.bootstrap, BEHIND, { records, recordBytes: KIB, settings });
}

/** Starts the broker; from the first bytes that it gets until it is in sync everywhere. */
async function catchUp(
  cluster: WeirCluster,
  client: Client,
): Promise<{ readonly stretch: Stretch; readonly megabytesPerSecond: number }> {
  cluster.startBroker(FOLLOWER);
  const deadline = performance.now() + SUBSCRIBED_MS_MAX;
  while ((await replicatedBytes(cluster)) === 0) {
    if (performance.now() > deadline) throw new Error(`broker ${FOLLOWER} follows nobody`);
    await pause(POLL_MS);
  }
  const fromMs = performance.now();
  await untilInSync(client, BEHIND);
  const toMs = performance.now();
  const bytes = await replicatedBytes(cluster);
  return { stretch: { fromMs, toMs }, megabytesPerSecond: bytes / 1e6 / ((toMs - fromMs) / 1_000) };
}

/** What the broker got from leaders since its start; 0 while it does not answer. */
async function replicatedBytes(cluster: WeirCluster): Promise<number> {
  try {
    const answer = await fetch(`http://${cluster.opsAddress(FOLLOWER)}/metrics`);
    const bytes = /^weir_broker_replication_bytes_in_total(?:\{.*\})? (\S+)$/m.exec(await answer.text())?.[1];
    return Number(bytes ?? 0);
  } catch {
    return 0;
  }
}

/** The p99 of what was sent within a stretch that `act` names, under a load that was there before and is there after it. */
async function p99UnderLoad(client: Client, act: () => Promise<Stretch>): Promise<number> {
  const load = new NativeLoad(client, LOAD);
  try {
    await pause(WARM_MS);
    const stretch = await act();
    await load.stop();
    if (load.failed > 0) throw new Error(`${load.failed} records were not written`);
    return load.acknowledgements.p99Ms(stretch);
  } finally {
    await load.stop();
  }
}
