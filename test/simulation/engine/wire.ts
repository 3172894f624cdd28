import type { Codec, Method, Stream, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import type { Process } from './process.ts';

/** What travels on one direction of a wire. */
type Item =
  | { readonly kind: 'open' }
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'abort'; readonly failure: TransportFailure };

/** What a wire asks of the network that it is in. */
export interface WireNetwork {
  /** Calls back when something sent now arrives; nothing sent before it on the same lane arrives later. */
  carry(lane: Lane, arrive: () => void): void;
  /** Calls back when one end finds out that the connection broke. */
  tell(end: End, callback: () => void): void;
  note(what: string, bytes?: Uint8Array): void;
  /** @param isFull - the sender is told to hold back */
  sent(wire: Wire, from: End, message: unknown, isFull: boolean): void;
  received(wire: Wire, by: End, message: unknown): void;
  over(wire: Wire, at: End): void;
}

/** One side of a wire. */
export interface End {
  readonly side: 'client' | 'server';
  readonly process: Process;
  /** Undefined until the server has accepted. */
  handlers: StreamHandlers<unknown> | undefined;
  /** It is told nothing more. */
  isDeaf: boolean;
}

/** One direction of a wire: FIFO. */
export interface Lane {
  readonly from: End;
  readonly to: End;
  lastArrivalMs: number;
  /** On their way. */
  inFlight: number;
  /** The sender was told to hold back. */
  isFull: boolean;
}

/** One stream between two processes, whatever becomes of it. */
export class Wire {
  readonly path: string;
  readonly client: End;
  readonly server: End;
  readonly lanes: readonly [up: Lane, down: Lane];
  isCut = false;
  readonly #network: WireNetwork;
  /** Of what each side sends: its own code writes it, and the other's reads it. */
  readonly #codecs: Record<'client' | 'server', Pick<Codec<unknown>, 'encode' | 'decode'>>;
  readonly #queueMax: number;
  readonly #name: string;

  constructor(
    network: WireNetwork,
    options: {
      /** As the client has it. */
      readonly method: Method<any, any>;
      /** As the server has it. */
      readonly served: Method<any, any>;
      readonly client: Process;
      readonly server: Process;
      readonly handlers: StreamHandlers<any>;
      /** Messages on their way in one direction, past which the sender is told to hold back. */
      readonly queueMax: number;
      readonly id: number;
    },
  ) {
    const { method, served, client, server, handlers, queueMax, id } = options;
    this.#network = network;
    this.path = method.path;
    this.#codecs = {
      client: { encode: method.request.encode, decode: served.request.decode },
      server: { encode: served.response.encode, decode: method.response.decode },
    };
    this.#queueMax = queueMax;
    this.client = { side: 'client', process: client, handlers, isDeaf: false };
    this.server = { side: 'server', process: server, handlers: undefined, isDeaf: false };
    this.lanes = [laneOf(this.client, this.server), laneOf(this.server, this.client)];
    this.#name = `${client.name}>${server.name}#${id} ${method.path.slice(method.path.lastIndexOf('/') + 1)}`;
  }

  /** The client's side; `accept` is called at the server, once the opening has arrived there. */
  open(accept: (stream: Stream<unknown>) => StreamHandlers<unknown>): Stream<unknown> {
    const stream = this.#streamOf(this.client);
    this.#put(this.lanes[0], { kind: 'open' }, () => {
      this.server.handlers = accept(this.#streamOf(this.server));
    });
    return stream;
  }

  /** Whether it still carries anything. */
  get isOver(): boolean {
    return this.isCut || (this.client.isDeaf && this.server.isDeaf);
  }

  /** The connection breaks: what is on its way is lost, and each side finds out in its own time. */
  cut(why: string): void {
    if (this.isOver) return;
    this.isCut = true;
    this.#network.note(`${this.#name} breaks: ${why}`);
    const failure: TransportFailure = { kind: 'broken', code: 'NETWORK_EXCEPTION', message: why };
    for (const end of [this.client, this.server]) {
      this.#network.tell(end, () => end.process.deliver(() => this.#close(end, failure)));
    }
  }

  /**
   * It leads to nobody: the client is told.
   *
   * @param nobodyListens - whether the other machine says so, or nothing does
   */
  refuse(nobodyListens: boolean): void {
    this.isCut = true;
    const message = nobodyListens ? 'nobody listens there' : 'nothing is heard from there';
    const failure: TransportFailure = { kind: 'unreachable', code: 'NETWORK_EXCEPTION', message, nobodyListens };
    this.#network.tell(this.client, () => this.client.process.deliver(() => this.#close(this.client, failure)));
  }

  /** The client of a wire that leads to nobody does not want to know any more. */
  leave(): void {
    this.client.isDeaf = true;
  }

  #streamOf(end: End): Stream<unknown> {
    const lane = this.lanes[end.side === 'client' ? 0 : 1];
    return {
      send: (message) => {
        if (end.isDeaf || !end.process.isAlive) return true;
        this.#put(lane, { kind: 'message', bytes: ownBytes(this.#codecs[end.side].encode(message)) });
        if (lane.inFlight >= this.#queueMax) lane.isFull = true;
        this.#network.sent(this, end, message, lane.isFull);
        return !lane.isFull;
      },
      end: () => {
        if (!end.isDeaf) this.#put(lane, { kind: 'end' });
      },
      abort: (failure) => {
        if (end.isDeaf) return;
        end.isDeaf = true;
        this.#network.over(this, end);
        this.#put(lane, { kind: 'abort', failure });
      },
    };
  }

  #put(lane: Lane, item: Item, opened?: () => void): void {
    if (this.isCut) return;
    lane.inFlight++;
    this.#network.carry(lane, () => {
      lane.inFlight--;
      if (this.isCut) return;
      lane.to.process.deliver(() => {
        if (opened === undefined) this.#arrive(lane.to, item);
        else opened();
      });
      if (lane.isFull && lane.inFlight <= this.#queueMax / 2) {
        lane.isFull = false;
        lane.from.process.deliver(() => {
          if (!lane.from.isDeaf) lane.from.handlers?.drained();
        });
      }
    });
  }

  #arrive(end: End, item: Item): void {
    if (end.isDeaf) return;
    switch (item.kind) {
      case 'open':
        return;
      case 'message': {
        const codec = this.#codecs[end.side === 'client' ? 'server' : 'client'];
        const message = codec.decode(item.bytes);
        this.#network.note(`${this.#name} reaches its ${end.side}`, item.bytes);
        this.#network.received(this, end, message);
        end.handlers?.message(message);
        return;
      }
      case 'end':
        return this.#close(end, undefined);
      case 'abort':
        return this.#close(end, item.failure);
    }
  }

  #close(end: End, failure: TransportFailure | undefined): void {
    if (end.isDeaf) return;
    end.isDeaf = true;
    this.#network.note(`${this.#name} is over for its ${end.side}: ${failure?.message ?? 'ended'}`);
    this.#network.over(this, end);
    end.handlers?.closed(failure);
  }
}

/**
 * A copy in memory of its own. In the pool that small buffers share it would lie now here and now there, and a cache that counts the
 * memory behind what it holds would take another course each time.
 */
function ownBytes(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

function laneOf(from: End, to: End): Lane {
  return { from, to, lastArrivalMs: 0, inFlight: 0, isFull: false };
}
