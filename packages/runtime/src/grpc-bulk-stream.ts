import { constants } from 'node:http2';
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { status as Status } from '@grpc/grpc-js';
import { messageOf } from '@weir/base/errors.ts';
import { STREAM_ABORT_MS } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Handler, Metadata, Stream, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { statusFor } from './grpc-failure.ts';
import type { GrpcStatus } from './grpc-failure.ts';
import { GrpcFault, GrpcMessageReader } from './grpc-message-reader.ts';
import { GrpcSendQueue } from './grpc-send-queue.ts';
import type { SendQueueOwner } from './grpc-send-queue.ts';
import type { SessionMemory } from './http2-session-memory.ts';
import { received } from './scavenge.ts';

/** A handler whose streams are served here. */
export type BulkHandler = Extract<Handler, { kind: 'stream' }> & { readonly slabs: Slabs };

/** Of gRPC itself, and none of the application's business. */
const PROTOCOL_HEADERS = new Set([
  'te',
  'content-type',
  'accept-encoding',
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
]);

const RESPONSE_HEADERS = {
  [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_OK,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc+proto',
} as const;

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
/** Timers go no further; a later deadline is as good as none. */
const TIMER_MS_MAX = 0x7fff_ffff;

const WENT_AWAY: TransportFailure = { kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'the client went away' };

/** Serves one HTTP/2 stream as a gRPC stream in both directions whose payload lies in slabs. */
export function serveBulkStream(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handler: BulkHandler,
  memory: SessionMemory,
): void {
  const bulk = new BulkStream(stream, headers, handler, memory);
  bulk.begin(handler.accept(bulk, metadataFrom(headers), peerOf(stream)));
}

class BulkStream implements Stream<unknown>, SendQueueOwner {
  readonly stream: ServerHttp2Stream;
  readonly slabs: Slabs;
  readonly memory: SessionMemory;
  readonly #method: BulkHandler['method'];
  readonly #reader: GrpcMessageReader;
  readonly #queue: GrpcSendQueue;
  readonly #timeout: string | undefined;
  #handlers: StreamHandlers<unknown> | undefined;
  /** The handler has not been told, and has not said, that it is over. */
  #open = true;
  /** No more messages from this side: the status is the next thing. */
  #ended = false;
  #statusSent = false;
  #status: GrpcStatus | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { method, slabs }: BulkHandler,
    memory: SessionMemory,
  ) {
    this.stream = stream;
    this.slabs = slabs;
    this.memory = memory;
    this.#method = method;
    this.#reader = new GrpcMessageReader(slabs, textOf(headers['grpc-encoding']) ?? 'identity');
    this.#queue = new GrpcSendQueue(this);
    this.#timeout = textOf(headers['grpc-timeout']);
    // What is wrong is told by `close`, which always follows.
    stream.on('error', () => {});
    stream.on('close', () => this.#closed());
  }

  begin(handlers: StreamHandlers<unknown>): void {
    this.#handlers = handlers;
    this.#startDeadline();
    this.stream.on('data', (chunk: Buffer) => this.#take(chunk));
    // A client that cancels may end its side first: then it is known a moment later.
    this.stream.on('end', () => setImmediate(() => this.#halfClosed()));
  }

  send(message: unknown): boolean {
    if (!this.#open || this.#ended) return false;
    const { encode, encodeParts } = this.#method.response;
    const parts = encodeParts === undefined ? [encode(message)] : encodeParts(message);
    this.#respond();
    return this.#queue.push(parts);
  }

  end(): void {
    this.#finish({ code: Status.OK, details: '' });
  }

  abort(failure: TransportFailure): void {
    if (!this.#open) return;
    this.#open = false;
    this.#fail(statusFor(failure));
  }

  drained(): void {
    if (this.#open) this.#handlers?.drained();
  }

  #take(chunk: Buffer): void {
    received(chunk.length);
    // Frames still arrive until the client knows that it is over.
    if (!this.#open) return;
    const { decode } = this.#method.request;
    this.#reader.push(chunk);
    try {
      while (this.#open) {
        const bytes = this.#reader.next();
        if (bytes === undefined) return;
        try {
          this.#handlers?.message(decodeWith(decode, bytes));
        } finally {
          this.slabs.release(bytes);
        }
      }
    } catch (error) {
      if (!(error instanceof GrpcFault)) throw error;
      this.#faulted(error.status, error.message);
    }
    this.#reader.clear();
  }

  /** No more messages from the client: then nobody waits for ours. */
  #halfClosed(): void {
    if (!this.#open) return;
    if (this.stream.aborted || this.stream.destroyed) {
      this.#close(WENT_AWAY);
      return;
    }
    if (this.#reader.isWithinMessage) {
      this.#faulted(Status.INTERNAL, 'the stream ends within a message');
      return;
    }
    this.#close(undefined);
    this.end();
  }

  #closed(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    this.#ended = true;
    this.#queue.close();
    this.#reader.clear();
    this.#close(this.#statusSent ? undefined : WENT_AWAY);
  }

  #faulted(code: Status, details: string): void {
    this.#close({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: details });
    this.#fail({ code, details });
  }

  #close(failure: TransportFailure | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#handlers?.closed(failure);
  }

  /** Ends with an error: what waits is forgotten, what is being written has STREAM_ABORT_MS. */
  #fail(status: GrpcStatus): void {
    this.#reader.clear();
    this.#queue.drop();
    this.#finish(status);
    this.#closeLater(constants.NGHTTP2_CANCEL);
  }

  /** Of an end and a failure that follows before the status has gone out, the failure is what the client learns. */
  #finish(status: GrpcStatus): void {
    if (this.#status === undefined || this.#status.code === Status.OK) this.#status = status;
    if (this.#ended) return;
    this.#ended = true;
    this.#queue.end(() => this.#sendStatus(this.#status ?? status));
  }

  #sendStatus(status: GrpcStatus): void {
    const { stream } = this;
    if (stream.destroyed || stream.closed) return;
    this.#statusSent = true;
    const trailers = trailersFor(status);
    if (stream.headersSent) {
      stream.once('wantTrailers', () => stream.sendTrailers(trailers));
      stream.end();
    } else {
      stream.respond({ ...RESPONSE_HEADERS, ...trailers }, { endStream: true });
    }
    // A client that does not end its side would keep the stream.
    this.#closeLater(constants.NGHTTP2_NO_ERROR);
  }

  #respond(): void {
    if (this.stream.headersSent || this.stream.destroyed) return;
    this.stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
  }

  #closeLater(code: number): void {
    const { stream } = this;
    const close = (): void => {
      if (!stream.closed && !(code === constants.NGHTTP2_CANCEL && this.#statusSent)) stream.close(code);
    };
    this.#timers.push(setTimeout(close, STREAM_ABORT_MS).unref());
  }

  #startDeadline(): void {
    if (this.#timeout === undefined) return;
    const match = /^(\d{1,8})([HMSmun])$/.exec(this.#timeout);
    if (match === null) {
      this.#faulted(Status.INTERNAL, `"${this.#timeout}" is no grpc-timeout`);
      return;
    }
    const ms = Number(match[1]) * UNIT_MS[match[2]!]!;
    if (ms > TIMER_MS_MAX) return;
    const expire = (): void => this.#faulted(Status.DEADLINE_EXCEEDED, 'the deadline has passed');
    this.#timers.push(setTimeout(expire, ms).unref());
  }
}

/** @throws GrpcFault when the bytes are no such message */
function decodeWith(decode: (bytes: Uint8Array) => unknown, bytes: Buffer): unknown {
  try {
    return decode(bytes);
  } catch (error) {
    throw new GrpcFault(Status.INTERNAL, `a message cannot be read: ${messageOf(error)}`);
  }
}

/** As gRPC's trailers; the message percent-encoded, as grpc-js does it. */
function trailersFor({ code, details, metadata }: GrpcStatus): OutgoingHttpHeaders {
  return { 'grpc-status': code, 'grpc-message': encodeURI(details.toWellFormed()), ...metadata?.toHttp2Headers() };
}

function metadataFrom(headers: IncomingHttpHeaders): Metadata {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const own = !name.startsWith(':') && !name.endsWith('-bin') && !PROTOCOL_HEADERS.has(name);
    if (own && typeof value === 'string') out[name] = value;
  }
  return out;
}

function peerOf({ session }: ServerHttp2Stream): string {
  const { remoteAddress, remotePort } = session?.socket ?? {};
  return remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}
