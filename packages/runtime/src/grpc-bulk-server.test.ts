import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { GRPC_FRAME_BYTES, GRPC_MESSAGE_BYTES_MAX, STREAM_ABORT_MS, STREAM_QUEUE_BYTES } from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { onBulkStream, onCall } from '@weir/base/transport.ts';
import type {
  Codec,
  Handler,
  Listener,
  Method,
  Stream,
  StreamHandlers,
  TransportFailure,
} from '@weir/base/transport.ts';
import { grpcTransport } from './grpc-transport.ts';

const MIB = 1024 * 1024;
const POISON = 0xdb;

/** Decoding aliases what came in; encoding leaves payload where it is. */
const parts: Codec<readonly Uint8Array[]> = {
  encode: (message) => Buffer.concat(message),
  encodeParts: (message) => message,
  decode: (bytes) => [bytes],
};
const bulk: Method<readonly Uint8Array[], readonly Uint8Array[]> = {
  path: '/t.S/Bulk',
  request: parts,
  response: parts,
};
const whole: Codec<Buffer> = { encode: (message) => message, decode: (message) => Buffer.from(message) };
const echo: Method<Buffer, Buffer> = { path: '/t.S/Echo', request: whole, response: whole };

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function poisoned(): Slabs {
  return new Slabs({ slabBytes: MIB, idleBytesMax: 64 * MIB, poison: true });
}

async function listen(handlers: readonly Handler[]): Promise<Listener> {
  const listener = await grpcTransport.listen('127.0.0.1:0', handlers);
  closers.push(() => listener.close(0));
  return listener;
}

type Accept = (stream: Stream<readonly Uint8Array[]>) => Partial<StreamHandlers<readonly Uint8Array[]>>;

/** A server of one bulk method, and a plain HTTP/2 connection to it. */
async function setUp(accept: Accept, slabs = poisoned()) {
  const closed: (TransportFailure | undefined)[] = [];
  const handler = onBulkStream(bulk, slabs, (stream) => ({
    message() {},
    drained() {},
    closed: (failure) => void closed.push(failure),
    ...accept(stream),
  }));
  const listener = await listen([handler, onCall(echo, async (request) => request)]);
  const { address } = listener;
  const session = connectHttp2(`http://${address}`, { maxSessionMemory: 64 });
  closers.push(() => session.destroy());
  return { slabs, closed, listener, address, session };
}

function open(session: ClientHttp2Session, headers: Record<string, string> = {}): WireCall {
  return new WireCall(
    session.request({
      ':method': 'POST',
      ':path': bulk.path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    }),
  );
}

/** gRPC by hand, as a client. */
class WireCall {
  readonly stream: ClientHttp2Stream;
  readonly over: Promise<IncomingHttpHeaders>;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #more: () => void = () => {};

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    stream.on('error', () => {});
    this.over = new Promise((resolve) => {
      stream.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(headers));
      stream.on('trailers', resolve);
      stream.on('close', () => this.#more());
      stream.on('close', () => resolve({ 'grpc-status': `closed with ${stream.rstCode}` }));
    });
  }

  /** From now on it reads. */
  read(): void {
    this.stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      this.#more();
    });
  }

  /** The next whole message. */
  async next(): Promise<Buffer> {
    await this.#has(5);
    const end = 5 + this.#whole().readUInt32BE(1);
    await this.#has(end);
    const all = this.#whole();
    this.#chunks = [all.subarray(end)];
    this.#bytes -= end;
    return all.subarray(5, end);
  }

  async #has(bytes: number): Promise<void> {
    while (this.#bytes < bytes) {
      if (this.stream.destroyed) throw new Error(`the stream was closed with ${this.stream.rstCode}`);
      await new Promise<void>((resolve) => (this.#more = resolve));
    }
  }

  #whole(): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  /** Returns once the bytes are on the connection, so that the next ones come in another frame. */
  write(chunk: Buffer): Promise<void> {
    return new Promise((resolve) => this.stream.write(chunk, () => resolve()));
  }
}

function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

const echoing: Accept = (stream) => ({ message: (message) => void stream.send(message) });

test('a message is echoed wherever it was cut', async () => {
  const { session, slabs } = await setUp(echoing);
  const wire = Buffer.concat([framed(Buffer.from('one')), framed(Buffer.alloc(0)), framed(Buffer.from('three'))]);
  for (let cut = 1; cut < wire.length; cut++) {
    const call = open(session);
    call.read();
    await call.write(wire.subarray(0, cut));
    await call.write(wire.subarray(cut));
    expect([String(await call.next()), String(await call.next()), String(await call.next())]).toEqual([
      'one',
      '',
      'three',
    ]);
    call.stream.end();
    expect(await call.over).toMatchObject({ 'grpc-status': '0' });
  }
  expect(slabs.usedBytes).toBe(0);
});

test('many messages in one frame, and large ones in many, come in order', async () => {
  const { session, slabs } = await setUp(echoing);
  const call = open(session);
  call.read();
  const messages = [
    ...Array.from({ length: 200 }, (_, i) => Buffer.from(`message ${i}`)),
    Buffer.alloc(3 * MIB, 'large '),
    Buffer.alloc(GRPC_MESSAGE_BYTES_MAX, 'the largest '),
    Buffer.from('last'),
  ];
  call.stream.write(Buffer.concat(messages.map((message) => framed(message))));
  for (const message of messages) expect((await call.next()).equals(message)).toBe(true);
  call.stream.end();
  await call.over;
  expect(slabs.usedBytes).toBe(0);
});

test('our own client speaks with it, metadata and refusals included', async () => {
  const slabs = poisoned();
  const handler = onBulkStream(bulk, slabs, (stream, metadata) => ({
    message(message) {
      stream.send([Buffer.from(`${metadata['who']}: `), ...message]);
      stream.abort({ kind: 'refused', code: 'POLICY_VIOLATION', message: 'genug: "ä", 100 %\ud800' });
    },
    drained() {},
    closed() {},
  }));
  const connection = grpcTransport.connect((await listen([handler])).address);
  closers.push(() => connection.close());
  const failure = await new Promise<TransportFailure | undefined>((resolve) => {
    const stream = connection.open(bulk, { message() {}, drained() {}, closed: resolve }, { who: 'me' });
    stream.send([Buffer.from('hello')]);
  });
  expect(failure).toEqual({ kind: 'refused', code: 'POLICY_VIOLATION', message: 'genug: "ä", 100 %\ufffd' });
  await until(() => slabs.usedBytes === 0);
});

test('other methods of the server are answered by grpc-js, unknown ones too', async () => {
  const { session, address } = await setUp(echoing);
  const unknown = open(session, { ':path': '/t.S/Nothing' });
  expect(await unknown.over).toMatchObject({ 'grpc-status': '12' });
  const connection = grpcTransport.connect(address);
  closers.push(() => connection.close());
  expect(String(await connection.call(echo, Buffer.from('hi'), { deadlineMs: 5_000 }))).toBe('hi');
});

test('it asks for large frames', async () => {
  const { session } = await setUp(echoing);
  const [settings] = await once(session, 'remoteSettings');
  expect(settings.maxFrameSize).toBe(GRPC_FRAME_BYTES);
});

test('what is no gRPC is refused before a handler sees it', async () => {
  let accepted = 0;
  const { session } = await setUp(() => {
    accepted += 1;
    return {};
  });
  const call = open(session, { 'content-type': 'application/json' });
  const [headers] = await once(call.stream, 'response');
  expect(headers[':status']).toBe(415);
  expect(accepted).toBe(0);
});

test.each([
  ['too long', Buffer.from([0, 0xff, 0, 0, 0]), {}, '8'],
  ['compressed in a way we do not know', framed(Buffer.from('x'), 1), { 'grpc-encoding': 'gzip' }, '12'],
  ['compressed without saying how', framed(Buffer.from('x'), 1), {}, '13'],
])('a message that is %s ends the stream', async (_, wire, headers, status) => {
  const { session, closed, slabs } = await setUp(echoing);
  const call = open(session, headers);
  call.stream.write(wire);
  expect(await call.over).toMatchObject({ 'grpc-status': status });
  expect(closed).toMatchObject([{ kind: 'broken' }]);
  // What comes after it is not looked at.
  await call.write(Buffer.alloc(100_000));
  expect(slabs.usedBytes).toBe(0);
});

test('a stream that ends within a message is no good end', async () => {
  const { session, closed } = await setUp(echoing);
  const call = open(session);
  call.stream.end(framed(Buffer.from('whole')).subarray(0, 7));
  expect(await call.over).toMatchObject({ 'grpc-status': '13' });
  expect(closed).toMatchObject([{ kind: 'broken' }]);
});

test('a message that cannot be read ends the stream', async () => {
  const slabs = poisoned();
  const strict: Codec<readonly Uint8Array[]> = {
    ...parts,
    decode: () => {
      throw new Error('no such field');
    },
  };
  const method = { ...bulk, request: strict };
  const handler = onBulkStream(method, slabs, () => ({ message() {}, drained() {}, closed() {} }));
  const session = connectHttp2(`http://${(await listen([handler])).address}`);
  closers.push(() => session.destroy());
  const call = open(session);
  call.stream.write(framed(Buffer.from('x')));
  expect(await call.over).toMatchObject({ 'grpc-status': '13', 'grpc-message': expect.stringContaining('no%20such') });
  expect(slabs.usedBytes).toBe(0);
});

test('a deadline that the client set is kept, and one that is nonsense refused', async () => {
  const { session, closed } = await setUp(echoing);
  expect(await open(session, { 'grpc-timeout': '20m' }).over).toMatchObject({ 'grpc-status': '4' });
  expect(await open(session, { 'grpc-timeout': 'soon' }).over).toMatchObject({ 'grpc-status': '13' });
  expect(closed).toHaveLength(2);
});

test('a message is good during the call only, unless it is retained', async () => {
  const slabs = poisoned();
  const kept: Buffer[] = [];
  const { session } = await setUp(
    (stream) => ({
      message([message]) {
        const view = Buffer.from(message!.buffer, message!.byteOffset, message!.byteLength);
        if (kept.length === 1) slabs.retain(view);
        kept.push(view);
        stream.send([Buffer.from('taken')]);
      },
    }),
    slabs,
  );
  const call = open(session);
  call.read();
  for (const text of ['first', 'second', 'third']) {
    await call.write(framed(Buffer.from(text)));
    await call.next();
  }
  // The first has made room for the second, which stays.
  expect(kept[1]!.toString('latin1')).toBe('second');
  expect(kept[0]!.toString('latin1')).toBe('secon');
  slabs.release(kept[1]!);
  expect(kept[1]!.every((byte) => byte === POISON)).toBe(true);
});

test('a reader that does not read holds the sender back, keeps what was sent to it, and gets all of it', async () => {
  const slabs = poisoned();
  let sender!: Stream<readonly Uint8Array[]>;
  let drained = 0;
  const { session } = await setUp((stream) => {
    sender = stream;
    return { drained: () => void drained++ };
  }, slabs);
  const call = open(session);
  await until(() => sender !== undefined);
  let sent = 0;
  for (let roomy = true; roomy;) {
    const piece = slabs.allocate(100_000).fill(sent + 1);
    roomy = sender.send([piece]);
    slabs.release(piece);
    sent += 1;
  }
  expect(sent).toBe(Math.ceil(STREAM_QUEUE_BYTES / 100_005));
  expect(slabs.usedBytes).toBeGreaterThan(sent * 100_000 - 1);
  expect(drained).toBe(0);
  call.read();
  for (let i = 0; i < sent; i++) {
    const message = await call.next();
    expect(message.length).toBe(100_000);
    expect(message.every((byte) => byte === i + 1)).toBe(true);
  }
  await until(() => slabs.usedBytes === 0);
  expect(drained).toBe(1);
});

test('where memory is scarce what waits for a reader is copied, and holds no slab', async () => {
  const slabs = new Slabs({ slabBytes: MIB, idleBytesMax: MIB, usedBytesMax: 0, poison: true });
  let sender!: Stream<readonly Uint8Array[]>;
  const { session } = await setUp((stream) => {
    sender = stream;
    return {};
  }, slabs);
  const call = open(session);
  await until(() => sender !== undefined);
  const piece = slabs.allocate(500_000).fill(7);
  sender.send([piece, piece]);
  slabs.release(piece);
  expect(slabs.usedBytes).toBe(0);
  call.read();
  expect((await call.next()).equals(Buffer.alloc(1_000_000, 7))).toBe(true);
});

/** A stream with five messages of 600 kB on their way, of which the client's window lets hardly any through. */
async function withWaitingMessages() {
  const slabs = poisoned();
  let sender!: Stream<readonly Uint8Array[]>;
  const parts = await setUp((stream) => {
    sender = stream;
    return {};
  }, slabs);
  parts.session.on('error', () => {});
  const call = open(parts.session);
  await until(() => sender !== undefined);
  for (let i = 0; i < 5; i++) {
    const piece = slabs.allocate(600_000);
    sender.send([piece]);
    slabs.release(piece);
  }
  // The first ones are on the connection by now.
  await new Promise<void>((resolve) => parts.session.ping(() => resolve()));
  return { ...parts, sender, call };
}

test.each([
  ['the client resets the stream', ({ call }) => call.stream.close(constants.NGHTTP2_CANCEL)],
  ['the connection breaks', ({ session }) => session.destroy()],
  ['the server is cut', ({ listener }) => void listener.close(0)],
] as [string, (parts: Awaited<ReturnType<typeof withWaitingMessages>>) => void][])(
  'everything that waits is released once when %s',
  async (_, happen) => {
    const parts = await withWaitingMessages();
    const { slabs, closed } = parts;
    expect(slabs.usedBytes).toBe(5 * MIB);
    happen(parts);
    await until(() => slabs.usedBytes === 0);
    expect(closed).toMatchObject([{ kind: 'broken' }]);
  },
);

test('a server that aborts sends what had begun whole, and forgets the rest at once', async () => {
  const { slabs, sender, call, closed } = await withWaitingMessages();
  sender.abort({ kind: 'refused', code: 'INVALID_REQUEST', message: 'no' });
  expect(slabs.usedBytes).toBe(MIB);
  call.read();
  expect((await call.next()).length).toBe(600_000);
  expect(await call.over).toMatchObject({ 'grpc-status': '10', 'weir-code': 'INVALID_REQUEST' });
  await until(() => slabs.usedBytes === 0);
  expect(closed).toEqual([]);
});

/** Passes bytes between a client and a server; what the server says is held back until it is told otherwise. */
class Dam {
  readonly port: number;
  readonly passed: Buffer[] = [];
  upstream!: Socket;

  private constructor(server: ReturnType<typeof createServer>) {
    this.port = (server.address() as AddressInfo).port;
  }

  static async before(address: string): Promise<Dam> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const dam = new Dam(server);
    server.on('connection', (client) => {
      const [host, port] = address.split(':');
      const upstream = connectTcp(Number(port), host);
      dam.upstream = upstream;
      for (const socket of [client, upstream]) socket.on('error', () => {});
      client.on('data', (chunk) => upstream.write(chunk));
      upstream.on('close', () => client.end());
      upstream.on('data', (chunk) => {
        dam.passed.push(chunk);
        client.write(chunk);
      });
      closers.push(() => {
        client.destroy();
        upstream.destroy();
      });
    });
    closers.push(() => void server.close());
    return dam;
  }
}

/** A server whose connection has a write that does not come back, as its client takes nothing from the socket. */
async function withStuckSocket() {
  // Keepalive would end it, and an aborted stream ends when a test says so.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  closers.push(() => void vi.useRealTimers());
  const slabs = poisoned();
  let sender!: Stream<readonly Uint8Array[]>;
  const { address, listener } = await setUp((stream) => {
    sender = stream;
    return {};
  }, slabs);
  const dam = await Dam.before(address);
  const window = 64 * MIB;
  const session = connectHttp2(`http://127.0.0.1:${dam.port}`, { settings: { initialWindowSize: window } });
  closers.push(() => session.destroy());
  session.on('error', () => {});
  session.on('connect', () => session.setLocalWindowSize(window));
  const call = open(session);
  await until(() => sender !== undefined);
  await new Promise<void>((resolve) => session.ping(() => resolve()));
  dam.upstream.pause();
  // More than the sockets' buffers hold.
  for (let quiet = 0; quiet < 500; quiet += 1) {
    while (slabs.usedBytes < STREAM_QUEUE_BYTES) {
      const piece = slabs.allocate(MIB).fill(1);
      sender.send([piece]);
      slabs.release(piece);
      quiet = 0;
    }
    await turn();
  }
  return { slabs, sender, listener, dam, call };
}

/** Whether memory that was used again has gone out. */
function saidPoison({ passed }: Dam): boolean {
  const said = Buffer.concat(passed);
  if (said.length < MIB) throw new Error('the server has said nothing');
  return said.includes(Buffer.alloc(64, POISON));
}

test('memory that the socket has not taken is not used again when its stream is given up', async () => {
  const { slabs, sender, dam, call } = await withStuckSocket();
  sender.abort({ kind: 'refused', code: 'INVALID_REQUEST', message: 'enough' });
  vi.advanceTimersByTime(STREAM_ABORT_MS);
  for (let i = 0; i < 100; i++) await turn();
  // What the connection may be writing is kept; what waited behind it is not.
  expect(slabs.usedBytes).toBe(MIB);
  dam.upstream.resume();
  expect(await call.over).toEqual({ 'grpc-status': `closed with ${constants.NGHTTP2_CANCEL}` });
  await until(() => slabs.usedBytes === 0);
  expect(saidPoison(dam)).toBe(false);
});

test('nor when its connection is given up', async () => {
  const { slabs, listener, dam, call } = await withStuckSocket();
  void listener.close(0);
  vi.advanceTimersByTime(1);
  dam.upstream.resume();
  expect((await call.over)['grpc-status']).toMatch(/^closed/);
  await until(() => slabs.usedBytes === 0);
  expect(saidPoison(dam)).toBe(false);
});
