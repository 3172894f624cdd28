import dns from 'node:dns';
import { once } from 'node:events';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS } from '@weir/base/limits.ts';
import type { Connection } from '@weir/base/transport.ts';
import { answerWith, Call, connect, fillUp, OK_HEADERS, respond, serveWire } from './grpc-bulk-client-test-kit.ts';
import { closeAll, closers, Dam, framed, MIB, someTurns, until } from './grpc-bulk-test-kit.ts';

afterEach(closeAll);

test('where nobody listens a stream is unreachable', async () => {
  const call = new Call(connect('127.0.0.1:1'));
  call.fill(MIB);
  expect(await call.over).toEqual({
    kind: 'unreachable',
    code: 'NETWORK_EXCEPTION',
    message: 'no connection: connect ECONNREFUSED 127.0.0.1:1',
    nobodyListens: true,
  });
  await call.isEmpty();
  const named = await new Call(connect('localhost:1')).over;
  expect(named).toMatchObject({
    kind: 'unreachable',
    nobodyListens: true,
    message: expect.stringContaining('REFUSED'),
  });
  expect(await new Call(connect('nowhere.invalid:1')).over).toMatchObject({
    kind: 'unreachable',
    nobodyListens: false,
  });
});

test.each([
  ['its connection breaks', (session: ServerHttp2Session) => session.socket.destroySoon()],
  ['the server is cut', (session: ServerHttp2Session) => session.destroy()],
])('when %s a stream is broken, and the next one has a connection again', async (_, breakIt) => {
  const streams: ServerHttp2Stream[] = [];
  const { address, sessions } = await serveWire((stream) => {
    streams.push(stream);
    stream.respond(OK_HEADERS);
    stream.write(framed(Buffer.from('hello')).subarray(0, 7));
  });
  const connection = connect(address);
  const calls = [new Call(connection), new Call(connection)];
  for (const call of calls) call.fill(MIB);
  await until(() => streams.length === 2);
  expect(sessions).toHaveLength(1);
  breakIt(sessions[0]!);
  for (const call of calls) {
    expect(await call.over).toMatchObject({ kind: 'broken', code: 'NETWORK_EXCEPTION' });
    await call.isEmpty();
  }
  const again = new Call(connection);
  await until(() => streams.length === 3);
  expect(sessions).toHaveLength(2);
  again.abort();
});

test('a stream that the server resets alone is broken, and the others go on', async () => {
  const streams: ServerHttp2Stream[] = [];
  const { address } = await serveWire((stream) => void streams.push(stream));
  const connection = connect(address);
  const calls = [new Call(connection), new Call(connection)];
  await until(() => streams.length === 2);
  streams[0]!.close(8);
  expect(await calls[0]!.over).toMatchObject({ kind: 'broken' });
  answerWith(streams[1]!, [framed(Buffer.from('still here'))]);
  expect(await calls[1]!.over).toBeUndefined();
  expect(calls[1]!.messages).toEqual(['still here']);
});

test('a server that is shutting down lets streams end, and new ones go to whoever is there then', async () => {
  const streams: ServerHttp2Stream[] = [];
  const { address, sessions } = await serveWire((stream) => void streams.push(stream));
  const connection = connect(address);
  const first = new Call(connection);
  await until(() => streams.length === 1);
  const gone = once(sessions[0]!, 'close');
  sessions[0]!.close();
  respond(streams[0]!);
  streams[0]!.write(framed(Buffer.from('bye')));
  await until(() => first.messages.length === 1);
  const second = new Call(connection);
  await until(() => streams.length === 2);
  expect(sessions).toHaveLength(2);
  streams[0]!.end();
  expect(await first.over).toBeUndefined();
  await gone;
  answerWith(streams[1]!, []);
  expect(await second.over).toBeUndefined();
});

test('a closed connection lets its streams end, begins none, and is gone with the last', async () => {
  const server = await serveWire((stream) => {
    respond(stream);
    stream.pipe(stream);
  });
  const connection = connect(server.address);
  const call = new Call(connection);
  call.send('before');
  await until(() => call.messages.length === 1);
  const gone = once(server.sessions[0]!, 'close');
  connection.close();
  expect(await new Call(connection).over).toMatchObject({ kind: 'unreachable' });
  call.send('after');
  await until(() => call.messages.length === 2);
  call.stream.end();
  expect(await call.over).toBeUndefined();
  await gone;
  expect(server.sessions).toHaveLength(1);
});

test('closing right after an abort takes the connection along', async () => {
  const server = await serveWire((stream) => stream.respond(OK_HEADERS));
  const connection = connect(server.address);
  const call = new Call(connection);
  await until(() => server.sessions.length === 1);
  call.fill(MIB);
  call.abort();
  connection.close();
  await once(server.sessions[0]!, 'close');
  await call.isEmpty();
  expect(call.isOver).toBe(false);
});

function fakeTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  closers.push(() => void vi.useRealTimers());
}

test('a server that takes a connection and says nothing is given up', async () => {
  fakeTimers();
  const sockets: Socket[] = [];
  const mute = createServer((socket) => void sockets.push(socket.resume())).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  closers.push(() => void mute.close());
  const call = new Call(connect(`127.0.0.1:${(mute.address() as AddressInfo).port}`));
  call.fill(MIB);
  await until(() => sockets.length === 1);
  await someTurns();
  vi.advanceTimersByTime(KEEPALIVE_TIMEOUT_MS - 1);
  await someTurns();
  expect(call.isOver).toBe(false);
  vi.advanceTimersByTime(1);
  expect(await call.over).toMatchObject({ kind: 'broken', message: expect.stringContaining('ping') });
  await call.isEmpty();
  await once(sockets[0]!, 'close');
});

test('a connection that does not come about is given up, and was never used', async () => {
  fakeTimers();
  const lookup = vi.spyOn(dns, 'lookup').mockImplementation(() => {});
  closers.push(() => lookup.mockRestore());
  const call = new Call(connect('slow.test:1'));
  call.fill(MIB);
  await someTurns();
  expect(call.isOver).toBe(false);
  vi.advanceTimersByTime(KEEPALIVE_TIMEOUT_MS);
  expect(await call.over).toMatchObject({ kind: 'unreachable', nobodyListens: false });
  await call.isEmpty();
});

test('a server that is only quiet is not', async () => {
  fakeTimers();
  const { address, sessions } = await serveWire((stream) => stream.respond(OK_HEADERS));
  const call = new Call(connect(address));
  await until(() => sessions.length === 1);
  let pings = 0;
  sessions[0]!.on('ping', () => (pings += 1));
  for (let quiet = 1; quiet < 5; quiet++) {
    await until(() => pings === quiet);
    // The answer is on its way, while this process does nothing for long.
    vi.advanceTimersByTime(KEEPALIVE_TIMEOUT_MS);
    await someTurns();
    vi.advanceTimersByTime(KEEPALIVE_MS);
  }
  await until(() => pings === 5);
  expect(call.isOver).toBe(false);
});

/** A stream whose connection has a write that does not come back: its server takes nothing from the socket any more. */
async function withStuckSocket() {
  fakeTimers();
  const window = 64 * MIB;
  const { address, sessions } = await serveWire(() => {}, { initialWindowSize: window });
  const dam = await Dam.before(address);
  const connection = connect(`127.0.0.1:${dam.port}`);
  const call = new Call(connection);
  await until(() => sessions.length === 1);
  sessions[0]!.setLocalWindowSize(window);
  await someTurns();
  dam.downstream.pause();
  dam.upstream.pause();
  await fillUp(
    () => call.drained,
    () => call.fill(MIB),
  );
  expect(call.slabs.usedBytes).toBeGreaterThan(0);
  return { connection, call };
}

test.each([
  ['nothing is heard on it', () => {}, true],
  ['it is cut', ({ connection }) => connection.cut(), true],
  [
    'its last stream is aborted and it is closed',
    ({ connection, call }) => {
      call.abort();
      connection.close();
    },
    false,
  ],
] as [string, (stuck: { connection: Connection; call: Call }) => void, boolean][])(
  'a connection whose server takes nothing any more is over, and its memory free, when %s',
  async (_, happen, isTold) => {
    const stuck = await withStuckSocket();
    happen(stuck);
    for (const ms of [KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS]) {
      await someTurns();
      vi.advanceTimersByTime(ms);
    }
    await stuck.call.isEmpty();
    expect(stuck.call.failure?.kind).toBe(isTold ? 'broken' : undefined);
  },
);
