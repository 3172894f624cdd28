import type { ErrorCode } from './errors.ts';
import type { Slabs } from './slabs.ts';

/** How a message looks on the wire. `encode` may return a view of memory that the caller must not touch again. */
export interface Codec<T> {
  readonly encode: (message: T) => Uint8Array;
  /** For bulk streams: the same bytes in parts, which may be views of slab memory. The parts are not changed any more. */
  readonly encodeParts?: (message: T) => readonly Uint8Array[];
  readonly decode: (bytes: Uint8Array) => T;
}

/** One method of a service. */
export interface Method<Request, Response> {
  /** As gRPC names it: "/weir.broker.v1.BrokerService/Produce". */
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

/** Why a call or a stream ended otherwise than well. */
export interface TransportFailure {
  /** `unreachable`: nothing was sent for certain; `broken`: what was sent may have been done; `refused`: answered. */
  readonly kind: 'unreachable' | 'broken' | 'refused' | 'deadline';
  readonly code: ErrorCode;
  readonly message: string;
  /** Of `unreachable`: the other machine answered that nobody listens there. */
  readonly nobodyListens?: boolean;
}

/** A fault of a call as something to throw. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly failure: TransportFailure;

  constructor(failure: TransportFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** One side of a stream in both directions. */
export interface Stream<Out> {
  /** Queues a message. False: the queue is over its mark, hold back until `drained`. Nothing happens once closed. */
  send(message: Out): boolean;
  /** No more messages from this side; the other's still arrive. */
  end(): void;
  /** Ends both directions at once; the other side learns the reason. `closed` is not called for it. */
  abort(failure: TransportFailure): void;
}

/** What a stream tells its owner. None of them is called after `closed`. */
export interface StreamHandlers<In> {
  message(message: In): void;
  /** The queue that `send` reported as full has room again. */
  drained(): void;
  /** Both directions are over; undefined when they ended well. */
  closed(failure: TransportFailure | undefined): void;
}

/** Names and values that travel beside a call, in lower case. */
export type Metadata = Readonly<Record<string, string>>;

/** A connection that is made when first needed, and again after it broke. */
export interface Connection {
  /**
   * @param options.connectMs - without a connection by then it ends as `unreachable`; by default its deadline is all that ends it
   * @throws TransportError (as a rejection)
   */
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: { deadlineMs: number; connectMs?: number; metadata?: Metadata },
  ): Promise<Response>;
  open<Request, Response>(
    method: Method<Request, Response>,
    handlers: StreamHandlers<Response>,
    metadata?: Metadata,
  ): Stream<Request>;
  /**
   * The same for a stream that carries payload, by the two rules of `onBulkStream`.
   *
   * @param slabs - what comes in lies in pieces of them; a transport that has its own memory for messages may ignore them
   */
  openBulk<Request, Response>(
    method: Method<Request, Response>,
    slabs: Slabs,
    handlers: StreamHandlers<Response>,
    metadata?: Metadata,
  ): Stream<Request>;
  /** Nothing new is begun on it; calls and streams that are under way end as they end. */
  close(): void;
  /**
   * Closes it, and ends the calls and bulk streams that are under way as `broken`, calls that were not sent as `unreachable`:
   * nothing is expected of the other side any more.
   */
  cut(): void;
}

/** A method with what answers it. */
export type Handler =
  | {
      readonly kind: 'call';
      readonly method: Method<any, any>;
      /** A rejection with a WeirError is answered as such; any other is our bug and answered as UNKNOWN_SERVER_ERROR. */
      readonly answer: (request: any, metadata: Metadata, peer: string) => Promise<any>;
    }
  | {
      readonly kind: 'stream';
      readonly method: Method<any, any>;
      readonly accept: (stream: Stream<any>, metadata: Metadata, peer: string) => StreamHandlers<any>;
      /** The memory of a bulk stream; see `onBulkStream`. */
      readonly slabs?: Slabs;
    };

/** A handler for a method of one request and one answer, with its types checked. */
export function onCall<Request, Response>(
  method: Method<Request, Response>,
  answer: (request: Request, metadata: Metadata, peer: string) => Promise<Response>,
): Handler {
  return { kind: 'call', method, answer };
}

/** A handler for a stream in both directions, with its types checked. */
export function onStream<Request, Response>(
  method: Method<Request, Response>,
  accept: (stream: Stream<Response>, metadata: Metadata, peer: string) => StreamHandlers<Request>,
): Handler {
  return { kind: 'stream', method, accept };
}

/**
 * A handler for a stream that carries payload, whose bytes are copied once on their way in, into a piece of a slab, and
 * not at all on their way out. Two rules follow:
 *
 * - What the codec leaves in place of a message (its bytes fields) is good until `message` returns. Whoever keeps it
 *   retains it with `slabs`.
 * - The parts that the codec makes of what is sent are retained from `send` until they are written, or the stream is
 *   over. Whoever sends may release them as soon as `send` has returned.
 *
 * A transport that has its own memory for messages may ignore `slabs`: then nothing needs to be retained.
 */
export function onBulkStream<Request, Response>(
  method: Method<Request, Response>,
  slabs: Slabs,
  accept: (stream: Stream<Response>, metadata: Metadata, peer: string) => StreamHandlers<Request>,
): Handler {
  return { kind: 'stream', method, accept, slabs };
}

/** Something that answers calls. */
export interface Listener {
  /** host:port as bound. */
  readonly address: string;
  /** Stops accepting, gives what is under way until `graceMs`, then cuts it. */
  close(graceMs: number): Promise<void>;
}

/** The network between the services. Addresses are host:port. */
export interface Transport {
  connect(address: string): Connection;
  /** @throws Error (as a rejection) that names the address when it cannot be bound */
  listen(address: string, handlers: readonly Handler[]): Promise<Listener>;
}
