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

  /** Closes those that lead nowhere any more. */
  keepOnly(addresses: ReadonlySet<string>): void {
    for (const [address, connection] of this.#byAddress) {
      if (addresses.has(address)) continue;
      this.#byAddress.delete(address);
      connection.close();
    }
  }

  close(): void {
    this.keepOnly(new Set());
  }
}
