import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: any;
}

/** What goes with a request; a body that is neither text nor bytes is sent as JSON. */
export interface HttpOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without an answer by then the request is given up; it waits for as long as it takes when left out. */
  readonly timeoutMs?: number;
}

/** Who answers requests: a gateway. */
export interface HttpTarget {
  /** @throws TypeError or DOMException (as a rejection) without an answer */
  http(path: string, options?: HttpOptions): Promise<Answer>;
}

/** One request. @throws TypeError or DOMException (as a rejection) without an answer */
export async function http(url: string, options: HttpOptions = {}): Promise<Answer> {
  const { body, timeoutMs } = options;
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }), ...options.headers },
    ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
    ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

/** A connection on which a test says what it likes, byte by byte. */
export class RawConnection {
  readonly socket: Socket;
  received = '';
  readonly closed: Promise<void>;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname);
    this.socket.on('data', (chunk) => (this.received += chunk.toString('latin1')));
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** Resolves with all that came once `pattern` is in it. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.received)) {
      await new Promise<void>((resolve, reject) => {
        this.socket.once('data', () => resolve());
        this.socket.once('close', () => reject(new Error(`closed after: ${this.received}`)));
      });
    }
    return this.received;
  }
}
