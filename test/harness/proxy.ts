import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A way to host:port on loopback that can be cut, or go dead. */
export class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: 'open' | 'cut' | 'dead' = 'open';

  private constructor(target: string) {
    const port = Number(target.split(':')[1]);
    this.#server = createServer((near) => {
      if (this.#state === 'cut') return void near.destroy();
      const far = connect(port, '127.0.0.1');
      for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
        if (this.#state === 'dead') socket.pause();
      }
    });
  }

  /** @param target - host:port, where something listens or will */
  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** host:port where it listens. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Nobody gets through, and connections are closed. */
  cut(): void {
    this.#state = 'cut';
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nothing gets through, and nobody is told. */
  goDead(): void {
    this.#state = 'dead';
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was sent to one that was dead arrives now. */
  mend(): void {
    this.#state = 'open';
    for (const socket of this.#sockets) socket.resume();
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }
}
