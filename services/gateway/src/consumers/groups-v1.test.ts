import { afterEach, beforeEach, expect, test } from 'vitest';
import { WeirError } from '@weir/base/errors.ts';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

let gateway: TestGateway;

beforeEach(async () => {
  gateway = await startTestGateway();
});
afterEach(() => gateway.stop());

async function call(method: string, path: string, body?: unknown): Promise<any> {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

async function produce(...records: unknown[]): Promise<void> {
  expect((await call('POST', '/v1/topics/orders/records', records)).status).toBe(200);
}

async function read(query: string): Promise<unknown[]> {
  const { status, body } = await call('GET', `/v1/groups/g/records?${query}`);
  expect(status).toBe(200);
  return body.records.map(({ topic, value }: { topic: string; value: unknown }) => `${topic}: ${String(value)}`);
}

const committed = (): number | undefined => [...gateway.client.committedOf('g').values()][0]?.offset;

test('a group is read in one call, and each call commits what the one before was given', async () => {
  await produce(1, 2, 3);
  expect(await read('topics=orders&limit=2')).toEqual(['orders: 1', 'orders: 2']);
  expect(committed() ?? 0).toBe(0);
  expect(await read('limit=2')).toEqual(['orders: 3']);
  expect(committed()).toBe(2);
  expect((await call('POST', '/v1/groups/g/commit')).status).toBe(204);
  expect(committed()).toBe(3);
  const waiting = read('wait=20s');
  await produce('late');
  expect(await waiting).toEqual(['orders: late']);
});

test('records of a group whose reader has gone are handed out again', async () => {
  await produce(1);
  expect(await read('topics=orders')).toEqual(['orders: 1']);
  const gone = new AbortController();
  const reading = fetch(`${gateway.url}/v1/groups/g/records?wait=20s`, { signal: gone.signal }).catch(() => 'gone');
  await expect.poll(async () => (await call('GET', '/v1/groups/g/records')).status).toBe(409);
  gone.abort();
  expect(await reading).toBe('gone');
  await produce(2);
  await expect.poll(() => read('').catch(() => [])).toEqual(['orders: 2']);
});

test('a group that does not take the commit of the call before is read all the same', async () => {
  await produce(1);
  expect(await read('topics=orders')).toEqual(['orders: 1']);
  await produce(2);
  const [consumer] = gateway.client.consumers;
  consumer!.commit = () => Promise.reject(new WeirError('REBALANCE_IN_PROGRESS', 'another member has come'));
  expect(await read('')).toEqual(['orders: 2']);
});

test('what a group reads may change, and has to be said at first', async () => {
  const unsaid = await call('GET', '/v1/groups/g/records');
  expect(unsaid).toMatchObject({ status: 404, body: { error_code: 40403, code: 'UNKNOWN_CONSUMER' } });
  expect(unsaid.body.message).toContain('topics=a,b');
  for (const topics of ['', ',', 'orders,', 'or/ders', '..']) {
    const refused = await call('GET', `/v1/groups/g/records?topics=${topics}`);
    expect(refused, topics).toMatchObject({ status: 400, body: { code: 'INVALID_TOPIC_EXCEPTION' } });
  }
  const none = await call('POST', '/v1/groups/g/commit');
  expect(none).toMatchObject({ status: 404, body: { error_code: 40403, code: 'UNKNOWN_CONSUMER' } });
  await read('topics=orders');
  await call('POST', '/v1/topics/many/records?partition=1', 'm');
  expect(await read('topics=orders,many')).toEqual(['many: m']);
  expect(gateway.client.consumers).toHaveLength(1);
  expect(await call('GET', '/consumers/g/instances//records')).toMatchObject({ status: 404 });
});

test('a group begins where from= says', async () => {
  await produce(1);
  expect(await read('topics=orders&from=latest')).toEqual([]);
  await produce(2);
  expect(await read('')).toEqual(['orders: 2']);
});

test('groups are listed and described with their lag', async () => {
  await produce(1, 2, 3);
  await read('topics=orders&limit=1');
  await read('limit=1');
  const listed = await call('GET', '/v1/groups');
  expect(listed.body).toEqual({
    groups: [{ group: 'g', state: 'Stable', protocol_type: 'consumer', members: 1 }],
    incomplete: [],
  });
  const { body } = await call('GET', '/v1/groups/g');
  expect(body).toMatchObject({ group: 'g', state: 'Stable', lag: 2, members: [{ host: '127.0.0.1' }] });
  expect(body.partitions).toEqual([
    { topic: 'orders', partition: 0, offset: 1, end: 3, lag: 2, member_id: 'member-0' },
  ]);
  expect(await call('GET', '/v1/groups/nope')).toMatchObject({ status: 404, body: { code: 'GROUP_ID_NOT_FOUND' } });
});

test('a group is moved, also on trial, while nobody is in it', async () => {
  await produce(1, 2, 3);
  const path = '/v1/groups/g/offsets';
  const tried = await call('POST', `${path}?dryRun=true`, { topic: 'orders', to: 'latest' });
  const partitions = [{ partition: 0, from: null, to: 3 }];
  expect(tried.body).toEqual({ group: 'g', topic: 'orders', dry_run: true, partitions });
  expect(committed()).toBe(undefined);
  expect((await call('POST', path, { topic: 'orders', to: 'latest' })).body).toMatchObject({ dry_run: false });
  expect(committed()).toBe(3);
  expect((await call('POST', path, { topic: 'orders', by: -2 })).body.partitions).toMatchObject([{ from: 3, to: 1 }]);
  expect((await call('POST', path, { topic: 'orders', partition: 0, to: '2' })).body.partitions[0].to).toBe(2);
  expect(await call('POST', path, { topic: 'orders', to: '9' })).toMatchObject({ status: 404 });
  expect(await call('POST', path, { topic: 'many', to: '1' })).toMatchObject({ status: 422 });
  expect(await call('POST', path, { topic: 'orders' })).toMatchObject({ status: 422 });
  expect(await call('POST', path, { topic: 'orders', to: 'x' })).toMatchObject({ status: 422 });
  expect(await call('POST', path, { topic: 'orders', to: '1', by: 1 })).toMatchObject({ status: 422 });
  expect(await call('POST', path, { topic: 'nope', to: 'latest' })).toMatchObject({ status: 404 });
  await read('topics=orders');
  const used = await call('POST', `${path}?dryRun=true`, { topic: 'orders', to: 'latest' });
  expect(used).toMatchObject({ status: 409, body: { code: 'NON_EMPTY_GROUP' } });
});

test('a group is deleted', async () => {
  await call('POST', '/v1/groups/g/offsets', { topic: 'orders', to: 'latest' });
  expect((await call('DELETE', '/v1/groups/g')).status).toBe(204);
  expect((await call('DELETE', '/v1/groups/g')).status).toBe(404);
});
