import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import type { Settings } from 'node:http2';
import { afterEach, expect, test, vi } from 'vitest';
import { GRPC_WINDOW_BYTES, RECONNECT_MS_MAX } from '@weir/base/limits.ts';
import { WeirError } from '@weir/base/errors.ts';
import { onCall, onStream } from '@weir/base/transport.ts';
import type { Codec, Handler, Method, Stream, TransportError, TransportFailure } from '@weir/base/transport.ts';
import { grpcTransport } from './grpc-transport.ts';

const bytes: Codec<Buffer> = { encode: (message) => message, decode: (message) => Buffer.from(message) };
const echo: Method<Buffer, Buffer> = { path: '/test.Service/Echo', request: bytes, response: bytes };
const talk: Method<Buffer, Buffer> = { path: '/test.Service/Talk', request: bytes, response: bytes };

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function serve(...handlers: Handler[]) {
  const listener = await grpcTransport.listen('127.0.0.1:0', handlers);
  const connection = grpcTransport.connect(listener.address);
  closers.push(
    () => listener.close(100),
    () => connection.close(),
  );
  return { listener, connection };
}

test('a call is answered and its metadata arrives', async () => {
  const { connection } = await serve(
    onCall(echo, async (request, metadata) => Buffer.from(`${request} ${metadata['who']}`)),
  );
  const answer = await connection.call(echo, Buffer.from('hello'), { deadlineMs: 5000, metadata: { who: 'me' } });
  expect(answer.toString()).toBe('hello me');
});

test('a refusal keeps its code and message', async () => {
  const { connection } = await serve(
    onCall(echo, () => Promise.reject(new WeirError('TOPIC_ALREADY_EXISTS', 'there is one: "a/b", 100 %'))),
  );
  const call = connection.call(echo, Buffer.alloc(0), { deadlineMs: 5000 });
  const failure = await call.then(
    () => undefined,
    (error: TransportError) => error.failure,
  );
  expect(failure).toEqual({ kind: 'refused', code: 'TOPIC_ALREADY_EXISTS', message: 'there is one: "a/b", 100 %' });
});

test('a call that nobody answers ends at its deadline', async () => {
  const { connection } = await serve(onCall(echo, () => new Promise(() => undefined)));
  await expect(connection.call(echo, Buffer.alloc(0), { deadlineMs: 50 })).rejects.toMatchObject({
    failure: { kind: 'deadline', code: 'REQUEST_TIMED_OUT' },
  });
});

test('a call whose connection does not come about in the time for that is unreachable: nothing was sent', async () => {
  // It takes connections, and says nothing on them.
  const mute = createServer(() => {}).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  closers.push(() => void mute.close());
  const { port } = mute.address() as AddressInfo;
  const connection = grpcTransport.connect(`127.0.0.1:${port}`);
  closers.push(() => connection.close());
  await expect(connection.call(echo, Buffer.alloc(0), { deadlineMs: 5000, connectMs: 100 })).rejects.toMatchObject({
    failure: { kind: 'unreachable' },
  });
  const { connection: answering } = await serve(onCall(echo, async (request) => request));
  const answer = answering.call(echo, Buffer.from('x'), { deadlineMs: 5000, connectMs: 1000 });
  expect((await answer).toString()).toBe('x');
});

test('a call that waits for a connection which is given up is unreachable: nothing was sent', async () => {
  const mute = createServer(() => {}).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  closers.push(() => void mute.close());
  const { port } = mute.address() as AddressInfo;
  const accepted: Socket[] = [];
  mute.on('connection', (socket) => accepted.push(socket));
  for (const options of [{ deadlineMs: 5000 }, { deadlineMs: 5000, connectMs: 5000 }]) {
    for (const end of ['cut', 'close'] as const) {
      const connection = grpcTransport.connect(`127.0.0.1:${port}`);
      const call = connection.call(echo, Buffer.alloc(0), options);
      await vi.waitUntil(() => accepted.length === 1);
      const [socket] = accepted.splice(0);
      connection[end]();
      await expect(call).rejects.toMatchObject({ failure: { kind: 'unreachable' } });
      // It does not come back, also when what it had is gone.
      socket!.destroy();
      await once(socket!, 'close');
    }
  }
  const later = grpcTransport.connect(`127.0.0.1:${port}`);
  closers.push(() => later.cut());
  const call = later.call(echo, Buffer.alloc(0), { deadlineMs: 1_000 });
  await expect(call).rejects.toMatchObject({ failure: { kind: 'deadline' } });
  expect(accepted.length).toBe(1);
});

test('cutting a connection ends the calls under way, which may have been done, and closing it does not', async () => {
  const answers: ((answer: Buffer) => void)[] = [];
  const { listener, connection: cut } = await serve(
    onCall(echo, () => new Promise((resolve) => answers.push(resolve))),
  );
  const closed = grpcTransport.connect(listener.address);
  const calls = [cut, closed].map((one) => one.call(echo, Buffer.alloc(0), { deadlineMs: 5000 }));
  await vi.waitUntil(() => answers.length === 2);
  cut.cut();
  closed.close();
  await expect(calls[0]).rejects.toMatchObject({ failure: { kind: 'broken', code: 'NETWORK_EXCEPTION' } });
  for (const answer of answers) answer(Buffer.from('late'));
  expect((await calls[1])!.toString()).toBe('late');
});

test('a call to a port where nobody listens is unreachable: nothing was sent', async () => {
  const connection = grpcTransport.connect('127.0.0.1:1');
  closers.push(() => connection.close());
  await expect(connection.call(echo, Buffer.alloc(0), { deadlineMs: 5000 })).rejects.toMatchObject({
    failure: {
      kind: 'unreachable',
      message: 'no connection: connect ECONNREFUSED 127.0.0.1:1',
      nobodyListens: true,
    },
  });
});

test('a call whose stream is refused, as by a server that stops, was not done for certain', async () => {
  let refused = 0;
  const stopping = createHttp2Server().listen(0, '127.0.0.1');
  stopping.on('stream', (stream) => {
    refused++;
    stream.on('error', () => undefined);
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
  });
  await once(stopping, 'listening');
  closers.push(() => void stopping.close());
  const connection = grpcTransport.connect(`127.0.0.1:${(stopping.address() as AddressInfo).port}`);
  closers.push(() => connection.close());
  await expect(connection.call(echo, Buffer.alloc(0), { deadlineMs: 5000 })).rejects.toMatchObject({
    failure: { kind: 'unreachable', code: 'NETWORK_EXCEPTION' },
  });
  expect(refused).toBeGreaterThan(0);
});

test('whoever comes back under its name with another address is found within a few tries', async () => {
  const { listener } = await serve(onCall(echo, async (request) => request));
  let address = '127.0.0.2';
  const lookup = vi.spyOn(dns, 'lookup') as unknown as {
    mockImplementation(f: () => unknown): void;
    mockRestore(): void;
  };
  lookup.mockImplementation(() => Promise.resolve([{ address, family: 4 }]));
  closers.push(() => lookup.mockRestore());
  const connection = grpcTransport.connect(listener.address.replace('127.0.0.1', 'moves.test'));
  closers.push(() => connection.close());
  const call = (): Promise<Buffer> => connection.call(echo, Buffer.from('found'), { deadlineMs: 5000 });
  await expect(call()).rejects.toMatchObject({ failure: { kind: 'unreachable' } });
  address = '127.0.0.1';
  const answer = (): Promise<string> => call().then(String, () => 'unreachable');
  await expect.poll(answer, { timeout: 10 * RECONNECT_MS_MAX, interval: RECONNECT_MS_MAX / 10 }).toBe('found');
});

test('a stream carries messages both ways in order and ends well', async () => {
  const { connection } = await serve(
    onStream(talk, (stream) => ({
      message: (message) => void stream.send(Buffer.from(`got ${message}`)),
      drained() {},
      closed() {},
    })),
  );
  const received: string[] = [];
  const end = new Promise<TransportFailure | undefined>((resolve) => {
    const stream = connection.open(talk, {
      message: (message) => void received.push(message.toString()),
      drained() {},
      closed: resolve,
    });
    for (let i = 0; i < 100; i++) stream.send(Buffer.from(String(i)));
    stream.end();
  });
  expect(await end).toBeUndefined();
  expect(received).toEqual(Array.from({ length: 100 }, (_, i) => `got ${i}`));
});

test('a server ends a stream with a code that the client learns', async () => {
  const { connection } = await serve(
    onStream(talk, (stream) => ({
      message: () => stream.abort({ kind: 'refused', code: 'DUPLICATE_BROKER_ID', message: 'no' }),
      drained() {},
      closed() {},
    })),
  );
  const failure = await new Promise((resolve) => {
    connection.open(talk, { message() {}, drained() {}, closed: resolve }).send(Buffer.from('x'));
  });
  expect(failure).toEqual({ kind: 'refused', code: 'DUPLICATE_BROKER_ID', message: 'no' });
});

test('a server learns that a client aborted its stream', async () => {
  let opened!: Stream<Buffer>;
  const closed = new Promise<TransportFailure | undefined>((resolve) => {
    void serve(
      onStream(talk, (stream) => {
        stream.send(Buffer.from('open'));
        return { message() {}, drained() {}, closed: resolve };
      }),
    ).then(({ connection }) => {
      opened = connection.open(talk, {
        message: () => opened.abort({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: '' }),
        drained() {},
        closed() {},
      });
    });
  });
  expect(await closed).toMatchObject({ kind: 'broken' });
});

test('a sender whose reader does not read is told to hold back', async () => {
  let reader!: Stream<Buffer>;
  const { connection } = await serve(
    onStream(talk, (stream) => {
      reader = stream;
      return { message() {}, drained() {}, closed() {} };
    }),
  );
  const full = Buffer.alloc(1024 * 1024);
  // The other side reads as fast as it gets; before the connection even stands nothing is taken.
  const stream = connection.open(talk, { message() {}, drained() {}, closed() {} });
  let sent = 0;
  while (stream.send(full) && sent < 1000) sent++;
  expect(sent).toBeLessThan(100);
  expect(reader).toBeUndefined();
  stream.abort({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: '' });
});

test('the server grants its clients the wide window, which grpc-js has no option for', async () => {
  const { listener } = await serve(onCall(echo, async (request) => request));
  const session = connectHttp2(`http://${listener.address}`);
  const settings = await new Promise<Settings>((resolve) => session.once('remoteSettings', resolve));
  expect(settings.initialWindowSize).toBe(GRPC_WINDOW_BYTES);
  session.destroy();
});
