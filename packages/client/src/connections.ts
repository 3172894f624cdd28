import type { Connection, Transport } from '@weir/base/transport.ts';

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

  /** Closes one: the next use makes a new one. */
  drop(address: string): void {
    this.#byAddress.get(address)?.close();
    this.#byAddress.delete(address);
  }

  /** The same of one that leads nowhere any more: who waits for an answer on it is told. */
  cut(address: string): void {
    this.#byAddress.get(address)?.cut();
    this.#byAddress.delete(address);
  }

  /** Closes those that lead nowhere any more. */
  keepOnly(addresses: ReadonlySet<string>): void {
    for (const address of this.#byAddress.keys()) if (!addresses.has(address)) this.drop(address);
  }

  close(): void {
    this.keepOnly(new Set());
  }
}
