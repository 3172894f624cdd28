import { once } from 'node:events';
import { createServer } from 'node:http2';
import type {
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
  Settings,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { Connection, Metadata, Method, Stream, TransportFailure } from '@weir/base/transport.ts';
import { bulk, closers, poisoned, until } from './grpc-bulk-test-kit.ts';
import { grpcTransport } from './grpc-transport.ts';

type Parts = readonly Uint8Array[];

/** A bulk stream of the client's, and what it has been told. */
export class Call {
  readonly slabs = poisoned();
  readonly messages: string[] = [];
  readonly over: Promise<TransportFailure | undefined>;
  readonly stream: Stream<Parts>;
  isOver = false;
  failure: TransportFailure | undefined;
  drained = 0;
  message = (message: string): void => void this.messages.push(message);

  constructor(connection: Connection, metadata?: Metadata, method: Method<Parts, Parts> = bulk) {
    let tell!: (failure: TransportFailure | undefined) => void;
    this.over = new Promise((resolve) => (tell = resolve));
    const handlers = {
      message: ([bytes]: Parts) => this.message(Buffer.from(bytes!).toString('latin1')),
      drained: () => void this.drained++,
      closed: (failure: TransportFailure | undefined) => {
        if (this.isOver) throw new Error('it is told once');
        this.isOver = true;
        this.failure = failure;
        tell(failure);
      },
    };
    this.stream = connection.openBulk(method, this.slabs, handlers, metadata);
  }

  send(...texts: string[]): boolean[] {
    return texts.map((text) => this.stream.send([Buffer.from(text, 'latin1')]));
  }

  /** Sends payload in a piece of a slab until it is told to hold back; how many pieces that took. */
  fill(bytes: number): number {
    for (let sent = 1; ; sent++) {
      const piece = this.slabs.allocate(bytes).fill(sent);
      const roomy = this.stream.send([piece]);
      this.slabs.release(piece);
      if (!roomy) return sent;
    }
  }

  abort(): void {
    this.stream.abort({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'enough' });
  }

  /** All that it took is given back. */
  async isEmpty(): Promise<void> {
    await until(() => this.slabs.usedBytes === 0);
  }
}

/** Fills a stream again whenever it has room, until the buffers of all sockets on its way are full. */
export async function fillUp(timesDrained: () => number, fill: () => void): Promise<void> {
  let filled = -1;
  for (let quiet = 0; quiet < 500; quiet += 1) {
    if (timesDrained() > filled) {
      filled = timesDrained();
      fill();
      quiet = 0;
    }
    await turn();
  }
}

/** A client's connection until the test is over. */
export function connect(address: string): Connection {
  const connection = grpcTransport.connect(address);
  closers.push(() => connection.cut());
  return connection;
}

/** What such a server does with a stream. */
export type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** A server that speaks HTTP/2, and of gRPC what a test says. */
export async function serveWire(answer: Answer, settings: Settings = {}) {
  const server = createServer({ settings });
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    answer(stream, headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { sessions, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Of an answer. */
export const OK_HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

/** Begins an answer that the status follows in trailers, when it ends. */
export function respond(stream: ServerHttp2Stream, trailers: OutgoingHttpHeaders = { 'grpc-status': '0' }): void {
  stream.respond(OK_HEADERS, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
}

/** Answers with the bytes. */
export function answerWith(
  stream: ServerHttp2Stream,
  chunks: readonly Uint8Array[],
  trailers?: OutgoingHttpHeaders,
): void {
  respond(stream, trailers);
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
}
