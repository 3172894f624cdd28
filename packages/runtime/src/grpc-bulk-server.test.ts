import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import { GRPC_FRAME_BYTES, GRPC_MESSAGE_BYTES_MAX, STREAM_QUEUE_BYTES } from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { onBulkStream } from '@weir/base/transport.ts';
import type { Codec, Stream, TransportFailure } from '@weir/base/transport.ts';
import {
  bulk,
  closeAll,
  closers,
  echo,
  framed,
  listen,
  MIB,
  open,
  parts,
  poisoned,
  POISON,
  roundTrip,
  setUp,
  until,
} from './grpc-bulk-test-kit.ts';
import type { Accept } from './grpc-bulk-test-kit.ts';
import { grpcTransport } from './grpc-transport.ts';

afterEach(closeAll);

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
  const server = await setUp((stream) => {
    sender = stream;
    return {};
  }, slabs);
  server.session.on('error', () => {});
  const call = open(server.session);
  await until(() => sender !== undefined);
  for (let i = 0; i < 5; i++) {
    const piece = slabs.allocate(600_000);
    sender.send([piece]);
    slabs.release(piece);
  }
  // The first ones are on the connection by now.
  await roundTrip(server.session);
  return { ...server, sender, call };
}

test.each([
  ['the client resets the stream', ({ call }) => call.stream.close(constants.NGHTTP2_CANCEL)],
  ['the connection breaks', ({ session }) => session.destroy()],
  ['the server is cut', ({ listener }) => void listener.close(0)],
] as [string, (waiting: Awaited<ReturnType<typeof withWaitingMessages>>) => void][])(
  'everything that waits is released once when %s',
  async (_, happen) => {
    const waiting = await withWaitingMessages();
    const { slabs, closed } = waiting;
    expect(slabs.usedBytes).toBe(5 * MIB);
    happen(waiting);
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
