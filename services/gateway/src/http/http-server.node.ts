import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fastify } from 'fastify';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import * as limits from '@weir/base/limits.ts';
import { splitAddress, withPort } from '@weir/base/options.ts';
import type { GatewayContext } from '../context.ts';
import type { Route } from '../route.ts';
import type { AccessRule } from './access-rule.ts';
import type { GatewayReply, GatewayRequest } from './exchange.ts';
import { failureBody, HttpFailure } from './failure.ts';
import { serve } from './serve.ts';
import type { ServedRoute, Serving } from './serve.ts';

/** A listening gateway. */
export interface HttpServer {
  /** host:port as bound. */
  readonly address: string;
  /**
   * Once the gateway is stopping, every answer ends its connection. This goes on accepting and serving until no
   * connection is left, so that no client is cut between two requests of a connection that it keeps, or until `drainMs`.
   */
  drain(drainMs: number): Promise<void>;
  /** Stops accepting, gives what is under way until `graceMs`, then cuts it. */
  stop(graceMs: number): Promise<void>;
}

/** What a server is made of. */
export interface HttpServerOptions {
  readonly listen: string;
  readonly routes: readonly Route[];
  readonly context: GatewayContext;
  readonly access: AccessRule;
  /** Further connections are refused. */
  readonly connectionsMax: number;
}

/** Methods that are answered with 405 where a path has no route for them. */
const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'QUERY',
] as const satisfies HTTPMethods[];
/** How often a stopping server closes connections that have become idle. */
const CLOSE_IDLE_MS = 50;

/** The parameter that takes all that is left of a path, as it was sent: in it "%2F" is not "/". */
const REST = /\{\+(\w+)\}$/;

/** Serves routes over HTTP/1.1. Fastify finds the route; what happens then is ours (serve.ts). */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const serving: Serving = { context: options.context, access: options.access, readers: new Set(), closing: false };
  const app = createApp();
  app.server.maxConnections = options.connectionsMax;
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  registerRoutes(app, serving, options.routes);
  try {
    await app.listen(splitAddress(options.listen));
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'the port is taken by another process' : String(error);
    throw new Error(`cannot listen on ${options.listen}: ${why}`, { cause: error });
  }
  return {
    address: withPort(options.listen, (app.server.address() as AddressInfo).port),
    drain: (drainMs) => drain(sockets, serving, drainMs),
    stop: (graceMs) => stop(app, sockets, serving, graceMs),
  };
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const at = url.indexOf('?');
  return at === -1 ? url : url.slice(0, at);
}

function createApp(): FastifyInstance {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    keepAliveTimeout: limits.HTTP_KEEP_ALIVE_MS,
    maxRequestsPerSocket: limits.HTTP_REQUESTS_PER_SOCKET_MAX,
    http: {
      headersTimeout: limits.HTTP_HEADERS_TIMEOUT_MS,
      // Bodies have their own patience: some are streams.
      requestTimeout: 0,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: limits.HTTP_HEADER_BYTES_MAX,
    },
    routerOptions: {
      // The rule for topic names says what is too long, not the router.
      maxParamLength: limits.HTTP_HEADER_BYTES_MAX,
      // The query is read by whoever handles the request.
      querystringParser: () => ({}),
    },
    clientErrorHandler: answerUnparsable,
    frameworkErrors(error, request, reply) {
      reply.hijack();
      answerAlone(
        request.raw,
        reply.raw,
        new HttpFailure('MALFORMED_REQUEST', `the path is malformed: ${error.message}`),
      );
    },
  });
  // Bodies are read by the exchange, which counts them and knows who is slow.
  app.addHttpMethod('QUERY', { hasBody: false, overrideExisting: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  return app;
}

function registerRoutes(app: FastifyInstance, serving: Serving, routes: readonly Route[]): void {
  const register = (methods: HTTPMethods[], path: string, served: ServedRoute): void => {
    const rest = REST.exec(path);
    app.route({
      method: methods,
      url: path.replace(REST, '*').replaceAll(/\{(\w+)\}/g, ':$1'),
      handler(request, reply) {
        reply.hijack();
        const params =
          rest === null
            ? (request.params as Record<string, string>)
            : { [rest[1]!]: pathOf(request.raw).slice(rest.index) };
        serve(serving, served, { request: request.raw, response: reply.raw }, params);
      },
    });
  };
  const byPath = Map.groupBy(routes, (route) => route.path);
  for (const [path, routesOfPath] of byPath) {
    const taken = new Set<string>(['OPTIONS']);
    for (const route of routesOfPath) {
      const methods = methodsOf(route);
      for (const method of methods) taken.add(method);
      register(methods, path, servedRoute(serving, route));
    }
    const allow = [...taken].join(', ');
    const metrics = serving.context.metrics.ofRoute(path);
    const others = METHODS.filter((method) => !taken.has(method));
    const refuse = (request: GatewayRequest): never => {
      const message = `${path} does not have ${request.method}: it has ${allow}`;
      throw new HttpFailure('METHOD_NOT_ALLOWED', message, { headers: { allow } });
    };
    const bare = { label: path, metrics, body: undefined, traced: false };
    register(others, path, { ...bare, handle: refuse });
    register(['OPTIONS'], path, { ...bare, handle: () => optionsReply(allow) });
  }
  const metrics = serving.context.metrics.ofRoute('none');
  const answer = (request: IncomingMessage, response: ServerResponse, failure: HttpFailure): void => {
    const fail = (): never => {
      throw failure;
    };
    serve(serving, { label: 'none', metrics, body: undefined, traced: false, handle: fail }, { request, response }, {});
  };
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    const path = request.raw.url?.split('?', 1)[0] ?? '';
    const message = `there is no ${request.method} ${path}: see /openapi.json for what there is`;
    answer(request.raw, reply.raw, new HttpFailure('UNKNOWN_ROUTE', message));
  });
  app.setErrorHandler((error, request, reply) => {
    reply.hijack();
    const { code, message } = error as { code?: string; message: string };
    if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
      const told = `content-type ${JSON.stringify(request.headers['content-type'])} is not a media type: say, for example, application/json`;
      return answer(request.raw, reply.raw, new HttpFailure('UNSUPPORTED_MEDIA_TYPE', told));
    }
    serving.context.logger.error({ err: error }, `a request failed in the HTTP library: ${message}`);
    answer(
      request.raw,
      reply.raw,
      new HttpFailure('UNKNOWN_SERVER_ERROR', 'this gateway failed by an error of its own: its log says more'),
    );
  });
}

function servedRoute(serving: Serving, route: Route): ServedRoute {
  return {
    label: route.path,
    metrics: serving.context.metrics.ofRoute(route.path),
    body: route.body,
    traced: route.operation.tag !== 'operation',
    handle: (request) => route.handle(serving.context, request),
  };
}

/** A GET route answers HEAD as well, unless its answer never ends. */
function methodsOf(route: Route): HTTPMethods[] {
  const endless = Object.values(route.operation.responses).some(
    ({ content }) => content?.['text/event-stream'] !== undefined,
  );
  return route.method === 'GET' && !endless ? ['GET', 'HEAD'] : [route.method];
}

/** What a browser asks before a listed foreign page may send something; without a listed origin it says no by silence. */
function optionsReply(allow: string): GatewayReply {
  const headers = {
    allow,
    'access-control-allow-methods': allow,
    'access-control-allow-headers': 'content-type, last-event-id, traceparent, weir-session, weir-header-*',
    'access-control-max-age': '600',
  };
  return { kind: 'empty', status: 204, headers };
}

/** An answer before there is a route, or a context to serve it in. */
function answerAlone(request: IncomingMessage, response: ServerResponse, failure: HttpFailure): void {
  const body = `${JSON.stringify(failureBody(failure))}\n`;
  response.writeHead(failure.status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
  request.resume();
}

/** What the parser refuses: there is no request, only a socket. */
function answerUnparsable(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, failure] = unparsable(error.code);
  const body = `${JSON.stringify({ ...failureBody(failure), error_code: status })}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${failure.code}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function unparsable(code: string | undefined): [number, HttpFailure] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW': {
      const message = `request line and headers have more than ${limits.HTTP_HEADER_BYTES_MAX} bytes together: shorten them`;
      return [431, new HttpFailure('MALFORMED_REQUEST', message)];
    }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [
        408,
        new HttpFailure('BODY_TOO_SLOW', `the headers took more than ${limits.HTTP_HEADERS_TIMEOUT_MS / 1_000} s`),
      ];
    default:
      return [400, new HttpFailure('MALFORMED_REQUEST', 'this is not HTTP/1.1')];
  }
}

async function drain(sockets: ReadonlySet<Socket>, serving: Serving, drainMs: number): Promise<void> {
  for (const reader of serving.readers) reader.draining();
  const deadlineMs = performance.now() + drainMs;
  while (performance.now() < deadlineMs && sockets.size > 0) await pause(limits.DRAIN_LOOK_MS);
}

async function stop(
  app: FastifyInstance,
  sockets: ReadonlySet<Socket>,
  serving: Serving,
  graceMs: number,
): Promise<void> {
  const { server } = app;
  const closed = app.close();
  serving.closing = true;
  for (const reader of serving.readers) reader.stopping();
  const closeIdle = setInterval(() => {
    server.closeIdleConnections();
    // Node takes one that has never said anything for busy.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  }, CLOSE_IDLE_MS);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(closeIdle);
  clearTimeout(cut);
}
