import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HTTP_CONSUMER_MOVE_MS } from '@weir/base/group-limits.ts';
import { DevCluster } from './dev-cluster.ts';
import { http } from './http-client.ts';
import type { Answer, HttpOptions } from './http-client.ts';

// Each gateway is a process of its own.
const cluster = new DevCluster('--gateways', '2', '--separate');
beforeAll(async () => {
  await cluster.start();
  await http(`${gateways()[0]!.url}/v1/topics`, { body: { name: 'bills', partitions: 2 } });
});
afterAll(() => cluster.remove());

function gateways(): { readonly url: string; readonly pid: number }[] {
  const found = cluster.services.filter(({ kind }) => kind === 'gateway');
  return found.map(({ http: address, pid }) => ({ url: `http://${address}`, pid }));
}

const C = '/consumers/g/instances/c';

/** Reads until it has so many records; what is refused because it moves is tried again. */
async function numbers(url: string, path: string, count: number): Promise<number[]> {
  const found: number[] = [];
  for (const untilMs = performance.now() + 40_000; found.length < count && performance.now() < untilMs;) {
    const { status, json, text } = await http(`${url}${path}`);
    if (status !== 200 && status !== 503) throw new Error(`${status}: ${text}`);
    if (status === 503) await sleep(200);
    else found.push(...((json.records ?? json) as { value: { n: number } }[]).map(({ value }) => value.n));
  }
  return found;
}

async function produce(url: string, from: number, to: number): Promise<void> {
  const body = Array.from({ length: to - from }, (_, i) => ({ n: from + i }));
  expect((await http(`${url}/v1/topics/bills/records?keyField=n`, { body })).status).toBe(200);
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count - from }, (_, i) => from + i);
const sorted = (all: readonly number[]): number[] => all.toSorted((a, b) => a - b);

test('any gateway serves a consumer, and it outlives the gateway that has it', async () => {
  const [first, second] = gateways() as [{ url: string; pid: number }, { url: string; pid: number }];
  const on = (url: string, path: string, options?: HttpOptions): Promise<Answer> => http(`${url}${C}${path}`, options);
  const settings = { name: 'c', format: 'json', 'auto.offset.reset': 'earliest', 'enable.auto.commit': false };
  expect((await http(`${first.url}/consumers/g`, { body: settings })).status).toBe(200);
  expect(await http(`${second.url}/consumers/g`, { body: settings })).toMatchObject({
    status: 409,
    json: { code: 'CONSUMER_EXISTS' },
  });
  expect((await on(second.url, '/subscription', { body: { topics: ['bills'] } })).status).toBe(204);
  await produce(first.url, 0, 20);
  expect(sorted(await numbers(second.url, `${C}/records?timeout=5000`, 20))).toEqual(upTo(20));
  expect((await on(second.url, '/offsets', { method: 'POST' })).status).toBe(204);
  expect((await on(first.url, '/assignments')).json.partitions).toHaveLength(2);
  const refused = await on(second.url, '/records?max_bytes=none');
  expect(refused).toMatchObject({ status: 400, json: { code: 'INVALID_REQUEST' } });
  const group = '/v1/groups/plain/records';
  const plain = await numbers(first.url, `${group}?topics=bills&wait=5s`, 20);
  expect(sorted(plain)).toEqual(upTo(20));
  expect((await http(`${second.url}/v1/groups/plain/commit`, { method: 'POST' })).status).toBe(204);

  const back = (await on(second.url, '/offsets')).json.offsets.map((one: { offset: number }) => ({
    ...one,
    offset: one.offset - 1,
  }));
  expect((await on(second.url, '/positions', { body: { offsets: back } })).status).toBe(204);

  process.kill(first.pid, 'SIGKILL');
  await produce(second.url, 20, 40);
  const killedMs = performance.now();
  const moved = await on(second.url, '/subscription');
  expect(moved).toMatchObject({ status: 200, json: { topics: ['bills'] } });
  expect(performance.now() - killedMs).toBeLessThan(HTTP_CONSUMER_MOVE_MS);
  // Where it was moved to and has committed nothing since: the last record of each partition comes again.
  const again = sorted(await numbers(second.url, `${C}/records?timeout=5000`, 20 + back.length));
  expect(again.slice(back.length)).toEqual(upTo(40, 20));
  expect(again.slice(0, back.length).every((n) => n < 20)).toBe(true);
  expect((await on(second.url, '/offsets', { method: 'POST' })).status).toBe(204);
  expect(sorted(await numbers(second.url, `${group}?wait=5s`, 20))).toEqual(upTo(40, 20));
  expect((await on(second.url, '', { method: 'DELETE' })).status).toBe(204);
  const gone = await on(second.url, '/records');
  expect(gone).toMatchObject({ status: 404, json: { error_code: 40403 } });
}, 90_000);
