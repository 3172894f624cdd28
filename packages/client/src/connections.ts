import type { Connection, Method, Stream, StreamHandlers, Transport } from '@weir/base/transport.ts';

/** A stream to an address. */
export interface OpenedStream<Request> {
  readonly stream: Stream<Request>;
  readonly address: string;
  /** Its connection brought nothing for long and may lead nowhere: what waits on it ends, and the next use makes a new one. */
  cut(): void;
}

/** One connection an address, made when first asked for. */
export class Connections {
  readonly #transport: Transport;
  readonly #byAddress = new Map<string, Connection>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  to(address: string): Connection {
    let connection = this.#byAddress.get(address);
    if (connection === undefined) {
      connection = this.#transport.connect(address);
      this.#byAddress.set(address, connection);
    }
    return connection;
  }

  open<Request, Response>(
    address: string,
    method: Method<Request, Response>,
    handlers: StreamHandlers<Response>,
  ): OpenedStream<Request> {
    const connection = this.to(address);
    return { stream: connection.open(method, handlers), address, cut: () => this.#cut(address, connection) };
  }

  /** Closes one: the next use makes a new one. */
  drop(address: string): void {
    this.#byAddress.get(address)?.close();
    this.#byAddress.delete(address);
  }

  /** The same of one that leads nowhere any more: who waits for an answer on it is told. */
  cut(address: string): void {
    const connection = this.#byAddress.get(address);
    if (connection !== undefined) this.#cut(address, connection);
  }

  /** Closes those that lead nowhere any more. */
  keepOnly(addresses: ReadonlySet<string>): void {
    for (const address of this.#byAddress.keys()) if (!addresses.has(address)) this.drop(address);
  }

  close(): void {
    this.keepOnly(new Set());
  }

  /** Another one that has taken its place meanwhile stays. */
  #cut(address: string, connection: Connection): void {
    connection.cut();
    if (this.#byAddress.get(address) === connection) this.#byAddress.delete(address);
  }
}
