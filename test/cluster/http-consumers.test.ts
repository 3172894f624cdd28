import { afterAll, beforeAll, expect, test } from 'vitest';
import { DevCluster } from './dev-cluster.ts';
import { http } from './http-client.ts';
import type { Answer, HttpOptions } from './http-client.ts';

const cluster = new DevCluster();
beforeAll(async () => {
  await cluster.start();
  await http(`${cluster.url}/v1/topics`, { body: { name: 'bills', partitions: 2 } });
});
afterAll(() => cluster.remove());

const call = (path: string, options?: HttpOptions): Promise<Answer> => http(`${cluster.url}${path}`, options);

async function produce(partition: number, from: number, to: number): Promise<void> {
  const body = Array.from({ length: to - from }, (_, i) => ({ n: from + i }));
  expect((await call(`/v1/topics/bills/records?partition=${partition}`, { body })).status).toBe(200);
}

/** Creates a consumer; returns its path. */
async function consumer(group: string, name: string, settings: object = {}): Promise<string> {
  const body = { name, format: 'json', 'auto.offset.reset': 'earliest', ...settings };
  const created = await call(`/consumers/${group}`, { body });
  expect(created).toMatchObject({ status: 200, json: { instance_id: name } });
  return new URL(created.json.base_uri as string).pathname;
}

/** Reads until there is nothing for a moment. */
async function numbers(path: string, atLeast: number): Promise<number[]> {
  const found: number[] = [];
  for (let tries = 0; tries < 50; tries++) {
    const { status, json, text } = await call(`${path}/records?timeout=${found.length < atLeast ? 2_000 : 200}`);
    expect(status, text).toBe(200);
    found.push(...json.map(({ value }: { value: { n: number } }) => value.n));
    if (json.length === 0 && found.length >= atLeast) break;
  }
  return found;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const ascending = (a: number, b: number): number => a - b;

test('consumers of a group share a topic, and one that comes later goes on where they were', async () => {
  const [one, two] = [await consumer('shared', 'one'), await consumer('shared', 'two')];
  for (const path of [one, two]) {
    expect((await call(`${path}/subscription`, { body: { topics: ['bills'] } })).status).toBe(204);
  }
  const share = async (path: string): Promise<number> => (await call(`${path}/assignments`)).json.partitions.length;
  await expect.poll(() => Promise.all([share(one), share(two)]), { timeout: 20_000 }).toEqual([1, 1]);
  await produce(0, 0, 50);
  await produce(1, 50, 100);
  const read = await Promise.all([one, two].map((path) => numbers(path, 50)));
  expect(read.map(({ length }) => length)).toEqual([50, 50]);
  expect(read.flat().toSorted(ascending)).toEqual(upTo(100));
  for (const path of [one, two]) expect((await call(path, { method: 'DELETE' })).status).toBe(204);
  const three = await consumer('shared', 'three');
  await call(`${three}/subscription`, { body: { topic_pattern: 'bil+s' } });
  await produce(0, 100, 101);
  expect(await numbers(three, 1)).toEqual([100]);
  expect((await call(`${three}/subscription`)).json).toEqual({ topics: ['bills'], partitions: [{ bills: [0, 1] }] });
}, 60_000);

test('assigned partitions, commits by hand, positions', async () => {
  const path = await consumer('by-hand', 'c', { 'enable.auto.commit': false });
  const partitions = [{ topic: 'bills', partition: 1 }];
  await call(`${path}/assignments`, { body: { partitions } });
  expect(await numbers(path, 50)).toEqual(upTo(100).slice(50));
  expect((await call(`${path}/offsets`)).json).toEqual({ offsets: [] });
  expect((await call(`${path}/offsets`, { method: 'POST' })).status).toBe(204);
  expect((await call(`${path}/offsets`)).json.offsets).toMatchObject([{ ...partitions[0], offset: 50 }]);
  const offsets = [{ ...partitions[0], offset: 48 }];
  await call(`${path}/positions`, { body: { offsets } });
  expect(await numbers(path, 2)).toEqual([98, 99]);
  await call(`${path}/positions/beginning`, { body: { partitions } });
  expect((await call(`${path}/records?max_bytes=9`)).json).toHaveLength(1);
  await call(`${path}/positions/end`, { body: { partitions } });
  expect((await call(`${path}/records?timeout=100`)).json).toEqual([]);
  await call(`${path}/offsets`, { body: { offsets } });
  await call(path, { method: 'DELETE' });
  const next = await consumer('by-hand', 'c');
  await call(`${next}/assignments`, { body: { partitions } });
  expect(await numbers(next, 2)).toEqual([98, 99]);
}, 60_000);

test('a group is read in one call, described, moved and deleted', async () => {
  const path = '/v1/groups/plain';
  const first = await call(`${path}/records?topics=bills&limit=60&wait=10s`);
  expect(first.json.records.length).toBeGreaterThan(0);
  expect((await call(`${path}/offsets?dryRun=true`, { body: { topic: 'bills', to: 'latest' } })).status).toBe(409);
  let count: number = first.json.records.length;
  while (count < 101) count += (await call(`${path}/records?wait=10s`)).json.records.length as number;
  expect((await call(`${path}/commit`, { method: 'POST' })).status).toBe(204);
  const described = await call(path);
  expect(described.json).toMatchObject({ state: 'Stable', lag: 0, members: [{ topics: ['bills'] }] });
  const end = { offset: 51, end: 51, lag: 0 };
  expect(described.json.partitions).toMatchObject([end, { offset: 50 }]);
  expect((await call('/v1/groups')).json.groups).toContainEqual(
    expect.objectContaining({ group: 'by-hand', state: 'Empty' }),
  );
  const group = '/v1/groups/moved';
  const body = { topic: 'bills', partition: 0, to: '41' };
  expect((await call(`${group}/offsets`, { body })).json.partitions).toEqual([{ partition: 0, from: null, to: 41 }]);
  expect((await call(group)).json).toMatchObject({ state: 'Empty', lag: 10 });
  expect((await call(group, { method: 'DELETE' })).status).toBe(204);
  expect((await call(group)).status).toBe(404);
}, 60_000);
