import type { Http2Session } from 'node:http2';

/**
 * Memory that a connection may still be writing although its stream is over. Node calls a stream's write done as soon as
 * the stream is destroyed, while the connection may have handed a part of it to the socket, whose buffer is full: used
 * again, that memory would go out with other contents. What the connection had before a ping is written once the ping
 * is answered; else it is over when the connection is.
 */
export class SessionMemory {
  readonly #session: Http2Session;
  /** To be called when the memory is free. */
  #waiting: (() => void)[] = [];
  /** Those that the ping under way covers. */
  #covered: (() => void)[] | undefined;
  #closed = false;

  constructor(session: Http2Session) {
    this.#session = session;
    session.once('close', () => {
      this.#closed = true;
      const all = [...(this.#covered ?? []), ...this.#waiting];
      this.#covered = undefined;
      this.#waiting = [];
      for (const release of all) release();
    });
  }

  /** Calls `release`, once, when nothing of what the connection has been given is still to be written. */
  whenWritten(release: () => void): void {
    // Before there is a connection, it has been given nothing.
    if (this.#closed || this.#session.connecting) {
      release();
      return;
    }
    this.#waiting.push(release);
    if (this.#covered === undefined) this.#ping();
  }

  /** One at a time: a connection has few, and keepalive needs one. Where none can be sent the end of it is waited for. */
  #ping(): void {
    if (this.#session.destroyed) return;
    const covered = this.#waiting;
    const sent = this.#session.ping((error) => {
      if (error !== null || this.#covered !== covered) return;
      this.#covered = undefined;
      for (const release of covered) release();
      if (this.#waiting.length > 0) this.#ping();
    });
    if (!sent) return;
    this.#waiting = [];
    this.#covered = covered;
  }
}
