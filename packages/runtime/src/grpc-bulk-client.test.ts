import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { GRPC_FRAME_BYTES, GRPC_MESSAGE_BYTES_MAX, GRPC_WINDOW_BYTES, STREAM_QUEUE_BYTES } from '@weir/base/limits.ts';
import { onStream } from '@weir/base/transport.ts';
import type { Stream } from '@weir/base/transport.ts';
import { answerWith, Call, connect, fillUp, OK_HEADERS, respond, serveWire } from './grpc-bulk-client-test-kit.ts';
import { bulk, closeAll, closers, Dam, framed, listen, MIB, setUp, someTurns, until } from './grpc-bulk-test-kit.ts';

afterEach(closeAll);

/** A server of grpc-js's that answers a stream of bytes. */
async function serveGrpcJs(answer: (call: ServerDuplexStream<Buffer, Buffer>) => void): Promise<string> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  const same = (bytes: Buffer): Buffer => bytes;
  server.register(bulk.path, answer, same, same, 'bidi');
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  closers.push(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

const MESSAGES = [
  ...Array.from({ length: 200 }, (_, i) => `message ${i}`),
  '',
  'large '.repeat(500_000),
  Buffer.alloc(GRPC_MESSAGE_BYTES_MAX, 'the largest ').toString('latin1'),
  'last',
];

test('messages are echoed in order by our own server, and the memory of both sides is given back', async () => {
  const server = await setUp((stream) => ({ message: (message) => void stream.send(message) }));
  const call = new Call(connect(server.address));
  call.send(...MESSAGES);
  await until(() => call.messages.length === MESSAGES.length);
  expect(call.messages).toEqual(MESSAGES);
  call.stream.end();
  expect(await call.over).toBeUndefined();
  expect(server.closed).toEqual([undefined]);
  await call.isEmpty();
  await until(() => server.slabs.usedBytes === 0);
});

test("and by grpc-js's server", async () => {
  const address = await serveGrpcJs((stream) => {
    stream.on('data', (message: Buffer) => stream.write(message));
    stream.on('end', () => stream.end());
  });
  const call = new Call(connect(address));
  call.send(...MESSAGES);
  call.stream.end();
  expect(await call.over).toBeUndefined();
  expect(call.messages).toEqual(MESSAGES);
  await call.isEmpty();
});

test('messages come out as they went in, wherever frames were cut', async () => {
  let chunks: readonly Uint8Array[] = [];
  const { address } = await serveWire((stream) => answerWith(stream, chunks));
  const connection = connect(address);
  const property = fc.asyncProperty(
    fc.array(fc.string({ unit: 'binary-ascii', maxLength: 3_000 }), { maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 }),
    async (messages, cuts) => {
      const wire = Buffer.concat(messages.map((message) => framed(Buffer.from(message, 'latin1'))));
      const cut: Buffer[] = [];
      for (let at = 0; at < wire.length; at += cut.at(-1)!.length) {
        cut.push(wire.subarray(at, at + cuts[cut.length % cuts.length]!));
      }
      chunks = cut;
      const call = new Call(connection);
      expect(await call.over).toBeUndefined();
      expect(call.messages).toEqual(messages);
      expect(call.slabs.usedBytes).toBe(0);
    },
  );
  await fc.assert(property, { numRuns: 1_000 });
});

test('a stream asks as gRPC does, with our metadata, and for wide windows and large frames', async () => {
  let asked: IncomingHttpHeaders = {};
  const server = await serveWire((stream, headers) => {
    asked = headers;
    answerWith(stream, []);
  });
  expect(await new Call(connect(server.address), { who: 'me' }).over).toBeUndefined();
  expect(asked).toMatchObject({
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': server.address,
    ':path': bulk.path,
    te: 'trailers',
    'content-type': 'application/grpc+proto',
    who: 'me',
  });
  const [session] = server.sessions;
  expect(session!.remoteSettings).toMatchObject({
    enablePush: false,
    initialWindowSize: GRPC_WINDOW_BYTES,
    maxFrameSize: GRPC_FRAME_BYTES,
  });
  await until(() => session!.state.remoteWindowSize === GRPC_WINDOW_BYTES);
});

test('once the client has ended its side, what the server still says arrives', async () => {
  const address = await serveGrpcJs((stream) => {
    stream.resume();
    stream.on('end', () => {
      for (const text of ['one', 'two']) stream.write(Buffer.from(text));
      stream.end();
    });
  });
  const call = new Call(connect(address));
  call.send('ask');
  call.stream.end();
  expect(call.send('too late')).toEqual([false]);
  expect(await call.over).toBeUndefined();
  expect(call.messages).toEqual(['one', 'two']);
});

test.each([
  ['ours', async () => (await setUp((stream) => ({ message: () => stream.end() }))).address],
  ["grpc-js's", () => serveGrpcJs((stream) => stream.on('data', () => stream.end()))],
])('a server that has ended (%s) ends the stream for the client, which has not', async (_, serve) => {
  const call = new Call(connect(await serve()));
  call.send('over?');
  expect(await call.over).toBeUndefined();
  expect(call.send('anybody?')).toEqual([false]);
  await call.isEmpty();
});

test('a stream that the server has ended is given back, though the client has not ended it', async () => {
  let stream!: ServerHttp2Stream;
  const { address } = await serveWire((opened) => {
    stream = opened.resume();
    answerWith(stream, []);
  });
  const call = new Call(connect(address));
  call.send('anybody?');
  expect(await call.over).toBeUndefined();
  await call.isEmpty();
  await until(() => stream.closed);
});

test('a server learns that the client aborted, and the client nothing more', async () => {
  const server = await setUp((stream) => ({ message: (message) => void stream.send(message) }));
  const connection = connect(server.address);
  const call = new Call(connection);
  call.message = (message) => {
    call.messages.push(message);
    call.abort();
  };
  call.send('one', 'two', 'three');
  await until(() => server.closed.length === 1);
  expect(server.closed).toMatchObject([{ kind: 'broken' }]);
  expect(call.messages).toEqual(['one']);
  expect(call.send('four')).toEqual([false]);
  expect(call.isOver).toBe(false);
  await call.isEmpty();
  await until(() => server.slabs.usedBytes === 0);
});

test('a stream that is aborted before there is a connection is never asked for', async () => {
  let asked = 0;
  const server = await serveWire((stream) => {
    asked += 1;
    answerWith(stream, []);
  });
  const connection = connect(server.address);
  const call = new Call(connection);
  call.fill(500_000);
  // By then it is being written, as far as the stream knows.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  call.abort();
  await call.isEmpty();
  expect(await new Call(connection).over).toBeUndefined();
  expect(asked).toBe(1);
  expect(call.isOver).toBe(false);
});

const REFUSAL = { kind: 'refused', code: 'POLICY_VIOLATION', message: 'genug: "ä", 100 % / 50' } as const;

test.each(['at once', 'on a message'])('a refusal %s keeps its code and message', async (when) => {
  const server = await setUp((stream) => {
    if (when === 'at once') stream.abort(REFUSAL);
    return { message: () => stream.abort(REFUSAL) };
  });
  const call = new Call(connect(server.address));
  call.send('please');
  expect(await call.over).toEqual(REFUSAL);
  await call.isEmpty();
});

test('a refusal of a server whose stream goes over grpc-js is the same', async () => {
  const { address } = await listen([
    onStream(bulk, (stream) => ({ message: () => stream.abort(REFUSAL), drained() {}, closed() {} })),
  ]);
  const call = new Call(connect(address));
  call.send('please');
  expect(await call.over).toEqual(REFUSAL);
});

test.each([
  [{ 'grpc-status': '14', 'grpc-message': 'a%20message%2Fwith%25' }, 'broken', 'a message/with%'],
  [{ 'grpc-status': '13', 'grpc-message': '100 %' }, 'broken', '100 %'],
  [{ 'grpc-status': 'none' }, 'broken', ''],
  [{ 'grpc-status': '4', 'grpc-message': 'late' }, 'deadline', 'late'],
  [{ 'grpc-status': '8', 'grpc-message': 'too much' }, 'refused', 'too much'],
  [{}, 'broken', 'the stream ended without a status'],
])('the status %j is %s to the client, whether there was a message or not', async (trailers, kind, message) => {
  const { address } = await serveWire((stream, headers) => {
    if (headers['messages'] === 'one') answerWith(stream, [framed(Buffer.from('one'))], trailers);
    else stream.respond({ ...OK_HEADERS, ...trailers }, { endStream: true });
  });
  const connection = connect(address);
  const [withMessage, without] = [new Call(connection, { messages: 'one' }), new Call(connection)];
  expect(await withMessage.over).toMatchObject({ kind, message });
  expect(withMessage.messages).toEqual(['one']);
  expect(await without.over).toMatchObject({ kind, message });
});

test('a method that a server does not have is refused, and a server that speaks no gRPC is found out', async () => {
  const { address } = await listen([]);
  expect(await new Call(connect(address)).over).toMatchObject({ kind: 'refused', code: 'INVALID_REQUEST' });
  const web = await serveWire((stream, headers) => {
    stream.respond({ ':status': Number(headers['wanted']), 'content-type': 'text/html' });
    stream.end('<p>Not here</p>');
  });
  const connection = connect(web.address);
  expect(await new Call(connection, { wanted: '404' }).over).toMatchObject({
    kind: 'refused',
    code: 'INVALID_REQUEST',
  });
  expect(await new Call(connection, { wanted: '503' }).over).toMatchObject({
    kind: 'broken',
    message: 'HTTP status 503',
  });
});

test.each([
  ['longer than allowed', Buffer.from([0, 1, 0, 0, 1]), { kind: 'refused', code: 'MESSAGE_TOO_LARGE' }],
  ['compressed', framed(Buffer.from('x'), 1), { kind: 'broken' }],
])('a message that is %s ends the stream, and nothing after it is kept', async (_, wire, failure) => {
  let stream!: ServerHttp2Stream;
  const { address } = await serveWire((opened) => {
    stream = opened;
    stream.respond(OK_HEADERS);
    stream.write(wire);
    stream.write(Buffer.alloc(MIB));
  });
  const call = new Call(connect(address));
  expect(await call.over).toMatchObject(failure);
  await until(() => stream.closed);
  await call.isEmpty();
});

test('a message that the codec cannot read ends the stream', async () => {
  const { address } = await serveWire((stream) => answerWith(stream, [framed(Buffer.from('x'))]));
  const decode = (): never => {
    throw new Error('no such field');
  };
  const call = new Call(connect(address), {}, { ...bulk, response: { ...bulk.response, decode } });
  expect(await call.over).toMatchObject({ kind: 'broken', message: 'a message cannot be read: no such field' });
  await call.isEmpty();
});

test('a stream that ends within a message is no good end', async () => {
  const { address } = await serveWire((stream) => answerWith(stream, [framed(Buffer.from('whole')).subarray(0, 7)]));
  expect(await new Call(connect(address)).over).toMatchObject({ kind: 'broken' });
});

test('a server that does not read holds the client back, which keeps what it sends, and gets all of it', async () => {
  let stream!: ServerHttp2Stream;
  const { address } = await serveWire((opened) => {
    stream = opened;
    respond(stream);
  });
  const call = new Call(connect(address));
  const sent = call.fill(100_000);
  expect(sent).toBe(Math.ceil(STREAM_QUEUE_BYTES / 100_005));
  await until(() => stream !== undefined);
  await someTurns();
  expect(call.drained).toBe(0);
  expect(call.slabs.usedBytes).toBeGreaterThan(MIB);
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  stream.on('end', () => stream.end());
  await until(() => bytes === sent * 100_005);
  expect(call.drained).toBe(1);
  await call.isEmpty();
  call.stream.end();
  expect(await call.over).toBeUndefined();
});

test('a client that is held up holds the server back, and gets all of it', async () => {
  let sender: Stream<readonly Uint8Array[]> | undefined;
  let drained = 0;
  const server = await setUp((stream) => {
    sender = stream;
    return { drained: () => void drained++ };
  });
  const dam = await Dam.before(server.address);
  const call = new Call(connect(`127.0.0.1:${dam.port}`));
  let received = 0;
  call.message = () => void received++;
  await until(() => sender !== undefined);
  await someTurns();
  dam.upstream.pause();
  let sent = 0;
  const fill = (): void => {
    for (let roomy = true; roomy; sent++) {
      const piece = server.slabs.allocate(MIB).fill(sent);
      roomy = sender!.send([piece]);
      server.slabs.release(piece);
    }
  };
  await fillUp(() => drained, fill);
  expect(received).toBeLessThan(sent);
  expect(server.slabs.usedBytes).toBeLessThanOrEqual(STREAM_QUEUE_BYTES + MIB);
  dam.upstream.resume();
  await until(() => received === sent && server.slabs.usedBytes === 0);
  await call.isEmpty();
});
