import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
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

/** Bytes. */
export const MIB = 1024 * 1024;
/** What slabs overwrite released memory with. */
export const POISON = 0xdb;

/** Decoding aliases what came in; encoding leaves payload where it is. */
export const parts: Codec<readonly Uint8Array[]> = {
  encode: (message) => Buffer.concat(message),
  encodeParts: (message) => message,
  decode: (bytes) => [bytes],
};
/** A bulk stream of messages in parts. */
export const bulk: Method<readonly Uint8Array[], readonly Uint8Array[]> = {
  path: '/t.S/Bulk',
  request: parts,
  response: parts,
};
const whole: Codec<Buffer> = { encode: (message) => message, decode: (message) => Buffer.from(message) };
/** A plain call beside it. */
export const echo: Method<Buffer, Buffer> = { path: '/t.S/Echo', request: whole, response: whole };

/** What a test has opened. */
export const closers: (() => Promise<void> | void)[] = [];

/** Closes it, the last thing first. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

/** Slabs that overwrite what was released. */
export function poisoned(): Slabs {
  return new Slabs({ slabBytes: MIB, idleBytesMax: 64 * MIB, poison: true });
}

/** A server until the test is over. */
export async function listen(handlers: readonly Handler[]): Promise<Listener> {
  const listener = await grpcTransport.listen('127.0.0.1:0', handlers);
  closers.push(() => listener.close(0));
  return listener;
}

/** What a test's bulk handler does beyond nothing. */
export type Accept = (stream: Stream<readonly Uint8Array[]>) => Partial<StreamHandlers<readonly Uint8Array[]>>;

/** A server of one bulk method, and a plain HTTP/2 connection to it. */
export async function setUp(accept: Accept, slabs = poisoned()) {
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

/** Begins a bulk stream; `headers` come on top of gRPC's, or in their place. */
export function open(session: ClientHttp2Session, headers: Record<string, string> = {}): WireCall {
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
export class WireCall {
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

/** Passes bytes between a client and a server; what either says is held back while its socket is paused. */
export class Dam {
  readonly port: number;
  readonly passed: Buffer[] = [];
  /** To the server, and to the client. */
  upstream!: Socket;
  downstream!: Socket;

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
      dam.downstream = client;
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

/** A message as gRPC sends it. */
export function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Lets sockets go on until it is so. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** Lets sockets go on for a while: what was to happen then has happened. */
export async function someTurns(): Promise<void> {
  for (let i = 0; i < 50; i++) await turn();
}

/** All that was sent before it has been seen by the other side. */
export function roundTrip(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => session.ping(() => resolve()));
}
