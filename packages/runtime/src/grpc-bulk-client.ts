import type { Stream, TransportFailure } from '@weir/base/transport.ts';
import { ClientBulkStream } from './grpc-bulk-client-stream.ts';
import type { BulkCall } from './grpc-bulk-client-stream.ts';
import { Http2Link } from './http2-link.ts';

/**
 * The bulk streams of one client's connection, on a link of their own: grpc-js would take memory for each message three
 * times. Nothing is tried again: whoever opens a stream after the link broke has a new one made.
 */
export class BulkClient {
  readonly #address: string;
  readonly #streams = new Set<ClientBulkStream<any, any>>();
  /** The one that new streams go on; one that the server has ended may have streams until these end. */
  #link: Http2Link | undefined;
  #isClosed = false;

  /** @param address - host:port */
  constructor(address: string) {
    this.#address = address;
  }

  open<Request, Response>(call: BulkCall<Request, Response>): Stream<Request> {
    if (this.#isClosed) return neverOpened(call);
    if (this.#link?.isUsable !== true) this.#link = new Http2Link(this.#address);
    const stream = new ClientBulkStream(this.#link, call, () => {
      this.#streams.delete(stream);
      this.#endIfDone();
    });
    this.#streams.add(stream);
    return stream;
  }

  /** Streams that are under way end as they end. */
  close(): void {
    this.#isClosed = true;
    this.#endIfDone();
  }

  /** They end with the failure. */
  cut(failure: TransportFailure): void {
    this.#isClosed = true;
    for (const stream of this.#streams) stream.cut(failure);
    this.#link?.cut();
  }

  #endIfDone(): void {
    if (this.#isClosed && this.#streams.size === 0) this.#link?.end();
  }
}

const CLOSED: TransportFailure = {
  kind: 'unreachable',
  code: 'NETWORK_EXCEPTION',
  message: 'the connection was closed on this side',
};

function neverOpened<Request, Response>({ handlers }: BulkCall<Request, Response>): Stream<Request> {
  const told = setImmediate(() => handlers.closed(CLOSED));
  return { send: () => false, end() {}, abort: () => clearImmediate(told) };
}
