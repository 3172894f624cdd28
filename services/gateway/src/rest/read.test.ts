import { WeirError } from '@weir/base/errors.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
  await produce('orders', ...Array.from({ length: 10 }, (_, i) => `{"i":${i}}`));
  for (let partition = 0; partition < 3; partition++) {
    await fetch(`${gateway.url}/v1/topics/many/records?partition=${partition}`, {
      method: 'POST',
      body: `[${partition + 1}0,${partition + 1}1]`,
      headers: { 'content-type': 'application/json' },
    });
  }
});
afterAll(() => gateway.stop());

async function produce(topic: string, ...records: string[]): Promise<void> {
  await fetch(`${gateway.url}/v1/topics/${topic}/records`, {
    method: 'POST',
    body: `[${records.join(',')}]`,
    headers: { 'content-type': 'application/json' },
  });
}

async function read(path: string): Promise<any> {
  const response = await fetch(`${gateway.url}/v1/topics/${path}`);
  return { status: response.status, ...((await response.json()) as object) };
}

const offsets = (answer: { records: { offset: number }[] }): number[] => answer.records.map(({ offset }) => offset);

test('a topic of one partition is read from an offset, to a limit, and on from there', async () => {
  const first = await read('orders/records?limit=3');
  expect(first.records[0]).toEqual({
    partition: 0,
    offset: 0,
    timestamp: expect.any(Number),
    key: null,
    value: { i: 0 },
    headers: [],
  });
  expect(offsets(first)).toEqual([0, 1, 2]);
  expect(first.next).toEqual({ 0: 3 });
  expect(offsets(await read('orders/records?offset=3&limit=2'))).toEqual([3, 4]);
  expect(offsets(await read(`orders/records?cursor=${first.cursor}&limit=2`))).toEqual([3, 4]);
  expect(offsets(await read('orders/records?offset=latest'))).toEqual([]);
  expect(offsets(await read('orders/records?offset=10'))).toEqual([]);
});

test('by timestamp, in milliseconds or as a date; later than everything is the end', async () => {
  const { timestamp } = (await read('orders/records?offset=4&limit=1')).records[0];
  expect(offsets(await read(`orders/records?timestamp=${timestamp}&limit=2`))).toEqual([4, 5]);
  const date = new Date(timestamp).toISOString();
  expect(offsets(await read(`orders/records?timestamp=${date}&limit=1`))).toEqual([4]);
  expect(await read('orders/records?timestamp=2999-01-01')).toMatchObject({ records: [], next: { 0: 10 } });
});

test('without a partition all are read one after another, and the cursor goes on with each', async () => {
  const values = (answer: { records: { value: number }[] }): number[] => answer.records.map(({ value }) => value);
  const all = await read('many/records');
  expect(values(all)).toEqual([10, 11, 20, 21, 30, 31]);
  expect(all.next).toEqual({ 0: 2, 1: 2, 2: 2, 3: 0 });
  const some = await read('many/records?limit=3');
  expect(values(some)).toEqual([10, 11, 20]);
  expect(some.next).toEqual({ 0: 2, 1: 1, 2: 0, 3: 0 });
  expect(values(await read(`many/records?cursor=${some.cursor}`))).toEqual([21, 30, 31]);
  expect(await read('many/records?offset=1')).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
  expect(values(await read('many/records?partition=1&offset=1'))).toEqual([21]);
});

test('a read waits for a first record, and only as long as it was told', async () => {
  gateway.client.addTopic('tail', 3);
  const waiting = read('tail/records?offset=latest&wait=20s');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await produce('tail', '"new"');
  const got = await waiting;
  expect(got.records).toMatchObject([{ offset: 0, value: 'new' }]);
  expect(await read('tail/records?offset=latest&wait=10ms')).toMatchObject({ status: 200, records: [] });
  expect(await read('orders/records?offset=latest&wait=10')).toMatchObject({ status: 200, records: [] });
});

test('with Accept: application/x-ndjson a record is a line', async () => {
  const accept = 'application/x-ndjson';
  const response = await fetch(`${gateway.url}/v1/topics/orders/records?limit=2`, { headers: { accept } });
  expect(response.headers.get('content-type')).toContain(accept);
  expect(response.headers.get('weir-cursor')).toMatch(/\.0-2$/);
  const lines = (await response.text()).trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { value: unknown }).value)).toEqual([{ i: 0 }, { i: 1 }]);
});

test.each([
  ['orders/records?offset=-1', 400, 'INVALID_REQUEST', 'offset=-1'],
  ['orders/records?offset=11', 404, 'OFFSET_OUT_OF_RANGE', 'has offsets 0 to 9: 11 is outside'],
  ['orders/records?offset=1&timestamp=1', 400, 'INVALID_REQUEST', 'more than one of'],
  ['orders/records?timestamp=yesterday', 400, 'INVALID_REQUEST', 'ISO date'],
  ['orders/records?limit=0', 400, 'INVALID_REQUEST', 'limit=0'],
  ['orders/records?limit=99999999', 400, 'INVALID_REQUEST', 'from 1 to 10000'],
  ['orders/records?wait=1h', 400, 'INVALID_REQUEST', 'say it as 5s'],
  ['orders/records?wait=61s', 400, 'INVALID_REQUEST', 'up to 60s'],
  ['orders/records?cursor=abc', 400, 'INVALID_REQUEST', 'not a cursor'],
  ['orders/records?partition=1', 404, 'UNKNOWN_TOPIC_OR_PARTITION', 'only partition 0'],
  ['many/records?partition=4', 404, 'UNKNOWN_TOPIC_OR_PARTITION', 'partitions 0 to 3, not 4'],
  ['nope/records', 404, 'UNKNOWN_TOPIC_OR_PARTITION', 'there is no topic "nope"'],
])('%s is refused with %i %s', async (path, status, code, message) => {
  expect(await read(path)).toMatchObject({
    status,
    error_code: status,
    code,
    message: expect.stringContaining(message),
  });
});

test('a form of answer that is not there is refused', async () => {
  const response = await fetch(`${gateway.url}/v1/topics/orders/records`, { headers: { accept: 'text/csv' } });
  expect(response.status).toBe(406);
});

test('a partition that fails while several are waited for leaves nothing in the budget', async () => {
  const own = await startTestGateway();
  const { client } = own;
  const wait = client.read.bind(client);
  let late = 0;
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  client.read = async (asked) => {
    if (asked.waitMs === 0) return wait(asked);
    if (asked.partition === 0) throw new WeirError('KAFKA_STORAGE_ERROR', 'its disk is broken');
    // Comes after the answer, and brings something.
    await released;
    const result = await wait({ ...asked, offset: 0, topic: 'orders', partition: 0, waitMs: 0 });
    late++;
    return result;
  };
  await fetch(`${own.url}/v1/topics/orders/records`, { method: 'POST', body: 'kept' });
  const response = await fetch(`${own.url}/v1/topics/many/records?wait=5s`);
  expect(response.status).toBe(503);
  release();
  await expect.poll(() => late, { interval: 1 }).toBe(3);
  const metrics = await (await fetch(`${own.url}/metrics`)).text();
  expect(metrics).toMatch(/^weir_gateway_in_flight_bytes 0$/m);
  await own.stop();
});
