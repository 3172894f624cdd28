import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

async function call(path: string, body?: unknown): Promise<any> {
  const response = await fetch(`${gateway.url}${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

test('topics are created, listed and described', async () => {
  const created = await call('/v1/topics', {
    name: 'new',
    partitions: 3,
    configs: { flush: 'interval', 'segment.bytes': 1024 },
  });
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({ name: 'new', configs: { flush: 'interval', 'segment.bytes': '1024' } });
  expect(created.body.partitions[2]).toEqual({ partition: 2, leader: 1, leader_epoch: 0, replicas: [1], in_sync: [1] });
  expect((await call('/v1/topics/new')).body).toEqual(created.body);
  const names = (await call('/v1/topics')).body.topics.map(({ name }: { name: string }) => name);
  expect(names).toEqual(['many', 'new', 'orders']);
  expect(await call('/v1/topics', { name: 'new' })).toMatchObject({
    status: 409,
    body: { code: 'TOPIC_ALREADY_EXISTS' },
  });
});

async function remove(path: string): Promise<any> {
  const response = await fetch(`${gateway.url}${path}`, { method: 'DELETE' });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

test('a topic is deleted once', async () => {
  gateway.client.addTopic('short-lived', 1);
  expect(await remove('/v1/topics/short-lived')).toEqual({ status: 204, body: undefined });
  expect(await call('/v1/topics/short-lived')).toMatchObject({ status: 404 });
  expect(await remove('/v1/topics/short-lived')).toMatchObject({
    status: 404,
    body: { code: 'UNKNOWN_TOPIC_OR_PARTITION' },
  });
  expect(await remove('/v1/topics/..%2Fetc')).toMatchObject({ status: 400, body: { code: 'INVALID_TOPIC_EXCEPTION' } });
  expect(await remove('/v1/topics/orders?force=1')).toMatchObject({ status: 400 });
  // The dialect of the bridge has none.
  expect(await remove('/topics/orders')).toMatchObject({ status: 405 });
});

test('the oldest records of a partition are deleted, and only by a request that says which', async () => {
  await call('/v1/topics/many/records?partition=1', [1, 2, 3]);
  const at = '/v1/topics/many/partitions/1/records';
  expect(await remove(`${at}?before=2`)).toEqual({ status: 200, body: { partition: 1, offset: 2 } });
  expect(await remove(`${at}?before=end`)).toEqual({ status: 200, body: { partition: 1, offset: 3 } });
  expect(await remove(`${at}?before=4`)).toMatchObject({ status: 404, body: { code: 'OFFSET_OUT_OF_RANGE' } });
  for (const query of ['', '?before=', '?before=-1', '?before=all', '?offset=1']) {
    expect(await remove(`${at}${query}`)).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
  }
  expect(await remove('/v1/topics/many/partitions/9/records?before=1')).toMatchObject({ status: 404 });
  expect(await remove('/v1/topics/nope/partitions/0/records?before=1')).toMatchObject({ status: 404 });
  gateway.client.startOffset = 0;
});

test('the cluster is described', async () => {
  expect(await call('/v1/cluster')).toEqual({
    status: 200,
    body: {
      cluster_id: 'cluster-1',
      revision: 7,
      brokers: [{ id: 1, address: '127.0.0.1:7071', rack: null, state: 'active' }],
    },
  });
});

test('v2: topics, partitions and offsets in the dialect of the bridge', async () => {
  expect(await call('/admin/topics', { topic_name: 'bridge', partitions_count: 2, replication_factor: 1 })).toEqual({
    status: 201,
    body: undefined,
  });
  const partition = (index: number): unknown => ({
    partition: index,
    leader: 1,
    replicas: [{ broker: 1, leader: true, in_sync: true }],
  });
  expect((await call('/topics')).body).toContain('bridge');
  expect((await call('/topics/bridge')).body).toEqual({
    name: 'bridge',
    configs: {},
    partitions: [partition(0), partition(1)],
  });
  expect((await call('/topics/bridge/partitions')).body).toEqual([partition(0), partition(1)]);
  expect((await call('/topics/bridge/partitions/1')).body).toEqual(partition(1));
  expect((await call('/topics/bridge/partitions/1/offsets')).body).toEqual({ beginning_offset: 0, end_offset: 0 });
  expect(await call('/topics/bridge/partitions/2')).toMatchObject({ status: 404, body: { error_code: 404 } });
  expect(await call('/topics/bridge/partitions/x/offsets')).toMatchObject({ status: 400 });
});

test('every problem of a body is told', async () => {
  expect(await call('/v1/topics', { partitions: 0, configs: [], extra: 1 })).toMatchObject({
    status: 422,
    body: {
      code: 'INVALID_BODY',
      validation_errors: [
        '"extra" is unknown: expected name, partitions, replication_factor, configs',
        '"name" is missing',
        '"partitions" is not a whole number from 1 to 10000',
        '"configs" is not an object of strings',
      ],
    },
  });
  expect(await call('/v1/topics', '{"name":')).toMatchObject({ status: 400, body: { code: 'MALFORMED_JSON' } });
  expect(await call('/v1/topics', '[]')).toMatchObject({ status: 422 });
  expect(await call('/v1/topics', '{"__proto__":{"name":"x"}}')).toMatchObject({ status: 422 });
});

test('before there is metadata nothing looks like an empty cluster', async () => {
  gateway.client.revision = -1;
  expect(await call('/ready')).toMatchObject({
    status: 503,
    body: { code: 'NOT_READY', message: expect.stringContaining('127.0.0.1:7070') },
  });
  expect(await call('/v1/topics')).toMatchObject({ status: 503, body: { code: 'COORDINATOR_UNAVAILABLE' } });
  expect(await call('/topics')).toMatchObject({ status: 503 });
  expect(await call('/healthy')).toMatchObject({ status: 204 });
  gateway.client.revision = 7;
  expect(await call('/ready')).toMatchObject({ status: 204 });
});
