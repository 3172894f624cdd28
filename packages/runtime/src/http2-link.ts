import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import {
  GRPC_FRAME_BYTES,
  GRPC_SESSION_MEMORY_MIB,
  GRPC_WINDOW_BYTES,
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
} from '@weir/base/limits.ts';
import { splitAddress } from '@weir/base/options.ts';
import type { TransportFailure } from '@weir/base/transport.ts';
import { SessionMemory } from './http2-session-memory.ts';

/**
 * One HTTP/2 connection to a server, from the first attempt until it breaks. A server that says nothing, not even that it
 * is there, is given up after a while; until then a socket would wait for minutes.
 */
export class Http2Link {
  readonly session: ClientHttp2Session;
  readonly memory: SessionMemory;
  readonly #socket: Socket;
  #isConnected = false;
  /** Why it broke, as far as it is known. */
  #fault: NodeJS.ErrnoException | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param address - host:port */
  constructor(address: string) {
    this.#socket = connectTcp({ ...splitAddress(address), noDelay: true });
    // Before the session hears of it, which ends its streams then.
    this.#socket.on('error', (error) => (this.#fault ??= error));
    this.session = connectHttp2(`http://${address}`, {
      createConnection: () => this.#socket,
      maxSessionMemory: GRPC_SESSION_MEMORY_MIB,
      settings: { enablePush: false, initialWindowSize: GRPC_WINDOW_BYTES, maxFrameSize: GRPC_FRAME_BYTES },
    });
    this.memory = new SessionMemory(this.session);
    this.session.on('error', (error) => (this.#fault ??= error));
    this.session.once('goaway', () => (this.#fault ??= new Error('the other side is shutting down')));
    this.session.once('connect', () => this.#connected());
    this.session.once('close', () => clearTimeout(this.#timer));
    this.#giveUpAfter(KEEPALIVE_TIMEOUT_MS, `nothing was heard in ${KEEPALIVE_TIMEOUT_MS} ms`);
  }

  /** Streams can be begun on it. */
  get isUsable(): boolean {
    return !this.session.closed && !this.session.destroyed;
  }

  /** Ends it once what it has been given is written; its streams are over. */
  end(): void {
    if (this.#isConnected) this.session.destroy();
    else this.cut();
  }

  /** Ends it at once, whatever is still to be written. */
  cut(): void {
    this.session.destroy();
    this.#socket.destroy();
  }

  /** Why a stream on it ended that the server has said nothing of. */
  failureOf(rstCode: number | undefined): TransportFailure {
    const code = 'NETWORK_EXCEPTION';
    if (!this.#isConnected) {
      const message = `no connection: ${describe(this.#fault)}`;
      return { kind: 'unreachable', code, message, nobodyListens: this.#fault?.code === 'ECONNREFUSED' };
    }
    const message = this.session.destroyed
      ? `the connection broke: ${describe(this.#fault)}`
      : `the other side gave the stream up (HTTP/2 code ${rstCode})`;
    return { kind: 'broken', code, message };
  }

  #connected(): void {
    this.#isConnected = true;
    this.session.setLocalWindowSize(GRPC_WINDOW_BYTES);
    this.#ping();
  }

  /** Pings for as long as they are answered; one that the server has ended, or that is being destroyed, answers none. */
  #ping(): void {
    this.#giveUpAfter(KEEPALIVE_TIMEOUT_MS, `a ping was not answered in ${KEEPALIVE_TIMEOUT_MS} ms`);
    if (this.session.destroyed) return;
    this.session.ping((error) => {
      if (error === null) this.#after(KEEPALIVE_MS, () => this.#ping());
    });
  }

  #giveUpAfter(ms: number, why: string): void {
    const timer = this.#after(ms, () => {
      // What has come while this process did nothing is read first.
      setImmediate(() => {
        if (this.#timer !== timer) return;
        this.#fault ??= new Error(why);
        this.cut();
      });
    });
  }

  /** In the place of what was to happen. */
  #after(ms: number, what: () => void): NodeJS.Timeout {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(what, ms).unref();
    return this.#timer;
  }
}

function describe(fault: Error | undefined): string {
  if (fault === undefined) return 'the other side ended it';
  // Where a name has several addresses each has its error.
  const first: unknown = fault instanceof AggregateError ? fault.errors[0] : fault;
  return first instanceof Error ? first.message : fault.message;
}
