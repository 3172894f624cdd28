import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '@weir/base/errors.ts';
import { HTTP_BODY_IDLE_MS, HTTP_LINGER_MS, HTTP_UPLOAD_IDLE_MS, HTTP_WRITE_STALL_MS } from '@weir/base/limits.ts';
import { contextOf, endSpan, SpanKind, startSpan, traceIdOf } from '@weir/runtime/trace.ts';
import type { Span } from '@weir/runtime/trace.ts';
import type { GatewayContext } from '../context.ts';
import type { RouteMetrics } from '../metrics.ts';
import { accessProblem, crossOriginHeaders } from './access-rule.ts';
import type { AccessRule } from './access-rule.ts';
import { BodyReader, RequestUpload, tooSlow } from './body-reader.ts';
import type { GatewayReply, GatewayRequest, ReplySink, StreamReader } from './exchange.ts';
import { failureOf, failureReply, HttpFailure, overloaded } from './failure.ts';
import { Query } from './query.ts';

/** What an exchange needs of the route that it goes through. */
export interface ServedRoute {
  readonly label: string;
  readonly metrics: RouteMetrics;
  readonly body: ((mediaType: string | undefined) => 'whole' | 'streamed') | undefined;
  /** Whether its requests have spans: probes and scrapes have none. */
  readonly traced: boolean;
  handle(request: GatewayRequest): GatewayReply | Promise<GatewayReply>;
}

/** What all exchanges of a server share. */
export interface Serving {
  readonly context: GatewayContext;
  readonly access: AccessRule;
  /** Streamed answers under way, to tell of a stop. */
  readonly readers: Set<StreamReader>;
  /** Whether the drain is over: streams that begin now end at once. */
  closing: boolean;
}

const NO_BODY = Buffer.alloc(0);

/** Answers one request. */
export function serve(
  serving: Serving,
  route: ServedRoute,
  raw: { readonly request: IncomingMessage; readonly response: ServerResponse },
  params: Readonly<Record<string, string>>,
): void {
  new Exchange(serving, route, raw.request, raw.response, params).begin();
}

/**
 * A request from its head to the end of its answer:
 * access rule → body (whole, or left to the handler) → handler → answer. Each part has its own patience with a client
 * that does nothing (`#wait`), and every exit passes `#closed`, which gives back what was taken.
 */
class Exchange implements GatewayRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly mediaType: string | undefined;
  body: Buffer = NO_BODY;
  upload: RequestUpload | undefined;
  readonly #serving: Serving;
  readonly #route: ServedRoute;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #startedMs: number;
  /** From here to the end of the answer, streams included. */
  readonly #span: Span | undefined;
  #bodyReader: BodyReader | undefined;
  #reader: StreamReader | undefined;
  #gone: AbortController | undefined;
  #replyBytes = 0;
  #isClosed = false;

  constructor(
    serving: Serving,
    route: ServedRoute,
    request: IncomingMessage,
    response: ServerResponse,
    params: Readonly<Record<string, string>>,
  ) {
    this.#serving = serving;
    this.#route = route;
    this.#request = request;
    this.#response = response;
    this.#startedMs = serving.context.clock.monotonicMs();
    this.params = params;
    const url = request.url ?? '/';
    const at = url.indexOf('?');
    this.query = new Query(at === -1 ? '' : url.slice(at + 1));
    this.mediaType = mediaTypeOf(request.headers['content-type']);
    if (route.traced) this.#span = this.#startSpan(at === -1 ? url : url.slice(0, at));
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get headers(): GatewayRequest['headers'] {
    return this.#request.headers;
  }

  get traceparent(): string | undefined {
    const context = this.#span === undefined ? '' : contextOf(this.#span);
    return context === '' ? this.#sentTraceparent : context;
  }

  get #sentTraceparent(): string | undefined {
    const value = this.#request.headers['traceparent'];
    return typeof value === 'string' ? value : undefined;
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController();
      if (this.#isClosed) this.#gone.abort();
    }
    return this.#gone.signal;
  }

  #startSpan(path: string): Span {
    const span = startSpan(this.#serving.context.tracer, `${this.method} ${this.#route.label}`, {
      kind: SpanKind.SERVER,
      attributes: { 'http.request.method': this.method, 'http.route': this.#route.label, 'url.path': path },
      traceparent: this.#sentTraceparent,
    });
    if (span.isRecording()) {
      span.setAttribute('url.scheme', 'http');
      const host = this.#request.headers.host?.replace(/:\d*$/, '') ?? '';
      if (host !== '') span.setAttribute('server.address', host);
    }
    return span;
  }

  /** By HTTP's conventions what a client did wrong is no error of its server; nor is it that a reader leaves a stream. */
  #endSpan(finished: boolean): void {
    const span = this.#span;
    if (span === undefined) return;
    const { headersSent, statusCode } = this.#response;
    if (headersSent) span.setAttribute('http.response.status_code', statusCode);
    if (headersSent && statusCode >= 500) endSpan(span, String(statusCode));
    else endSpan(span, finished || this.#reader !== undefined ? undefined : 'CLIENT_GONE');
  }

  begin(): void {
    this.#response.once('close', () => this.#closed());
    this.#response.on('timeout', () => this.#tookTooLong());
    const { host, origin, 'content-encoding': encoding } = this.#request.headers;
    const problem = accessProblem(this.#serving.access, host, origin);
    if (problem !== undefined) return this.#fail(problem);
    const mode = this.#route.body?.(this.mediaType);
    if (mode !== undefined && encoding !== undefined && encoding !== 'identity') {
      const message = `content-encoding ${encoding} is not taken here: send the body as it is`;
      return this.#fail(new HttpFailure('UNSUPPORTED_MEDIA_TYPE', message));
    }
    switch (mode) {
      case 'whole':
        return this.#readBody();
      case 'streamed':
        this.upload = new RequestUpload(this.#request);
        this.#wait(HTTP_UPLOAD_IDLE_MS);
        return this.#handle();
      case undefined:
        return this.#handle();
    }
  }

  #readBody(): void {
    this.#wait(HTTP_BODY_IDLE_MS);
    this.#bodyReader = new BodyReader(this.#request, this.#serving.context, (body) => {
      this.#wait(0);
      if (!Buffer.isBuffer(body)) return this.#fail(body);
      this.body = body;
      this.#serving.context.metrics.bytesIn.inc(body.length);
      this.#handle();
    });
  }

  #handle(): void {
    let reply: GatewayReply | Promise<GatewayReply>;
    try {
      reply = this.#route.handle(this);
    } catch (error) {
      return this.#fail(error);
    }
    if (reply instanceof Promise) {
      reply.then(
        (settled) => this.#answer(settled),
        (error: unknown) => this.#fail(error),
      );
    } else {
      this.#answer(reply);
    }
  }

  #fail(error: unknown): void {
    let failure = failureOf(error);
    const { logger } = this.#serving.context;
    const trace_id = traceIdOf(this.traceparent);
    if (failure === undefined) {
      logger.error({ err: error, route: this.#route.label, trace_id }, `a request failed: ${messageOf(error)}`);
      failure = new HttpFailure(
        'UNKNOWN_SERVER_ERROR',
        'this gateway failed by an error of its own: its log says more',
      );
    } else if (failure.status >= 500) {
      logger.warn({ route: this.#route.label, code: failure.code, trace_id }, failure.message);
    }
    this.#answer(failureReply(failure));
  }

  #answer(reply: GatewayReply): void {
    const response = this.#response;
    if (this.#isClosed || response.headersSent) {
      // Nobody is there any more: a stream must still let go of what it holds.
      if (reply.kind === 'stream') reply.start(GONE_SINK).closed();
      return;
    }
    if (reply.kind === 'stream') return this.#answerStream(reply);
    const headers = this.#headersOf(reply);
    if (reply.kind === 'empty') {
      response.writeHead(reply.status, headers).end();
    } else {
      const { body } = reply;
      const bytes = Buffer.byteLength(body);
      if (!this.#serving.context.budget.take(bytes)) {
        if (reply.status < 400) {
          return this.#fail(overloaded());
        }
        this.#serving.context.budget.overdraw(bytes);
      }
      this.#replyBytes = bytes;
      headers['content-type'] = reply.type;
      headers['content-length'] = bytes;
      response.writeHead(reply.status, headers);
      // As latin1, text that is ASCII is not looked at again.
      if (typeof body === 'string') response.end(body, bytes === body.length ? 'latin1' : 'utf8');
      else response.end(body);
    }
    // A client that refuses to read the answer is not waited for. Reset by the next request on the connection.
    if (!response.writableFinished) this.#wait(HTTP_WRITE_STALL_MS);
    if (!this.#request.complete) this.#request.resume();
  }

  #answerStream(reply: Extract<GatewayReply, { kind: 'stream' }>): void {
    const response = this.#response;
    if (this.upload === undefined) this.#wait(HTTP_WRITE_STALL_MS);
    response.writeHead(reply.status, { 'content-type': reply.type, ...this.#headersOf(reply) });
    response.flushHeaders();
    const { metrics } = this.#serving.context;
    const sink: ReplySink = {
      write(text) {
        if (response.destroyed || response.writableEnded) return true;
        metrics.bytesOut.inc(Buffer.byteLength(text));
        return response.write(text);
      },
      end: () => {
        response.end();
        this.#wait(HTTP_WRITE_STALL_MS);
        if (!this.#request.complete) this.#request.resume();
      },
      get pendingBytes() {
        return response.writableLength;
      },
    };
    const reader = reply.start(sink);
    this.#reader = reader;
    this.#serving.readers.add(reader);
    response.on('drain', () => reader.drained());
    if (this.#serving.closing) reader.stopping();
    else if (this.#serving.context.stopping.aborted) reader.draining();
  }

  #headersOf(reply: GatewayReply): Record<string, string | number> {
    const headers: Record<string, string | number> = { ...reply.headers };
    const crossOrigin = crossOriginHeaders(this.#serving.access, this.#request.headers.origin);
    if (crossOrigin !== undefined) Object.assign(headers, crossOrigin);
    if (this.#serving.context.stopping.aborted) headers['connection'] = 'close';
    return headers;
  }

  /** How long the client may do nothing from now on; 0: as long as it takes. */
  #wait(ms: number): void {
    this.#request.socket.setTimeout(ms);
  }

  #tookTooLong(): void {
    if (this.#response.headersSent && this.upload !== undefined && !this.#response.writableEnded) {
      // A second time, it is destroyed.
      this.#wait(HTTP_WRITE_STALL_MS);
      const { upload } = this;
      this.upload = undefined;
      upload.fail(`nothing came for ${HTTP_UPLOAD_IDLE_MS / 1_000} s`);
    } else if (this.#response.headersSent) {
      this.#request.socket.destroy();
    } else {
      this.#bodyReader?.fail(tooSlow());
    }
  }

  #closed(): void {
    this.#isClosed = true;
    const { context, readers } = this.#serving;
    const finished = this.#response.writableFinished;
    const status = finished ? this.#response.statusCode : 499;
    context.budget.give((this.#bodyReader?.heldBytes ?? 0) + this.#replyBytes);
    if (this.#replyBytes > 0) context.metrics.bytesOut.inc(this.#replyBytes);
    this.#route.metrics.count(this.method, status);
    const ms = context.clock.monotonicMs() - this.#startedMs;
    if (this.#reader === undefined) this.#route.metrics.duration.observe(ms / 1_000);
    if (!finished) this.#gone?.abort();
    if (this.#reader !== undefined) {
      readers.delete(this.#reader);
      this.#reader.closed();
    }
    // After those of what was done for it.
    this.#endSpan(finished);
    if (finished && !this.#request.complete) this.#linger();
    if (context.logger.isLevelEnabled('debug')) {
      const trace_id = traceIdOf(this.traceparent);
      context.logger.debug({ method: this.method, url: this.#request.url, status, ms, trace_id }, 'request');
    }
  }

  /** The rest of a refused body is thrown away for a moment: a client that is cut while it sends may lose the answer. */
  #linger(): void {
    const { socket } = this.#request;
    this.#serving.context.clock.after(HTTP_LINGER_MS, () => {
      if (!this.#request.complete) socket.destroy();
    });
  }
}

const GONE_SINK: ReplySink = { write: () => true, end() {}, pendingBytes: 0 };

function mediaTypeOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const end = header.indexOf(';');
  const type = (end === -1 ? header : header.slice(0, end)).trim().toLowerCase();
  return type === '' ? undefined : type;
}
