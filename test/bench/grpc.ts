import { performance } from 'node:perf_hooks';
import { Client } from '@weir/client/client.ts';
import type { ProducerRecord } from '@weir/client/producer/producer.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { cpuSeconds, print, residentMiB } from './measure.ts';

const VALUE_BYTES = 1024;
const RECORDS = 1_000_000;
const RECORDS_PER_SEND = 250;
const IN_FLIGHT_MAX = 64;

/** Produce and fetch over gRPC with the native client, which shares the two cores with the server. */
export async function benchGrpc(): Promise<void> {
  console.log(`\ngRPC, native client, ${RECORDS} records of ${VALUE_BYTES} B`);
  for (const flush of ['commit', 'interval']) {
    for (const partitions of [1, 12]) {
      const cluster = await new DevCluster('--broker.flush', flush).start();
      const client = new Client({ coordinators: [cluster.service('coordinator').grpc!], name: 'bench' }, testWorld());
      try {
        await client.ready(10_000);
        await client.createTopics([{ name: 'bench', partitions }]);
        const name = `flush=${flush}, ${partitions} partition${partitions > 1 ? 's' : ''}`;
        await timed(`produce, ${name}`, cluster.pid, () => produce(client));
        await timed(`fetch, ${name}`, cluster.pid, () => fetchAll(client, partitions));
        print({
          name: 'memory of the all-in-one process after it (RSS)',
          result: `${residentMiB(cluster.pid).toFixed(0)} MiB`,
        });
      } finally {
        await client.close();
        await cluster.remove();
      }
    }
  }
}

async function timed(name: string, pid: number, run: () => Promise<void>): Promise<void> {
  const cpuBefore = cpuSeconds(pid);
  const start = performance.now();
  await run();
  const seconds = (performance.now() - start) / 1000;
  const gigabytes = (RECORDS * VALUE_BYTES) / 1e9;
  print({
    name,
    result:
      `${Math.round(RECORDS / seconds)} records/s, ${((gigabytes * 1000) / seconds).toFixed(0)} MB/s, ` +
      `server CPU ${((cpuSeconds(pid) - cpuBefore) / gigabytes).toFixed(2)} s/GB`,
  });
}

function produce(client: Client): Promise<void> {
  const value = Buffer.alloc(VALUE_BYTES, 'weir ');
  const records: ProducerRecord[] = Array.from({ length: RECORDS_PER_SEND }, () => ({ key: null, value }));
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    const next = (): void => {
      while (sent < RECORDS && (sent - answered) / RECORDS_PER_SEND < IN_FLIGHT_MAX) {
        sent += RECORDS_PER_SEND;
        client.producer.sendMany('bench', records, {}, (outcome) => {
          for (const refusal of outcome.refusals.values())
            return reject(new Error(`${refusal.code}: ${refusal.message}`));
          answered += outcome.count;
          if (answered === RECORDS) resolve();
          else next();
        });
      }
    };
    next();
  });
}

async function fetchAll(client: Client, partitions: number): Promise<void> {
  const ends = await client.listOffsets(
    'bench',
    Array.from({ length: partitions }, (_, partition) => ({ partition, timestamp: 'latest' as const })),
  );
  await Promise.all(
    ends.map(
      ({ partition, offset: end }) =>
        new Promise<void>((resolve, reject) => {
          if (end === 0) return resolve();
          const subscription = client.subscribe(
            { topic: 'bench', partition, offset: 0, creditBytes: 4 * 1024 * 1024 },
            {
              batches(batches) {
                const last = lastOffset(batches);
                if (last + 1 < end) return subscription.credit(batches.length);
                subscription.close();
                resolve();
              },
              caughtUp() {},
              ended: (refusal) => reject(new Error(`${refusal.code}: ${refusal.message}`)),
            },
          );
        }),
    ),
  );
}

/** Offset of the last record in whole batches: base offset and last offset delta, straight from the headers. */
function lastOffset(batches: Buffer): number {
  let at = 0;
  let last = -1;
  while (at < batches.length) {
    last = Number(batches.readBigInt64BE(at)) + batches.readInt32BE(at + 23);
    at += 12 + batches.readInt32BE(at + 8);
  }
  return last;
}
