import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { splitAddress, withPort } from '@weir/base/options.ts';

// Not by an import: that looks at every export, and one of them loads undici, for 25 ms of each start.
const { createServer } = process.getBuiltinModule('node:http');

/** What a service's ops port answers from. */
export interface OpsSource {
  readonly registry: Registry;
  /** Why it has not started, or undefined. */
  notStarted(): string | undefined;
  /** Why it is not ready for traffic, or undefined. */
  notReady(): string | undefined;
}

/** A listening ops port. */
export interface OpsServer {
  /** host:port as bound. */
  readonly address: string;
  close(): Promise<void>;
}

/** Serves /livez, /startupz, /readyz and /metrics: for probes, scrapers and people. Never for clients. */
export async function startOpsServer(listen: string, source: OpsSource): Promise<OpsServer> {
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 65_000 },
    (request, response) => {
      answer(request, response, source).catch((error: unknown) => response.destroy(error as Error));
    },
  );
  server.maxConnections = 256;
  const { host, port } = splitAddress(listen);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is taken by another process' : error.message;
      reject(new Error(`cannot listen on ${listen}: ${why}`, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
  return {
    address: withPort(listen, (server.address() as AddressInfo).port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, source: OpsSource): Promise<void> {
  const path = request.url?.split('?', 1)[0] ?? '/';
  if (request.method !== 'GET' && request.method !== 'HEAD') return reply(response, 405, 'only GET\n');
  switch (path) {
    // That this is answered says all: the event loop turns.
    case '/livez':
      return reply(response, 200, 'ok\n');
    case '/startupz':
      return probe(response, source.notStarted());
    case '/readyz':
      return probe(response, source.notStarted() ?? source.notReady());
    case '/metrics':
      response.setHeader('content-type', source.registry.contentType);
      response.end(await source.registry.metrics());
      return;
    default:
      return reply(response, 404, 'there are /livez, /startupz, /readyz and /metrics\n');
  }
}

function probe(response: ServerResponse, problem: string | undefined): void {
  reply(response, problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`);
}

function reply(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
}
