import { constants } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { status as Status } from '@grpc/grpc-js';
import { STREAM_ABORT_MS } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Handler, Metadata, Stream, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { BulkMessages } from './grpc-bulk-messages.ts';
import { statusFor, trailersFor } from './grpc-failure.ts';
import type { GrpcStatus } from './grpc-failure.ts';
import type { SessionMemory } from './http2-session-memory.ts';

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
  const bulk = new ServerBulkStream(stream, headers, handler, memory);
  bulk.begin(handler.accept(bulk, metadataFrom(headers), peerOf(stream)));
}

class ServerBulkStream implements Stream<unknown> {
  readonly #stream: ServerHttp2Stream;
  readonly #messages: BulkMessages;
  readonly #encoding: string | undefined;
  readonly #timeout: string | undefined;
  #statusSent = false;
  #status: GrpcStatus | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { method, slabs }: BulkHandler,
    memory: SessionMemory,
  ) {
    this.#stream = stream;
    this.#messages = new BulkMessages({
      stream,
      slabs,
      memory,
      incoming: method.request,
      outgoing: method.response,
      faulted: ({ status, message }) => this.#faulted(status, message),
    });
    this.#encoding = textOf(headers['grpc-encoding']);
    this.#timeout = textOf(headers['grpc-timeout']);
    // What is wrong is told by `close`, which always follows.
    stream.on('error', () => {});
    stream.on('close', () => this.#closed());
  }

  begin(handlers: StreamHandlers<unknown>): void {
    this.#messages.begin(handlers);
    this.#startDeadline();
    this.#messages.read(this.#encoding);
    // A client that cancels may end its side first: then it is known a moment later.
    this.#stream.on('end', () => setImmediate(() => this.#halfClosed()));
  }

  send(message: unknown): boolean {
    if (!this.#messages.isSendable) return false;
    this.#respond();
    return this.#messages.send(message);
  }

  end(): void {
    this.#finish({ code: Status.OK, details: '' });
  }

  abort(failure: TransportFailure): void {
    if (!this.#messages.isOpen) return;
    this.#messages.leave();
    this.#fail(statusFor(failure));
  }

  /** No more messages from the client: then nobody waits for ours. */
  #halfClosed(): void {
    if (!this.#messages.isOpen) return;
    if (this.#stream.aborted || this.#stream.destroyed) {
      this.#messages.close(WENT_AWAY);
      return;
    }
    if (this.#messages.isWithinMessage) {
      this.#faulted(Status.INTERNAL, 'the stream ends within a message');
      return;
    }
    this.#messages.close(undefined);
    this.end();
  }

  #closed(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    this.#messages.over();
    this.#messages.close(this.#statusSent ? undefined : WENT_AWAY);
  }

  #faulted(code: Status, details: string): void {
    this.#messages.close({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: details });
    this.#fail({ code, details });
  }

  /** Ends with an error: what waits is forgotten, what is being written has STREAM_ABORT_MS. */
  #fail(status: GrpcStatus): void {
    this.#messages.drop();
    this.#finish(status);
    this.#closeLater(constants.NGHTTP2_CANCEL);
  }

  /** Of an end and a failure that follows before the status has gone out, the failure is what the client learns. */
  #finish(status: GrpcStatus): void {
    if (this.#status === undefined || this.#status.code === Status.OK) this.#status = status;
    this.#messages.end(() => this.#sendStatus(this.#status ?? status));
  }

  #sendStatus(status: GrpcStatus): void {
    const stream = this.#stream;
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
    if (this.#stream.headersSent || this.#stream.destroyed) return;
    this.#stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
  }

  #closeLater(code: number): void {
    const stream = this.#stream;
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
