import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** A way to host:port on which all bytes take their time, each direction in order. */
export class DelayingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * @param on - host:port where it listens, and whereto it leads
   * @param delayMs - for the bytes that come next
   */
  static async start(
    on: { readonly listen: string; readonly target: string },
    delayMs: () => number,
  ): Promise<DelayingProxy> {
    const server = createServer((near) => {
      const far = connect(placeOf(on.target));
      proxy.#relay(near, far, delayMs);
      proxy.#relay(far, near, delayMs);
    });
    const proxy = new DelayingProxy(server);
    server.listen(placeOf(on.listen));
    await once(server, 'listening');
    return proxy;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #relay(from: Socket, to: Socket, delayMs: () => number): void {
    let lastDueMs = 0;
    const later = (act: () => void): void => {
      // Behind all that came before.
      lastDueMs = Math.max(lastDueMs, performance.now() + delayMs());
      setTimeout(act, Math.max(0, lastDueMs - performance.now()));
    };
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (bytes) => later(() => void to.write(bytes)));
    from.on('error', () => undefined);
    from.once('close', () => {
      this.#sockets.delete(from);
      later(() => to.destroy());
    });
  }
}

function placeOf(address: string): { readonly host: string; readonly port: number } {
  const [host, port] = address.split(':');
  return { host: host!, port: Number(port) };
}
