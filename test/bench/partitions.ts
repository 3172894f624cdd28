import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { ERRORS, WeirError } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { print, residentMiB } from './measure.ts';

const PARTITIONS = 10_000;
const RECOVERED_BYTES = 10 * 1000 ** 3;
const RECORD_BYTES = 100 * 1024;

/** Ten thousand partitions on one broker: memory, open files, starts. */
export async function benchManyPartitions(): Promise<void> {
  console.log(`\n${PARTITIONS} partitions on one broker, a record in each`);
  const cluster = await new DevCluster().start();
  try {
    print({ name: 'memory (RSS) and open files before', result: footprint(cluster.pid) });
    await timed('create the topic, until every partition is led', () => createTopic(cluster, 'many', PARTITIONS));
    await timed('the first record into every partition, flush=commit', () => produceOneEach(cluster));
    await timed('the second', () => produceOneEach(cluster));
    print({ name: 'memory (RSS) and open files with them', result: footprint(cluster.pid) });
    await cluster.stop();
    await timed('start after a clean stop, until ready', () => cluster.start());
    await timed('… until every partition has answered', () => readEach(cluster));
    print({ name: 'memory (RSS) and open files after the start', result: footprint(cluster.pid) });
    await cluster.kill();
    await timed('start after kill -9, until ready', () => cluster.start());
    await timed('… until every partition has answered', () => readEach(cluster));
  } finally {
    await cluster.remove();
  }
}

/** How long a broker with ten gigabytes takes to start after kill -9 under load. */
export async function benchRecovery(): Promise<void> {
  console.log('\nRecovery of 10 GB after kill -9');
  for (const partitions of [1, 100]) {
    const cluster = await new DevCluster().start();
    try {
      await createTopic(cluster, 'big', partitions);
      await fill(cluster, partitions);
      await cluster.kill();
      const name = `${partitions} partition${partitions > 1 ? 's' : ''}`;
      await timed(`start after kill -9 with 10 GB in ${name}, until ready`, () => cluster.start());
      const metrics = await (await fetch(`http://${cluster.service('broker').ops}/metrics`)).text();
      const scanned = Number(/weir_broker_recovery_total\{kind="scanned_bytes"\} (\d+)/.exec(metrics)?.[1]);
      print({ name: 'of which were read and checked', result: `${(scanned / 1e6).toFixed(0)} MB` });
    } finally {
      await cluster.remove();
    }
  }
}

function footprint(pid: number): string {
  return `${residentMiB(pid).toFixed(0)} MiB, ${readdirSync(`/proc/${pid}/fd`).length} descriptors`;
}

async function timed(name: string, act: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await act();
  print({ name, result: `${((performance.now() - start) / 1000).toFixed(2)} s` });
}

async function withClient(cluster: DevCluster, act: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ coordinators: [cluster.service('coordinator').grpc!], name: 'bench' }, testWorld());
  try {
    await client.ready(30_000);
    await act(client);
  } finally {
    await client.close();
  }
}

/** Creates a topic, and waits until every partition is led. */
export function createTopic(cluster: DevCluster, name: string, partitions: number): Promise<void> {
  return withClient(cluster, async (client) => {
    await client.createTopics([{ name, partitions }]);
    await latestOffsets(client, name, partitions);
  });
}

function produceOneEach(cluster: DevCluster): Promise<void> {
  return withClient(cluster, async (client) => {
    const value = Buffer.alloc(100, 'weir ');
    await Promise.all(
      Array.from(
        { length: PARTITIONS },
        (_, partition) =>
          new Promise<void>((resolve, reject) => {
            client.producer.sendMany('many', [{ key: null, value, partition }], {}, ({ refusals }) => {
              for (const { code, message } of refusals.values()) return reject(new Error(`${code}: ${message}`));
              resolve();
            });
          }),
      ),
    );
  });
}

function readEach(cluster: DevCluster): Promise<void> {
  return withClient(cluster, (client) => latestOffsets(client, 'many', PARTITIONS));
}

async function latestOffsets(client: Client, topic: string, partitions: number): Promise<void> {
  const wanted = Array.from({ length: partitions }, (_, partition) => ({ partition, timestamp: 'latest' as const }));
  for (;;) {
    try {
      await client.listOffsets(topic, wanted);
      return;
    } catch (error) {
      // It is about to lead the rest.
      if (!(error instanceof WeirError) || !ERRORS[error.code].retriable) throw error;
      await pause(20);
    }
  }
}

function fill(cluster: DevCluster, partitions: number): Promise<void> {
  return withClient(cluster, async (client) => {
    const value = Buffer.alloc(RECORD_BYTES, 'weir ');
    const count = Math.ceil(RECOVERED_BYTES / RECORD_BYTES);
    const saidEvery = Math.ceil(count / 10);
    await new Promise<void>((resolve, reject) => {
      let sent = 0;
      let answered = 0;
      const next = (): void => {
        while (sent < count && sent - answered < 200) {
          const partition = sent++ % partitions;
          client.producer.sendMany('big', [{ key: null, value, partition }], {}, ({ refusals }) => {
            for (const { code, message } of refusals.values()) return reject(new Error(`${code}: ${message}`));
            answered += 1;
            if (answered % saidEvery === 0) console.error(`    ${Math.round((answered / count) * 100)} % written`);
            if (answered === count) resolve();
            else next();
          });
        }
      };
      next();
    });
  });
}
