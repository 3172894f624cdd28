import type { IncomingMessage } from 'node:http';
import { HTTP_FORWARD_BYTES_MAX, HTTP_FORWARD_IDLE_MS } from '@weir/base/group-limits.ts';
import { splitAddress } from '@weir/base/options.ts';
import { FORWARDED_HEADER } from '../consumers/consumer-places.ts';
import type { Forward } from '../consumers/consumer-places.ts';
import type { GatewayReply, GatewayRequest } from './exchange.ts';
import { HttpFailure } from './failure.ts';

// Not by an import: that looks at every export, and one of them loads undici, for 25 ms of each start.
const { Agent, request: httpRequest } = process.getBuiltinModule('node:http');

/** Of a request, what the other gateway has to see as it came. */
const HEADERS = ['accept', 'content-type', 'traceparent'];

/** Passes requests on to other gateways, over connections that are kept. */
export class Forwarder {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #name: string;

  /** @param name - of this gateway */
  constructor(name: string) {
    this.#name = name;
  }

  /** Resolves with the answer, or "unreached" when no connection came about. A client that goes away is gone there, too. */
  readonly forward: Forward = (owner, request, path, gone) =>
    new Promise((resolve, reject) => {
      const { host, port } = splitAddress(owner.http);
      let isConnected = false;
      const failed = (error: Error): void => {
        if (error instanceof HttpFailure) reject(error);
        else if (request.signal.aborted) reject(new HttpFailure('CLIENT_GONE', 'the client has gone'));
        else if (!isConnected) resolve('unreached');
        else {
          const message = `the gateway ${owner.gateway} at ${owner.http}, which has the consumer, broke off: ${gone.aborted ? 'its session is over' : error.message}`;
          reject(new HttpFailure('CONSUMER_MOVED', message));
        }
      };
      const call = httpRequest(
        {
          host,
          port,
          path,
          method: request.method,
          agent: this.#agent,
          headers: headersOf(request, this.#name),
          signal: AbortSignal.any([request.signal, gone]),
          timeout: HTTP_FORWARD_IDLE_MS,
        },
        (response) => void readReply(response).then(resolve, failed),
      );
      call.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (isConnected = true));
        else isConnected = true;
      });
      call.on('timeout', () => call.destroy(new Error('it does not answer')));
      call.on('error', failed);
      call.end(request.body);
    });

  close(): void {
    this.#agent.destroy();
  }
}

function headersOf(request: GatewayRequest, name: string): Record<string, string | number> {
  const headers: Record<string, string | number> = { [FORWARDED_HEADER]: name };
  for (const header of HEADERS) {
    const value = request.headers[header];
    if (typeof value === 'string') headers[header] = value;
  }
  if (request.body.length > 0 || request.method === 'POST') headers['content-length'] = request.body.length;
  return headers;
}

async function readReply(response: IncomingMessage): Promise<GatewayReply> {
  const status = response.statusCode ?? 502;
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response) {
    bytes += (piece as Buffer).length;
    if (bytes > HTTP_FORWARD_BYTES_MAX)
      throw new HttpFailure('OVERLOADED', 'the answer of another gateway is too large');
    pieces.push(piece as Buffer);
  }
  const retry = response.headers['retry-after'];
  const headers: Record<string, string> = retry === undefined ? {} : { 'retry-after': retry };
  const type = response.headers['content-type'];
  if (type === undefined) return { kind: 'empty', status, headers };
  return { kind: 'whole', status, type, body: Buffer.concat(pieces), headers };
}
