import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

const JSON_TYPE = { 'content-type': 'application/json' };

async function post(
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = JSON_TYPE,
): Promise<{ status: number; body: any }> {
  const response = await fetch(`${gateway.url}${path}`, { method: 'POST', body, headers });
  return { status: response.status, body: await response.json() };
}

function values(topic: string, partition = 0): (string | null)[] {
  return gateway.client.records(topic, partition).map(({ value }) => value?.toString() ?? null);
}

function last(topic: string, partition = 0): { key: string | undefined; value: string | undefined; headers: unknown } {
  const record = gateway.client.records(topic, partition).at(-1)!;
  return { key: record.key?.toString(), value: record.value?.toString(), headers: record.headers };
}

function newTopic(partitions = 1): string {
  const name = `topic-${gateway.client.topics().length}`;
  gateway.client.addTopic(name, partitions);
  return name;
}

test('one JSON value is one record, an array a record an element, and neither is rewritten', async () => {
  const topic = newTopic();
  expect(await post(`/v1/topics/${topic}/records`, ' {"n": 12345678901234567890} ')).toEqual({
    status: 200,
    body: { offsets: [{ partition: 0, offset: 0 }] },
  });
  expect(await post(`/v1/topics/${topic}/records`, '[1.0, "two",\n[3]]')).toEqual({
    status: 200,
    body: { offsets: [1, 2, 3].map((offset) => ({ partition: 0, offset })) },
  });
  expect(values(topic)).toEqual(['{"n": 12345678901234567890}', '1.0', '"two"', '[3]']);
});

test('raw bytes are one record as they are', async () => {
  const topic = newTopic();
  await post(`/v1/topics/${topic}/records`, 'hello\n', { 'content-type': 'text/plain; charset=utf-8' });
  await post(`/v1/topics/${topic}/records`, Buffer.from([0, 255]), { 'content-type': 'application/octet-stream' });
  await post(`/v1/topics/${topic}/records`, '', { 'content-type': 'text/plain' });
  expect(gateway.client.records(topic, 0).map(({ value }) => value)).toEqual([
    Buffer.from('hello\n'),
    Buffer.from([0, 255]),
    Buffer.alloc(0),
  ]);
});

test('key, keyField, partition, headers and acks reach the record', async () => {
  const topic = newTopic(4);
  await post(`/v1/topics/${topic}/records?key=a%20b&partition=2`, '1', { ...JSON_TYPE, 'weir-header-Origin': 'JFK' });
  expect(last(topic, 2)).toEqual({ key: 'a b', value: '1', headers: [{ key: 'origin', value: Buffer.from('JFK') }] });
  const body = '[{"o":"é"},{"o":12345678901234567890},{"x":{"o":1},"\\u006f":"a\\nb"}]';
  const { body: sent } = await post(`/v1/topics/${topic}/records?keyField=o`, body);
  const keys = sent.offsets.map(({ partition, offset }: { partition: number; offset: number }) =>
    gateway.client.records(topic, partition)[offset]!.key!.toString(),
  );
  expect(keys).toEqual(['é', '12345678901234567890', 'a\nb']);
  let acks: string | undefined;
  gateway.client.onSend = (_records, options) => (acks = options.acks);
  await post(`/v1/topics/${topic}/records?acks=leader`, '1');
  expect(acks).toBe('leader');
});

test('JSON null is a tombstone', async () => {
  const topic = newTopic();
  await post(`/v1/topics/${topic}/records?key=k`, 'null');
  expect(values(topic)).toEqual([null]);
});

test('one refused record does not fail the others; when all are refused the status says so', async () => {
  const topic = newTopic();
  const code = 'MESSAGE_TOO_LARGE';
  gateway.client.refuse = ({ value }) => (value?.length === 4 ? { code, message: 'too large' } : undefined);
  expect(await post(`/v1/topics/${topic}/records`, '[1,"aa",2]')).toEqual({
    status: 200,
    body: {
      offsets: [
        { partition: 0, offset: 0 },
        { error_code: 413, code, message: 'too large' },
        { partition: 0, offset: 1 },
      ],
    },
  });
  expect(await post(`/v1/topics/${topic}/records`, '"aa"')).toEqual({
    status: 413,
    body: { error_code: 413, code, message: 'too large' },
  });
  gateway.client.refuse = () => undefined;
});

test.each([
  ['[1,,2]', {}, '', 400, 'MALFORMED_JSON', 'line 1, byte 4'],
  ['', {}, '', 400, 'MALFORMED_JSON', 'the body is empty'],
  ['[]', {}, '', 400, 'INVALID_REQUEST', 'the array is empty'],
  ['1', {}, '?partition=1', 404, 'UNKNOWN_TOPIC_OR_PARTITION', 'has only partition 0, not 1'],
  ['1', {}, '?partition=x', 400, 'INVALID_REQUEST', 'whole number'],
  ['1', {}, '?key=a&keyField=b', 400, 'INVALID_REQUEST', 'one key'],
  ['1', {}, '?acks=2', 400, 'INVALID_REQUEST', 'not one of all, leader'],
  ['1', {}, '?kye=a', 400, 'INVALID_REQUEST', '"kye" is unknown here: it has key'],
  ['[{"a":1},{}]', {}, '?keyField=a', 400, 'INVALID_RECORD', 'no such field'],
  ['{"a":[]}', {}, '?keyField=a', 400, 'INVALID_RECORD', 'neither a string nor a number'],
  ['a=b', { 'content-type': 'application/x-www-form-urlencoded' }, '', 415, 'UNSUPPORTED_MEDIA_TYPE', 'curl -d'],
  ['a', { 'content-type': 'application/xml' }, '', 415, 'UNSUPPORTED_MEDIA_TYPE', 'application/x-ndjson'],
  ['a', { 'content-type': 'application/vnd.kafka.json.v2+json' }, '', 415, 'UNSUPPORTED_MEDIA_TYPE', 'POST /topics'],
  ['a', { 'content-type': ';;' }, '', 415, 'UNSUPPORTED_MEDIA_TYPE', 'not a media type'],
  ['1', { 'content-encoding': 'gzip' }, '', 415, 'UNSUPPORTED_MEDIA_TYPE', 'gzip'],
])('%j %j %s is refused with %i %s', async (body, headers, query, status, code, message) => {
  const { body: answer, status: answered } = await post(`/v1/topics/orders/records${query}`, body, {
    ...JSON_TYPE,
    ...headers,
  });
  expect(answer).toMatchObject({ error_code: status, code, message: expect.stringContaining(message) });
  expect(answered).toBe(status);
});

test('a topic that is not there is refused at once, with what to do', async () => {
  expect(await post('/v1/topics/nope/records', '1')).toMatchObject({
    status: 404,
    body: { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: expect.stringContaining('POST /v1/topics {"name":"nope"}') },
  });
});

test('v2: JSON, binary and text are sent, and each record has its outcome', async () => {
  const topic = newTopic(2);
  const send = (format: string, body: unknown, path = ''): ReturnType<typeof post> =>
    post(`/topics/${topic}${path}`, JSON.stringify(body), {
      'content-type': `application/vnd.kafka.${format}.v2+json`,
    });
  expect(
    await send('json', {
      records: [
        { value: { a: 1 }, partition: 1 },
        { value: 1, partition: 9 },
      ],
    }),
  ).toMatchObject({
    status: 200,
    body: {
      offsets: [
        { partition: 1, offset: 0 },
        { error_code: 404, message: expect.any(String) },
      ],
    },
  });
  await send('binary', { records: [{ value: 'aGk=', partition: 0 }] });
  await send('text', { records: [{ value: 'hi' }] }, '/partitions/0');
  expect(values(topic)).toEqual(['hi', 'hi']);
  expect(await send('json', { records: [{}] })).toMatchObject({
    status: 422,
    body: { error_code: 422, validation_errors: ['records[0]: "value" is missing (null is a tombstone)'] },
  });
  expect(await send('json', { records: [{ value: 1 }] }, '/partitions/7')).toMatchObject({ status: 404 });
  expect(await send('avro', {})).toMatchObject({ status: 415, body: { error_code: 415 } });
});

test('v2: async is answered at once, and media types are as asked for', async () => {
  gateway.client.holdAcks = true;
  const v2 = 'application/vnd.kafka.v2+json';
  const body = '{"records":[{"value":1}]}';
  const sent = await fetch(`${gateway.url}/topics/orders?async=true`, { method: 'POST', body, headers: JSON_TYPE });
  expect(sent.status).toBe(204);
  gateway.client.releaseAcks();
  const typed = await fetch(`${gateway.url}/topics/orders`, {
    method: 'POST',
    body,
    headers: { ...JSON_TYPE, accept: v2 },
  });
  expect(typed.headers.get('content-type')).toBe(v2);
});
