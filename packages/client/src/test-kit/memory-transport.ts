import { machineClock } from '@weir/runtime/machine.ts';
import { WeirError } from '@weir/base/errors.ts';
import { TransportError } from '@weir/base/transport.ts';
import type {
  Codec,
  Connection,
  Handler,
  Method,
  Stream,
  StreamHandlers,
  Transport,
  TransportFailure,
} from '@weir/base/transport.ts';

type StreamHandler = Extract<Handler, { kind: 'stream' }>;

/** A network in memory. Messages are written and read by their codecs and arrive in later turns, in order. */
export class MemoryTransport implements Transport {
  readonly #listening = new Map<string, readonly Handler[]>();
  #streams: { readonly address: string; readonly cut: (failure: TransportFailure) => void }[] = [];

  connect(address: string): Connection {
    // Ends the calls that are under way.
    const { promise: isCut, reject: end } = Promise.withResolvers<never>();
    isCut.catch(() => undefined);
    return {
      call: async (method, request) => {
        await new Promise<void>((resolve) => machineClock.endOfTurn(resolve));
        const handler = this.#handler(address, method.path);
        if (handler?.kind !== 'call') throw new TransportError(unreachable(address));
        const decoded: unknown = handler.method.request.decode(method.request.encode(request));
        const answering = handler.answer(decoded, {}, 'test').catch((error: unknown) => {
          if (!(error instanceof WeirError)) throw error;
          throw new TransportError({ kind: 'refused', code: error.code, message: error.message });
        });
        const answer: unknown = await Promise.race([answering, isCut]);
        return method.response.decode(handler.method.response.encode(answer));
      },
      open: (method, handlers) => this.#open(address, method, handlers),
      openBulk: (method, _slabs, handlers) => this.#open(address, method, handlers),
      close: () => {},
      cut: () => end(new TransportError({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'cut' })),
    };
  }

  async listen(address: string, handlers: readonly Handler[]): ReturnType<Transport['listen']> {
    this.#listening.set(address, handlers);
    return { address, close: async () => this.stop(address) };
  }

  /** The process at an address dies. */
  stop(address: string): void {
    this.#listening.delete(address);
    const streams = this.#streams;
    this.#streams = streams.filter((stream) => stream.address !== address);
    for (const stream of streams) if (stream.address === address) stream.cut(unreachable(address, 'broken'));
  }

  #handler(address: string, path: string): Handler | undefined {
    return this.#listening.get(address)?.find((handler) => handler.method.path === path);
  }

  #open<Request, Response>(
    address: string,
    method: Method<Request, Response>,
    handlers: StreamHandlers<Response>,
  ): Stream<Request> {
    const handler = this.#handler(address, method.path);
    if (handler?.kind !== 'stream') {
      machineClock.endOfTurn(() => handlers.closed(unreachable(address)));
      return { send: () => true, end: () => {}, abort: () => {} };
    }
    return this.#join(address, handler, method, handlers);
  }

  #join<Request, Response>(
    address: string,
    handler: StreamHandler,
    method: Method<Request, Response>,
    client: StreamHandlers<Response>,
  ): Stream<Request> {
    const ends = { client: true, server: true };
    const close = (who: 'client' | 'server', closed: () => void): void => {
      machineClock.endOfTurn(() => {
        if (ends[who]) closed();
        ends[who] = false;
      });
    };
    const toClient = (failure: TransportFailure | undefined): void => close('client', () => client.closed(failure));
    const toServer = (failure: TransportFailure | undefined): void => close('server', () => server.closed(failure));
    const serverSide: Stream<unknown> = {
      send: (message) => {
        const bytes = copyOf(handler.method.response, message);
        machineClock.endOfTurn(() => ends.client && client.message(method.response.decode(bytes)));
        return true;
      },
      end: () => toClient(undefined),
      abort: (failure) => {
        ends.server = false;
        toClient(failure);
      },
    };
    const server = handler.accept(serverSide, {}, 'test');
    this.#streams.push({
      address,
      cut: (failure) => {
        toClient(failure);
        toServer(failure);
      },
    });
    return {
      send: (message) => {
        const bytes = copyOf(method.request, message);
        machineClock.endOfTurn(() => ends.server && server.message(handler.method.request.decode(bytes)));
        return true;
      },
      end: () => toServer(undefined),
      abort: (failure) => {
        ends.client = false;
        toServer(failure);
      },
    };
  }
}

function copyOf<T>(codec: Codec<T>, message: T): Buffer {
  return Buffer.from(codec.encode(message));
}

function unreachable(address: string, kind: 'unreachable' | 'broken' = 'unreachable'): TransportFailure {
  const nobodyListens = kind === 'unreachable';
  return { kind, code: 'NETWORK_EXCEPTION', message: `nobody listens on ${address}`, nobodyListens };
}
