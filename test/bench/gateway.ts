import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { cpuSeconds, Latencies, print, residentMiB } from './measure.ts';

const RECORDS_PER_BODY = 100;
const VALUE_BYTES = 1024;
const SECONDS = 8;

/** Produce through the gateway: JSON arrays of a hundred records of 1 KiB, with each number of connections. */
export async function benchGateway(): Promise<void> {
  console.log(
    `\nGateway, POST /v1/topics/T/records, ${RECORDS_PER_BODY} × ${VALUE_BYTES} B JSON objects a body, flush=commit, ${SECONDS} s each`,
  );
  const cluster = await new DevCluster().start();
  try {
    await idle(cluster);
    for (const partitions of [1, 12]) {
      await post(new URL(`${cluster.url}/v1/topics`), JSON.stringify({ name: `bench-${partitions}`, partitions }));
      for (const connections of [1, 16, 64]) {
        const url = new URL(
          `${cluster.url}/v1/topics/bench-${partitions}/records${partitions > 1 ? '?keyField=key' : ''}`,
        );
        await load(url, connections, 2);
        const cpuBefore = cpuSeconds(cluster.pid);
        const { records, latencies, seconds } = await load(url, connections, SECONDS);
        const cpu = cpuSeconds(cluster.pid) - cpuBefore;
        print({
          name: `${partitions} partition${partitions > 1 ? 's, keyed' : ''}, ${connections} connection${connections > 1 ? 's' : ''}`,
          result:
            `${Math.round(records / seconds)} records/s, ${((records * VALUE_BYTES) / seconds / 1e6).toFixed(1)} MB/s, ` +
            `p50 ${latencies.percentile(0.5).toFixed(1)} ms, p99 ${latencies.percentile(0.99).toFixed(1)} ms, ` +
            `server CPU ${((cpu / seconds) * 100).toFixed(0)} %`,
        });
      }
    }
    print({
      name: 'memory of the all-in-one process after the load (RSS)',
      result: `${residentMiB(cluster.pid).toFixed(0)} MiB`,
    });
  } finally {
    await cluster.remove();
  }
}

async function idle(cluster: DevCluster): Promise<void> {
  // Memory right after a start still holds what start-up threw away; ten quiet seconds are what a user sees.
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  print({ name: 'memory of the all-in-one process, idle (RSS)', result: `${residentMiB(cluster.pid).toFixed(0)} MiB` });
}

async function load(
  url: URL,
  connections: number,
  forSeconds: number,
): Promise<{ records: number; latencies: Latencies; seconds: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const bodies = Array.from({ length: 16 }, (_, i) => body(i));
  const latencies = new Latencies();
  let records = 0;
  const start = performance.now();
  const until = start + forSeconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, async (_, connection) => {
      for (let i = connection; performance.now() < until; i++) {
        const sent = performance.now();
        await post(url, bodies[i % bodies.length]!, agent);
        latencies.add(performance.now() - sent);
        records += RECORDS_PER_BODY;
      }
    }),
  );
  agent.destroy();
  return { records, latencies, seconds: (performance.now() - start) / 1000 };
}

function body(seed: number): string {
  const records = Array.from({ length: RECORDS_PER_BODY }, (_, i) => {
    const record = { key: `k${(seed * 31 + i) % 500}`, n: i, text: '' };
    record.text = 'weir '.repeat(300).slice(0, VALUE_BYTES - JSON.stringify(record).length);
    return record;
  });
  return JSON.stringify(records);
}

function post(url: URL, text: string, agent?: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const outgoing = request(
      url,
      { method: 'POST', headers, ...(agent === undefined ? {} : { agent }) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          if (response.statusCode === 200 || response.statusCode === 201) resolve();
          else reject(new Error(`${response.statusCode} ${Buffer.concat(chunks).toString().slice(0, 300)}`));
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}
