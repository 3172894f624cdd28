import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

const JSON_V2 = 'application/vnd.kafka.json.v2+json';
const C = '/consumers/g/instances/c';
const place = { topic: 'orders', partition: 0 };

let gateway: TestGateway;

beforeEach(async () => {
  gateway = await startTestGateway();
});
afterEach(() => gateway.stop());

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/vnd.kafka.v2+json', ...headers },
  });
  const text = await response.text();
  const type = response.headers.get('content-type')?.split(';', 1)[0];
  return { status: response.status, type, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

async function produce(...bodies: string[]): Promise<void> {
  for (const body of bodies) {
    const type = { 'content-type': 'text/plain' };
    const sent = await fetch(`${gateway.url}/v1/topics/orders/records`, { method: 'POST', body, headers: type });
    expect(sent.status).toBe(200);
  }
}

async function consumer(settings: object = {}): Promise<void> {
  const wanted = { name: 'c', format: 'json', 'auto.offset.reset': 'earliest', ...settings };
  expect(await call('POST', '/consumers/g', wanted)).toMatchObject({ status: 200, body: { instance_id: 'c' } });
}

async function values(query = 'timeout=0'): Promise<unknown[]> {
  const { status, body } = await call('GET', `${C}/records?${query}`);
  expect(status).toBe(200);
  return body.map(({ value }: { value: unknown }) => value);
}

async function committed(): Promise<unknown> {
  return (await call('GET', `${C}/offsets`)).body.offsets;
}

test('a consumer is created, subscribes, reads, commits and is deleted', async () => {
  await produce('{"a": 1}', '9007199254740993');
  const created = await call('POST', '/consumers/g', {
    name: 'c',
    format: 'json',
    'auto.offset.reset': 'earliest',
    'enable.auto.commit': false,
    'fetch.min.bytes': '1',
    'consumer.request.timeout.ms': 20,
  });
  expect(created.body).toEqual({ instance_id: 'c', base_uri: `${gateway.url}${C}` });
  expect((await call('POST', `${C}/subscription`, { topics: ['orders'] })).status).toBe(204);
  expect(gateway.client.consumers[0]!.options).toMatchObject({ groupId: 'g', commitIntervalMs: 'manual' });
  const read = await call('GET', `${C}/records`, undefined, { accept: JSON_V2 });
  expect([read.status, read.type]).toEqual([200, JSON_V2]);
  expect(read.body[0]).toMatchObject({ ...place, key: null, value: { a: 1 }, offset: 0, headers: [] });
  const raw = await (await fetch(`${gateway.url}/v1/topics/orders/records`)).text();
  expect(raw).toContain('9007199254740993');
  expect(await committed()).toEqual([]);
  expect((await call('POST', `${C}/offsets`)).status).toBe(204);
  expect(await committed()).toEqual([{ ...place, offset: 2, metadata: '' }]);
  await call('POST', `${C}/offsets`, { offsets: [{ ...place, offset: 1, metadata: 'm' }] });
  const asked = await call('POST', `${C}/offsets/committed`, { partitions: [place] });
  expect(asked.body).toEqual({ offsets: [{ ...place, offset: 1, metadata: 'm' }] });
  expect((await call('DELETE', C)).status).toBe(204);
  expect(gateway.client.consumers[0]!.isClosed).toBe(true);
  const gone = await call('GET', `${C}/records`);
  expect(gone).toMatchObject({ status: 404, body: { error_code: 40403, code: 'UNKNOWN_CONSUMER' } });
});

test('what was handed out last is committed by a DELETE, and not before', async () => {
  await produce('1', '2');
  await consumer();
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  expect(await values()).toEqual([1, 2]);
  expect(await committed()).toEqual([]);
  await call('DELETE', C);
  expect([...gateway.client.committedOf('g').values()]).toEqual([{ ...place, offset: 2 }]);
});

test('a DELETE commits nothing of a consumer that commits by hand', async () => {
  await produce('1', '2');
  await consumer({ 'enable.auto.commit': false });
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  expect(await values()).toEqual([1, 2]);
  await call('DELETE', C);
  expect([...gateway.client.committedOf('g').values()]).toEqual([]);
});

test('a gateway that stops takes its consumers out of their groups, and what was handed out last not for read', async () => {
  const others = gateway;
  gateway = await startTestGateway();
  await produce('1');
  await consumer();
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  expect(await values()).toEqual([1]);
  await gateway.stop();
  expect(gateway.client.consumers[0]!.isClosed).toBe(true);
  expect([...gateway.client.committedOf('g').values()]).toEqual([{ ...place, offset: 0 }]);
  gateway = others;
});

test('topics, a pattern and partitions exclude each other', async () => {
  await consumer();
  const state = { status: 409, body: { error_code: 409, code: 'CONSUMER_STATE' } };
  expect(await call('GET', `${C}/records?timeout=0`)).toMatchObject(state);
  expect(await call('POST', `${C}/offsets`)).toMatchObject(state);
  const both = { topics: ['orders'], topic_pattern: 'o.*' };
  expect(await call('POST', `${C}/subscription`, both)).toMatchObject(state);
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  expect(await call('POST', `${C}/subscription`, { topic_pattern: 'm.*' })).toMatchObject(state);
  expect(await call('POST', `${C}/assignments`, { partitions: [place] })).toMatchObject(state);
  await call('POST', `${C}/subscription`, { topics: ['orders', 'many'] });
  expect((await call('GET', `${C}/subscription`)).body).toEqual({
    topics: ['orders', 'many'],
    partitions: [{ many: [0, 1, 2, 3] }, { orders: [0] }],
  });
  expect((await call('DELETE', `${C}/subscription`)).status).toBe(204);
  expect((await call('POST', `${C}/subscription`, { topic_pattern: 'm.*' })).status).toBe(204);
  expect((await call('GET', `${C}/subscription`)).body).toMatchObject({ topics: ['many'] });
});

test('partitions are assigned, and again without losing the place in those that are kept', async () => {
  await produce('1', '2', '3');
  await consumer({ 'enable.auto.commit': 'false' });
  const none = await call('POST', `${C}/assignments`, { partitions: [{ topic: 'orders', partition: 1 }] });
  expect(none).toMatchObject({ status: 404, body: { error_code: 404 } });
  const unknown = await call('POST', `${C}/assignments`, { partitions: [{ topic: 'nope', partition: 0 }] });
  expect(unknown.status).toBe(404);
  await call('POST', `${C}/assignments`, { partitions: [place, place] });
  expect(await values('timeout=0&max_bytes=1')).toEqual([1]);
  const other = { topic: 'many', partition: 2 };
  await call('POST', `${C}/assignments`, { partitions: [place, other] });
  expect((await call('GET', `${C}/assignments`)).body).toEqual({ partitions: [other, place] });
  expect(await values()).toEqual([2, 3]);
});

test('positions by offset, by time, at the beginning and at the end', async () => {
  await produce('1', '2', '3');
  await consumer();
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  await call('POST', `${C}/positions`, { offsets: [{ ...place, offset: 2 }] });
  expect(await values()).toEqual([3]);
  await call('POST', `${C}/positions/beginning`, { partitions: [place] });
  expect(await values()).toEqual([1, 2, 3]);
  await call('POST', `${C}/positions`, { timestamps: [{ ...place, timestamp: 1_700_000_000_001 }] });
  expect(await values()).toEqual([2, 3]);
  await call('POST', `${C}/positions`, { timestamps: [{ ...place, timestamp: '2999-01-01T00:00:00Z' }] });
  expect(await values()).toEqual([]);
  await call('POST', `${C}/positions/beginning`, { partitions: [place] });
  await call('POST', `${C}/positions/end`, { partitions: [place] });
  expect(await values()).toEqual([]);
  const other = { topic: 'many', partition: 0 };
  expect(await call('POST', `${C}/positions`, { offsets: [{ ...other, offset: 0 }] })).toMatchObject({ status: 404 });
  expect(await call('POST', `${C}/positions/end`, { partitions: [other] })).toMatchObject({ status: 404 });
});

test('a read answers on the first record, and waits no longer than it is told', async () => {
  await consumer({ 'consumer.request.timeout.ms': 30 });
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  expect(await values('')).toEqual([]);
  const waiting = values('timeout=30000');
  await expect.poll(() => call('GET', `${C}/records`)).toMatchObject({ status: 409, body: { code: 'CONSUMER_STATE' } });
  await produce('"now"');
  expect(await waiting).toEqual(['now']);
});

test('a record that does not fit max_bytes, or is not JSON, is told and not passed over', async () => {
  await produce('1', 'no JSON', '"long, longer, longest"');
  await consumer();
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  expect(await values()).toEqual([1]);
  const refused = await call('GET', `${C}/records?timeout=0`);
  expect(refused).toMatchObject({ status: 406, body: { error_code: 406, code: 'NOT_ACCEPTABLE' } });
  expect(refused.body.message).toContain('offset 1 of partition 0 of "orders"');
  expect(await call('GET', `${C}/records?timeout=0`)).toEqual(refused);
  await call('POST', `${C}/positions`, { offsets: [{ ...place, offset: 2 }] });
  const large = await call('GET', `${C}/records?timeout=0&max_bytes=10`);
  expect(large).toMatchObject({ status: 422, body: { error_code: 422, code: 'MAX_BYTES_EXCEEDED' } });
  expect(await values('timeout=0&max_bytes=100')).toEqual(['long, longer, longest']);
});

test('records whose reader has gone are handed out again', async () => {
  await produce('1');
  await consumer();
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  expect(await values()).toEqual([1]);
  const gone = new AbortController();
  const reading = fetch(`${gateway.url}${C}/records?timeout=20000`, { signal: gone.signal }).catch(() => 'gone');
  await expect.poll(async () => (await call('GET', `${C}/records`)).status).toBe(409);
  gone.abort();
  expect(await reading).toBe('gone');
  await produce('2');
  await expect.poll(() => values().catch(() => [])).toEqual([2]);
});

test.each([
  ['binary', 'a', { key: null, value: 'YQ==' }],
  ['text', 'a', { key: null, value: 'a' }],
])('%s records', async (format, value, expected) => {
  await produce(value);
  await consumer({ format });
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  const own = `application/vnd.kafka.${format}.v2+json`;
  expect(await call('GET', `${C}/records?timeout=0`, undefined, { accept: JSON_V2 })).toMatchObject({ status: 406 });
  const read = await call('GET', `${C}/records?timeout=0`, undefined, { accept: own });
  expect(read).toMatchObject({ status: 200, type: own, body: [expected] });
});

test('headers come as base64', async () => {
  const records = [{ key: 'k', value: 'v', headers: [{ key: 'h', value: 'AP8=' }, { key: 'n' }] }];
  await call('POST', '/topics/orders', { records }, { 'content-type': JSON_V2 });
  await consumer();
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  const { body } = await call('GET', `${C}/records?timeout=0`);
  const headers = [
    { key: 'h', value: 'AP8=' },
    { key: 'n', value: null },
  ];
  expect(body).toMatchObject([{ key: 'k', value: 'v', headers }]);
});

test('what a consumer is told is checked', async () => {
  const unknown = await call('POST', '/consumers/g', { name: 'c', 'fetch.max.bytes': 1 });
  expect(unknown).toMatchObject({ status: 400, body: { validation_errors: ['"fetch.max.bytes" is unknown'] } });
  const wrong = await call('POST', '/consumers/g', { format: 'avro', 'enable.auto.commit': 7, 'fetch.min.bytes': -1 });
  expect(wrong).toMatchObject({ status: 422 });
  expect(wrong.body.validation_errors).toHaveLength(3);
  const half = await call('POST', '/consumers/g', { name: 'a\ud800' });
  expect(half).toMatchObject({ status: 422, body: { message: '"name" has half a character, which no path can have' } });
  const named = await call('POST', '/consumers/g');
  expect(named.body.instance_id).toMatch(/^weir-[0-9a-f]{24}$/);
  await consumer();
  const again = await call('POST', '/consumers/g', { name: 'c' });
  expect(again).toMatchObject({ status: 409, body: { error_code: 409, code: 'CONSUMER_EXISTS' } });
  for (const [path, body] of [
    ['subscription', {}],
    ['subscription', { topics: [] }],
    ['subscription', { topic_pattern: '(a+)+' }],
    ['assignments', { partitions: [] }],
    ['assignments', { partitions: [{ topic: 'orders', partition: -1 }] }],
  ] as const) {
    expect(await call('POST', `${C}/${path}`, body), path).toMatchObject({ status: 422 });
  }
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  for (const [path, body] of [
    ['offsets', { offsets: [{ ...place, offset: 0.5 }] }],
    ['positions', {}],
    ['positions', { timestamps: [{ ...place, timestamp: 'soon' }] }],
  ] as const) {
    expect(await call('POST', `${C}/${path}`, body), path).toMatchObject({ status: 422 });
  }
  expect(await call('GET', `${C}/records?timeout=soon`)).toMatchObject({ status: 400 });
});

test('a character is one character, however many bytes it takes', async () => {
  const snails = '\u{1f40c}'.repeat(255);
  const path = `/consumers/${encodeURIComponent(snails)}`;
  const created = await call('POST', path, { name: snails });
  expect(created).toMatchObject({ status: 200, body: { instance_id: snails } });
  expect((await call('GET', `${path}/instances/${encodeURIComponent(snails)}/assignments`)).status).toBe(200);
  expect(await call('POST', '/consumers/g', { name: `${snails}!` })).toMatchObject({ status: 422 });
  expect((await call('POST', `/consumers/${encodeURIComponent(`${snails}!`)}`)).status).toBe(400);
});

test.each([
  ['subscription', { topics: ['or/ders'] }],
  ['subscription', { topics: ['orders', '..'] }],
  ['assignments', { partitions: [{ ...place, offset: 1 }] }],
  ['assignments', { partitions: [{ ...place, partition: 2 ** 31 }] }],
  ['offsets', { offsets: [{ ...place, offset: 1, timestamp: 1 }] }],
  ['positions', { offsets: [{ ...place, offset: 1, more: 1 }] }],
  ['positions', { timestamps: [{ ...place, timestamp: 1, offset: 1 }] }],
])('POST …/%s with %j is not taken: there is something in it that it does not have', async (path, body) => {
  await consumer();
  const refused = await call('POST', `${C}/${path}`, body);
  expect(refused).toMatchObject({ status: 422, body: { code: 'INVALID_BODY' } });
});

test('numbers as text have one spelling, and a topic that none can be is told', async () => {
  expect((await call('POST', '/consumers/g', { name: 'd', 'fetch.min.bytes': '007' })).status).toBe(422);
  expect((await call('POST', '/consumers/g', { name: 'd', 'fetch.min.bytes': '0' })).status).toBe(200);
  await consumer();
  expect(await call('GET', `${C}/offsets?topic=..`)).toMatchObject({ status: 400 });
  const none = await call('POST', `${C}/offsets/committed`, { partitions: [{ topic: '..', partition: 0 }] });
  expect(none).toMatchObject({
    status: 422,
    body: { validation_errors: [expect.stringContaining('partitions[0]: ')] },
  });
});

test('a proxy in front is named in base_uri', async () => {
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'weir.example' };
  const { body } = await call('POST', '/consumers/a%20b', { name: 'c/d' }, headers);
  expect(body.base_uri).toBe('https://weir.example/consumers/a%20b/instances/c%2Fd');
});

test('consumers and what they were given are in the metrics', async () => {
  await produce('1');
  await consumer();
  await call('POST', `${C}/subscription`, { topics: ['orders'] });
  await values();
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toMatch(/^weir_gateway_consumers 1$/m);
  expect(metrics).toMatch(/^weir_gateway_consumer_records_total 1$/m);
});
