import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { http } from '../cluster/http-client.ts';
import { cpuSeconds, print, residentMiB } from './measure.ts';

const RECORDS = 400_000;
const RECORDS_PER_BODY = 500;
const VALUE_BYTES = 1024;
const PARTITIONS = 12;
const UPLOADS = 8;
const KEYS = 5_000;
/** Longer than members need to join. */
const JOIN_MS_MAX = 20_000;
const LAST_POLL_MS = 200;

/** Consume over HTTP: members of a group, each a loop of requests, read a topic from its start to its end. */
export async function benchGatewayConsumers(): Promise<void> {
  console.log(
    `\nGateway, consumers over HTTP: ${RECORDS.toLocaleString('en-US')} × ${VALUE_BYTES} B in ${PARTITIONS} partitions`,
  );
  const cluster = await new DevCluster().start();
  try {
    await http(`${cluster.url}/v1/topics`, { body: { name: 'read', partitions: PARTITIONS } });
    await fill(cluster);
    for (const format of ['json', 'binary'] as const) {
      for (const members of [1, 4]) {
        await measure(cluster, `REST v2, ${format}, ${members} member${members > 1 ? 's' : ''}`, () =>
          membersOf(cluster, { group: `${format}-${members}`, format, members }),
        );
      }
    }
    await measure(cluster, '/v1/groups/G/records, 5,000 records a call', async () => {
      const url = `${cluster.url}/v1/groups/v1/records?topics=read&limit=5000&wait=`;
      return [(last) => `${url}${last ? `${LAST_POLL_MS}ms` : '10s'}`];
    });
    print({
      name: 'memory of the all-in-one process afterwards (RSS)',
      result: `${residentMiB(cluster.pid).toFixed(0)} MiB`,
    });
  } finally {
    await cluster.remove();
  }
}

/** Where a member reads: with a short wait once it has seen records, as then none are to come. */
type Place = (last: boolean) => string;

async function membersOf(
  cluster: DevCluster,
  { group, format, members }: { readonly group: string; readonly format: string; readonly members: number },
): Promise<Place[]> {
  const paths: string[] = [];
  for (let i = 0; i < members; i++) {
    const body = { name: `m${i}`, format, 'auto.offset.reset': 'earliest' };
    const { json } = await http(`${cluster.url}/consumers/${group}`, { body });
    paths.push(json.base_uri as string);
  }
  await Promise.all(paths.map((path) => http(`${path}/subscription`, { body: { topics: ['read'] } })));
  const untilMs = performance.now() + JOIN_MS_MAX;
  for (;;) {
    const shares = await Promise.all(
      paths.map(async (path) => (await http(`${path}/assignments`)).json.partitions.length),
    );
    if (shares.every((share) => share === PARTITIONS / members)) break;
    if (performance.now() > untilMs)
      throw new Error(`after ${JOIN_MS_MAX} ms the members have ${shares.join(', ')} partitions`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return paths.map((path) => (last) => `${path}/records?timeout=${last ? LAST_POLL_MS : JOIN_MS_MAX}`);
}

/** Reads everything. The wait that finds nothing more is not part of the time. */
async function measure(cluster: DevCluster, name: string, places: () => Promise<readonly Place[]>): Promise<void> {
  const readers = await places();
  const agent = new Agent({ keepAlive: true });
  const cpu = cpuSeconds(cluster.pid);
  const beganMs = performance.now();
  const found = await Promise.all(readers.map((place) => readAll(place, agent)));
  const used = cpuSeconds(cluster.pid) - cpu;
  agent.destroy();
  const records = found.reduce((sum, one) => sum + one.records, 0);
  if (records !== RECORDS) throw new Error(`${name}: ${records} of ${RECORDS} records were read`);
  const seconds = (Math.max(...found.map(({ lastMs }) => lastMs)) - beganMs) / 1_000;
  const bytes = records * VALUE_BYTES;
  print({
    name,
    result:
      `${(bytes / seconds / 1e6).toFixed(1)} MB/s, ${Math.round(records / seconds).toLocaleString('en-US')} records/s, ` +
      `server CPU ${((used / bytes) * 1e9).toFixed(1)} s/GB`,
  });
}

async function readAll(place: Place, agent: Agent): Promise<{ records: number; lastMs: number }> {
  let records = 0;
  let lastMs = performance.now();
  for (;;) {
    const count = await countRecords(place(records > 0), agent);
    if (count === 0 && records > 0) return { records, lastMs };
    records += count;
    lastMs = performance.now();
  }
}

const OFFSET_FIELD = Buffer.from('"offset":');

/** How many records an answer has; it is not parsed, which would cost more than all else. */
function countRecords(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks);
        if (response.statusCode !== 200) reject(new Error(`${response.statusCode} ${text.toString().slice(0, 300)}`));
        let count = 0;
        for (let at = text.indexOf(OFFSET_FIELD); at >= 0; at = text.indexOf(OFFSET_FIELD, at + 1)) count++;
        resolve(count);
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function fill({ url }: DevCluster): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: UPLOADS }, async () => {
      while (next < RECORDS) {
        const from = next;
        next += RECORDS_PER_BODY;
        const numbers = Array.from({ length: RECORDS_PER_BODY }, (_, i) => from + i);
        const body = { records: numbers.map((n) => ({ key: `k${n % KEYS}`, value: value(n) })) };
        const { status, text } = await http(`${url}/topics/read`, { body });
        if (status !== 200) throw new Error(`${status} ${text.slice(0, 300)}`);
      }
    }),
  );
}

/** As many bytes as JSON as a record is to have. */
function value(n: number): object {
  const record = { n, text: '' };
  return { ...record, text: 'weir '.repeat(300).slice(0, VALUE_BYTES - JSON.stringify(record).length) };
}
