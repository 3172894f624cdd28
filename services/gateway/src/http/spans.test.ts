import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { POLL_LINKS_MAX } from '@weir/base/limits.ts';
import { recordingTracer } from '@weir/runtime/test-tracer.ts';
import { SpanStatusCode } from '@weir/runtime/trace.ts';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

const { tracer, ended } = recordingTracer();
type EndedSpan = ReturnType<typeof ended>[number];

let gateway: TestGateway;
/** Spans before this one are of earlier tests. */
let first = 0;

beforeAll(async () => {
  gateway = await startTestGateway({}, { tracer });
});
beforeEach(() => {
  first = ended().length;
});
afterAll(() => gateway.stop());

/** The spans of this test, in the order of their ends, once there are so many. */
function spans(count: number): Promise<EndedSpan[]> {
  return vi.waitFor(() => {
    const found = ended().slice(first);
    expect(found.map(({ name }) => name)).toHaveLength(count);
    return found;
  });
}

function produce(headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${gateway.url}/v1/topics/orders/records`, { method: 'POST', body: 'v', headers });
}

function traceparent(number: number): string {
  return `00-${number.toString(16).padStart(32, '0')}-00000000000000aa-01`;
}

test('a request is a span by the conventions of HTTP, which ends after those of what was done for it', async () => {
  await produce({ 'content-type': 'text/plain' });
  const [send, server] = await spans(2);
  expect(server!.name).toBe('POST /v1/topics/{topic}/records');
  expect(server!.attributes).toEqual({
    'http.request.method': 'POST',
    'http.route': '/v1/topics/{topic}/records',
    'http.response.status_code': 200,
    'url.path': '/v1/topics/orders/records',
    'url.scheme': 'http',
    'server.address': '127.0.0.1',
  });
  expect(send!.parentSpanContext?.spanId).toBe(server!.spanContext().spanId);
  expect(send!.attributes).toMatchObject({ 'messaging.batch.message_count': 1 });
});

test("a client's mistake is no error of the server, a bug of ours is one", async () => {
  expect((await fetch(`${gateway.url}/v1/topics/nope`)).status).toBe(404);
  vi.spyOn(gateway.client, 'topics').mockImplementationOnce(() => {
    throw new TypeError('a bug');
  });
  expect((await fetch(`${gateway.url}/v1/topics`)).status).toBe(500);
  const [mistake, bug] = await spans(2);
  expect([mistake!.status.code, mistake!.attributes['error.type']]).toEqual([SpanStatusCode.UNSET, undefined]);
  expect([bug!.status.code, bug!.attributes['error.type']]).toEqual([SpanStatusCode.ERROR, '500']);
});

test('a client that goes before it was answered has no status, and is told apart from an answer', async () => {
  gateway.client.holdAcks = true;
  const call = request(`${gateway.url}/v1/topics/orders/records`, { method: 'POST' });
  call.on('error', () => {});
  const sent = new Promise<void>((resolve) => (gateway.client.onSend = () => resolve()));
  call.end('v');
  await sent;
  call.destroy();
  const [server] = await spans(1);
  expect(server!.attributes).toMatchObject({ 'error.type': 'CLIENT_GONE' });
  expect(server!.attributes).not.toHaveProperty('http.response.status_code');
  gateway.client.releaseAcks();
  // Its records were taken all the same.
  expect((await spans(2))[1]).toMatchObject({ name: 'send orders', status: { code: SpanStatusCode.UNSET } });
});

test('a reader that leaves a stream ends its spans, and that is no error', async () => {
  const call = request(`${gateway.url}/v1/topics/orders/stream`).end();
  const [response] = await once(call, 'response');
  await once(response, 'data');
  expect(ended()).toHaveLength(first);
  call.on('error', () => {}).destroy();
  const [poll, server] = await spans(2);
  expect([poll!.name, server!.name]).toEqual(['poll orders', 'GET /v1/topics/{topic}/stream']);
  expect(server!.status.code).toBe(SpanStatusCode.UNSET);
  expect(server!.attributes).toMatchObject({ 'http.response.status_code': 200 });
});

test('a read has one link for each send, so many of them, and none for what is no traceparent', async () => {
  const log = gateway.client.records('many', 0);
  const add = (value: string): void => {
    const bytes = Buffer.from(value);
    log.push({ ...log[0]!, headers: [{ key: 'traceparent', value: bytes }] });
  };
  await fetch(`${gateway.url}/v1/topics/many/records?partition=0`, {
    method: 'POST',
    body: 'v',
    headers: { 'weir-header-traceparent': 'x'.repeat(10_000) },
  });
  for (let i = 0; i < 2 * POLL_LINKS_MAX; i++) add(`00-${'z'.repeat(32)}-${String(i).padStart(16, '0')}-01`);
  for (let i = 1; i <= POLL_LINKS_MAX + 5; i++) {
    add(traceparent(i));
    add(traceparent(i));
  }
  await fetch(`${gateway.url}/v1/topics/many/records?partition=0&limit=1000`);
  const poll = (await spans(4)).find(({ name }) => name === 'poll many')!;
  expect(poll.attributes['messaging.batch.message_count']).toBe(log.length);
  expect(poll.links.map(({ context }) => Number.parseInt(context.traceId, 16))).toEqual(
    Array.from({ length: POLL_LINKS_MAX }, (_, i) => i + 1),
  );
});
