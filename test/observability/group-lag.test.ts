import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DevCluster } from '../cluster/dev-cluster.ts';
import type { ServiceEntry } from '../cluster/dev-cluster.ts';
import { http } from '../cluster/http-client.ts';
import { GroupMember } from '../harness/group-member.ts';

/** Only a hang takes so long. */
const TEST_MS_MAX = 180_000;
const PATIENT = { timeout: 60_000, interval: 250 };
const GROUP = 'shop';
const cluster = new DevCluster('--separate', '--brokers', '3');
beforeAll(() => cluster.start(), TEST_MS_MAX);
afterAll(() => cluster.remove());

/** Brokers by id. */
function brokers(): Map<number, ServiceEntry> {
  const found = cluster.services.filter(({ kind }) => kind === 'broker');
  return new Map(found.map((service) => [Number(service.id), service]));
}

/** Values of a metric at a broker, by partition; of one without labels, by "". */
async function scraped(broker: ServiceEntry, metric: string): Promise<Record<string, number>> {
  const { text } = await http(`http://${broker.ops}/metrics`);
  const lines = text.matchAll(new RegExp(String.raw`^${metric}(?:\{.*partition="(\d+)"\})? (\S+)$`, 'gm'));
  return Object.fromEntries([...lines].map(([, partition, value]) => [partition ?? '', Number(value)]));
}

/** The broker that tells of the group. */
async function teller(others: Iterable<ServiceEntry>): Promise<ServiceEntry> {
  for (const broker of others) {
    if (Object.keys(await scraped(broker, 'weir_group_lag_records')).length > 0) return broker;
  }
  throw new Error('nobody tells of the group');
}

async function leaders(): Promise<number[]> {
  const { json } = await http(`${cluster.url}/v1/topics/orders`);
  return (json as { partitions: { leader: number }[] }).partitions.map(({ leader }) => leader);
}

async function write(partition: number, count: number): Promise<void> {
  const url = `${cluster.url}/v1/topics/orders/records?partition=${partition}`;
  await http(url, { body: Array.from({ length: count }, (_, i) => i) });
}

test(
  'the lag is told by whoever coordinates the group, over leaders that stand still and a coordinator that dies',
  { timeout: TEST_MS_MAX },
  async () => {
    await http(`${cluster.url}/v1/topics`, { body: { name: 'orders', partitions: 3 } });
    for (const partition of [0, 1, 2]) await write(partition, 10);
    const settings = { group: GROUP, topic: 'orders', partitions: 3, sessionTimeoutMs: TEST_MS_MAX };
    const member = await GroupMember.find(brokers().get(1)!.kafka!, settings);
    expect(await member.join()).toBe(0);
    expect(await member.sync()).toEqual({ error: 0, partitions: 3 });
    expect(await member.commitEach(new Map([0, 1, 2].map((partition) => [partition, partition])))).toBe(0);
    member.close();
    const first = await vi.waitFor(() => teller(brokers().values()), PATIENT);
    const lag = (broker: ServiceEntry) => scraped(broker, 'weir_group_lag_records');
    await vi.waitFor(async () => expect(await lag(first)).toEqual({ 0: 10, 1: 9, 2: 8 }), PATIENT);
    // A leader that is not the coordinator stands still.
    const partition = (await leaders()).findIndex((leader) => leader !== Number(first.id));
    const still = brokers().get((await leaders())[partition]!)!;
    process.kill(still.pid, 'SIGSTOP');
    try {
      await vi.waitFor(async () => {
        expect((await scraped(first, 'weir_group_lag_failed_calls_total'))['']).toBeGreaterThan(0);
      }, PATIENT);
      expect(await lag(first)).toEqual({ 0: 10, 1: 9, 2: 8 });
      // Another one leads, and is asked.
      await write(partition, 5);
      const expected = { 0: 10, 1: 9, 2: 8, [partition]: 15 - partition };
      await vi.waitFor(async () => expect(await lag(first)).toEqual(expected), PATIENT);
    } finally {
      process.kill(still.pid, 'SIGCONT');
    }
    process.kill(first.pid, 'SIGKILL');
    const others = [...brokers().values()].filter(({ id }) => id !== first.id);
    const next = await vi.waitFor(() => teller(others), PATIENT);
    await vi.waitFor(async () => {
      expect(await lag(next)).toEqual({ 0: 10, 1: 9, 2: 8, [partition]: 15 - partition });
    }, PATIENT);
  },
);
