import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';

vi.mock('@weir/base/limits.ts', async (original) => ({
  ...(await original<Record<string, number>>()),
  HTTP_BODY_IDLE_MS: 150,
  HTTP_UPLOAD_IDLE_MS: 200,
  HTTP_WRITE_STALL_MS: 1_000,
  HTTP_HEADERS_TIMEOUT_MS: 300,
  HTTP_LINGER_MS: 100,
  STREAM_PING_MS: 20,
  STREAMS_MAX: 2,
}));

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

function dial(): Socket {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  return socket;
}

/** Sends text as it is and reads until the server ends. */
async function raw(text: string): Promise<string> {
  const socket = dial();
  socket.write(text);
  let answer = '';
  socket.on('data', (chunk) => (answer += String(chunk)));
  await once(socket, 'close');
  return answer;
}

const HEAD = 'Host: localhost\r\nConnection: close\r\n';

test.each([
  ['/v1/topics/%2e%2e/records', 400, 'INVALID_TOPIC_EXCEPTION'],
  ['/v1/topics/../records', 400, 'INVALID_TOPIC_EXCEPTION'],
  ['/v1/topics/../../etc/passwd', 404, 'UNKNOWN_ROUTE'],
  ['/v1/topics/a%2Fb/records', 400, 'INVALID_TOPIC_EXCEPTION'],
  ['/v1/topics/a%00b/records', 400, 'INVALID_TOPIC_EXCEPTION'],
  ['/v1/topics/a%0d%0ab/records', 400, 'INVALID_TOPIC_EXCEPTION'],
  ['/v1/topics/%zz/records', 400, 'MALFORMED_REQUEST'],
  ['/v1/topics/%ff/records', 400, 'MALFORMED_REQUEST'],
  [`/v1/topics/${'a'.repeat(250)}/records`, 400, 'INVALID_TOPIC_EXCEPTION'],
  [`/v1/topics/${'a'.repeat(249)}/records`, 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ['/v1/topics//records', 400, 'INVALID_TOPIC_EXCEPTION'],
  ['/topics/orders/partitions/2147483647', 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ['/topics/orders/partitions/x', 400, 'INVALID_REQUEST'],
  ['//v1/topics', 404, 'UNKNOWN_ROUTE'],
  ['/V1/topics', 404, 'UNKNOWN_ROUTE'],
  ['/v1/topics/orders/records?%zz', 400, 'INVALID_REQUEST'],
  ['/consumers', 404, 'UNKNOWN_ROUTE'],
])('GET %s is answered with %i %s', async (path, status, code) => {
  const answer = await raw(`GET ${path} HTTP/1.1\r\n${HEAD}\r\n`);
  expect(answer).toContain(`HTTP/1.1 ${status} `);
  expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ error_code: status, code });
});

test('a method that a path does not have is told which it has', async () => {
  const response = await fetch(`${gateway.url}/v1/topics/orders/records`, { method: 'DELETE' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('OPTIONS, POST, GET, HEAD');
  expect(await response.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
  expect((await fetch(`${gateway.url}/v1/topics`, { method: 'HEAD' })).status).toBe(200);
  expect((await fetch(`${gateway.url}/v1/topics/orders/stream`, { method: 'HEAD' })).status).toBe(405);
});

test.each(['TRACE', 'QUERY'])('%s is a method that no path has, with and without a body', async (method) => {
  for (const rest of ['', 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}']) {
    const answer = await raw(`${method} /v1/topics HTTP/1.1\r\n${HEAD}${rest === '' ? '\r\n' : rest}`);
    expect(answer).toContain('HTTP/1.1 405 ');
    expect(answer.toLowerCase()).toContain('allow: options, get, head, post');
  }
  expect(await raw(`${method} /nothing HTTP/1.1\r\n${HEAD}\r\n`)).toContain('HTTP/1.1 404 ');
});

test('what is not HTTP, or has too long a head, gets a typed answer and a closed connection', async () => {
  expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [^]*"code":"MALFORMED_REQUEST"/);
  expect(await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 431 /,
  );
});

test('a head that never ends is closed', async () => {
  expect(await raw('GET / HTTP/1.1\r\nHost: localhost\r\n')).toMatch(/^HTTP\/1\.1 408 /);
});

test('a body that never comes is answered with 408 and closed; others are served meanwhile', async () => {
  const slow = raw(
    `POST /v1/topics/orders/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1,`,
  );
  expect((await fetch(`${gateway.url}/v1/topics`)).status).toBe(200);
  const answer = await slow;
  expect(answer).toContain('HTTP/1.1 408 ');
  expect(answer).toContain('BODY_TOO_SLOW');
});

test('a body that trickles is answered with 408, however long it announced itself', async () => {
  const socket = dial();
  socket.write(
    'POST /v1/topics/orders/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n[',
  );
  const trickle = setInterval(() => socket.write(' '), 20);
  let answer = '';
  socket.on('data', (chunk) => (answer += String(chunk)));
  await once(socket, 'close');
  clearInterval(trickle);
  expect(answer).toContain('HTTP/1.1 408 ');
});

test('a body that is too large is refused by its announcement, and while it comes', async () => {
  const head = 'POST /v1/topics/orders/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const announced = await raw(`${head}Content-Length: 99999999\r\n\r\n`);
  expect(announced).toMatch(/^HTTP\/1\.1 413 [^]*"code":"BODY_TOO_LARGE"/);
  const chunk = `100000\r\n${' '.repeat(0x10_0000)}\r\n`;
  const sent = await raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`);
  expect(sent).toMatch(/^HTTP\/1\.1 413 /);
  expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(/weir_gateway_in_flight_bytes \d{1,4}$/m);
});

test('an upload that falls silent is answered up to there and closed', async () => {
  const answer = await raw(
    'POST /v1/topics/orders/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n',
  );
  expect(answer).toMatch(
    /HTTP\/1\.1 200 [^]*"partition":0,"offset":\d+[^]*the body broke off after line 1: nothing came/,
  );
});

test('a client that does not read its answer is cut', async () => {
  gateway.client.addTopic('large', 1);
  const body = JSON.stringify(Array.from({ length: 10 }, () => 'x'.repeat(800_000)));
  for (let i = 0; i < 3; i++) {
    await fetch(`${gateway.url}/v1/topics/large/records`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
  }
  const socket = dial();
  socket.pause();
  for (let i = 0; i < 3; i++) socket.write('GET /v1/topics/large/records?limit=30 HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const inFlight = async (): Promise<number> =>
    Number(/weir_gateway_in_flight_bytes (\d+)/.exec(await (await fetch(`${gateway.url}/metrics`)).text())![1]);
  await expect.poll(inFlight, { timeout: 5_000 }).toBeGreaterThan(1_000_000);
  await expect.poll(inFlight, { timeout: 15_000 }).toBeLessThan(10_000);
  socket.destroy();
});

test('a foreign origin is refused before anything is done, a foreign host as well', async () => {
  const before = gateway.client.records('orders', 0).length;
  const post = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve) => {
      const sent = request(`${gateway.url}/v1/topics/orders/records`, { method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      });
      sent.end('x');
    });
  expect(await post({ origin: 'https://evil.example' })).toBe(403);
  expect(await post({ host: 'evil.example' })).toBe(403);
  expect(gateway.client.records('orders', 0)).toHaveLength(before);
  expect(await post({ origin: gateway.url })).toBe(200);
});

test('a listed origin may ask first and read the answer', async () => {
  const origin = 'https://app.example.com';
  const listed = await startTestGateway({ 'allowed-origins': origin });
  const asked = await fetch(`${listed.url}/v1/topics/orders/records`, { method: 'OPTIONS', headers: { origin } });
  expect(asked.status).toBe(204);
  expect(asked.headers.get('access-control-allow-origin')).toBe(origin);
  expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
  const read = await fetch(`${listed.url}/v1/topics`, { headers: { origin } });
  expect(read.headers.get('access-control-allow-origin')).toBe(origin);
  await listed.stop();
});

test('streams have a limit, and a quiet one is kept alive', async () => {
  const abort = new AbortController();
  const open = (): Promise<Response> => fetch(`${gateway.url}/v1/topics/orders/stream`, { signal: abort.signal });
  const [first, second] = await Promise.all([open(), open()]);
  const third = await open();
  expect(third.status).toBe(503);
  expect(third.headers.get('retry-after')).toBe('1');
  const chunks = first.body!.getReader();
  let text = '';
  while (!text.includes(': ping')) text += Buffer.from((await chunks.read()).value ?? '').toString();
  expect(second.status).toBe(200);
  abort.abort();
});

test('what cannot be held is refused with 503', async () => {
  const small = await startTestGateway({ 'memory-limit': String(64 * 1024 * 1024) });
  const body = Buffer.alloc(12 * 1024 * 1024, ' ');
  const holdBack = Array.from({ length: 2 }, () => {
    const sent = request(`${small.url}/v1/topics/orders/records`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': body.length + 1 },
    });
    sent.on('error', () => {});
    sent.write(body);
    return once(sent, 'response').then(([response]) => {
      response.resume();
      return response.statusCode as number;
    });
  });
  const statuses = await Promise.all(holdBack);
  expect(statuses).toContain(503);
  expect((await fetch(`${small.url}/v1/topics`)).status).toBe(200);
  await small.stop();
});

test('an error of our own is a 500 that gives nothing away', async () => {
  gateway.client.listOffsets = () => Promise.reject(new TypeError('secret'));
  const response = await fetch(`${gateway.url}/topics/orders/partitions/0/offsets`);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain('secret');
});

test('requests are counted by route, method and status', async () => {
  await fetch(`${gateway.url}/v1/topics/orders`);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toMatch(
    /weir_gateway_requests_total\{route="\/v1\/topics\/\{topic\}",method="GET",status="200"\} \d/,
  );
  expect(metrics).toContain('weir_gateway_request_duration_seconds_bucket');
});

test('a stop ends streams, answers what waits, finishes what is under way, and refuses the port to nobody', async () => {
  const stopping = await startTestGateway();
  const stream = await fetch(`${stopping.url}/v1/topics/orders/stream`);
  stopping.client.holdAcks = true;
  const reads = new Promise<void>((resolve) => (stopping.client.onRead = () => resolve()));
  const sends = new Promise<void>((resolve) => (stopping.client.onSend = () => resolve()));
  const waiting = fetch(`${stopping.url}/v1/topics/orders/records?wait=60s`);
  const producing = fetch(`${stopping.url}/v1/topics/orders/records`, { method: 'POST', body: 'x' });
  await Promise.all([reads, sends]);
  const stopped = stopping.stop();
  expect(stopping.notReady()).toBe('stopping');
  expect(await (await waiting).json()).toMatchObject({ records: [] });
  expect(await stream.text()).toContain(': this gateway stops, connect again');
  stopping.client.releaseAcks();
  expect((await producing).status).toBe(200);
  await stopped;
  expect(stopping.client.closed).toBe(true);
  await expect(fetch(`${stopping.url}/v1/topics`)).rejects.toThrow('fetch failed');
});

test('a port that is taken, and an open one that nobody asked for, stop the start', async () => {
  const { host } = new URL(gateway.url);
  await expect(startTestGateway({ 'http-listen': host })).rejects.toThrow(
    `cannot listen on ${host}: the port is taken`,
  );
  await expect(startTestGateway({ 'http-listen': '0.0.0.0:0' })).rejects.toThrow(
    '--http-listen 0.0.0.0:0 is not a loopback address',
  );
  await expect(startTestGateway({ 'allowed-origins': 'https://a.example/path' })).rejects.toThrow(
    'is not a list of origins',
  );
});
