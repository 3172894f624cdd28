import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { GatewayReply, GatewayRequest } from './exchange.ts';
import { Forwarder } from './forward.node.ts';
import { Query } from './query.ts';

const forwarder = new Forwarder('gw-1');
let other: Server;
afterEach(() => void other.close());

async function listen(listener: RequestListener): Promise<string> {
  other = createServer(listener);
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(other.address() as AddressInfo).port}`;
}

function pass(http: string, body = '', gone = new AbortController().signal): Promise<GatewayReply | 'unreached'> {
  const request: GatewayRequest = {
    method: 'POST',
    params: {},
    query: new Query(''),
    headers: { accept: 'text/plain', host: 'elsewhere', cookie: 'c' },
    mediaType: undefined,
    body: Buffer.from(body),
    upload: undefined,
    traceparent: undefined,
    signal: new AbortController().signal,
  };
  return forwarder.forward({ gateway: 'gw-2', http, session: 1 }, request, '/consumers/g?x=1', gone);
}

test('a request is passed on as it came, marked, and the answer comes back as it was', async () => {
  const seen: unknown[] = [];
  const http = await listen((request, response) => {
    const { accept, cookie, 'weir-forwarded-by': by } = request.headers;
    seen.push([request.method, request.url, accept, cookie, by]);
    request.on('data', (piece: Buffer) => seen.push(piece.toString()));
    request.on('end', () => {
      response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '1' }).end('later');
    });
  });
  const headers = { 'retry-after': '1' };
  expect(await pass(http, 'body')).toEqual({
    kind: 'whole',
    status: 503,
    type: 'text/plain',
    body: Buffer.from('later'),
    headers,
  });
  expect(seen).toEqual([['POST', '/consumers/g?x=1', 'text/plain', undefined, 'gw-1'], 'body']);
});

test('an answer without a body', async () => {
  const http = await listen((_, response) => response.writeHead(204).end());
  expect(await pass(http)).toEqual({ kind: 'empty', status: 204, headers: {} });
});

test('a gateway that does not listen is not reached', async () => {
  const http = await listen(() => {});
  await new Promise((resolve) => other.close(resolve));
  expect(await pass(http)).toBe('unreached');
});

test('a request that may have been taken is not said to be unreached', async () => {
  const http = await listen((request) => void request.socket.destroy());
  await expect(pass(http)).rejects.toMatchObject({ code: 'CONSUMER_MOVED' });
});

test('a gateway whose session is over is not waited for', async () => {
  const gone = new AbortController();
  const http = await listen(() => gone.abort());
  const failure = { code: 'CONSUMER_MOVED', message: expect.stringContaining('its session is over') };
  await expect(pass(http, '', gone.signal)).rejects.toMatchObject(failure);
  // This one it was never connected with.
  expect(await pass(http, '', AbortSignal.abort())).toBe('unreached');
});

test('an answer that breaks off is none', async () => {
  const http = await listen((_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '9' }).write('half', () => {
      response.destroy();
    });
  });
  await expect(pass(http)).rejects.toMatchObject({ code: 'CONSUMER_MOVED' });
});
