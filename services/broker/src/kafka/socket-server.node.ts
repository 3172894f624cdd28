import { createServer, Socket } from 'node:net';
import type { AddressInfo, OnReadOpts, Server } from 'node:net';
import { KAFKA_SCRATCH_BYTES } from '@weir/base/limits.ts';
import { splitAddress, withPort } from '@weir/base/options.ts';
import type { KafkaSocket, SocketListener, SocketOwner } from './socket.ts';

// oxlint-disable no-underscore-dangle -- Node's own names.

/** What of Node's sockets is not in their types: see `intoBuffers`. */
interface SocketInternals {
  _handle?: { readonly writeQueueSize?: number } | null;
  _server?: Server | null;
  server?: Server | null;
}

/**
 * Listens for byte streams whose owners say where the bytes go.
 *
 * @param accept - undefined refuses the connection
 * @param isCopied - takes the road that needs nothing of Node's insides, for tests of it
 * @throws Error (as a rejection) that names the address when it cannot be bound
 */
export async function listenForSockets(
  address: string,
  accept: (socket: KafkaSocket) => SocketOwner | undefined,
  isCopied = false,
): Promise<SocketListener> {
  const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true }, (incoming) => {
    const connection = new Connection(incoming);
    const owner = accept(connection);
    if (owner === undefined) incoming.destroy();
    else connection.start(owner, isCopied);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is taken by another process' : error.message;
      reject(new Error(`cannot listen on ${address}: ${why}`, { cause: error }));
    });
    server.listen({ ...splitAddress(address), backlog: 1_024 }, resolve);
  });
  // A connection that could not be accepted, as for want of descriptors, is its client's trouble alone.
  server.on('error', () => {});
  return {
    address: withPort(address, (server.address() as AddressInfo).port),
    close: () => server.close(),
  };
}

class Connection implements KafkaSocket {
  readonly peer: string;
  readonly peerHost: string;
  #socket: Socket;
  #owner: SocketOwner | undefined;

  constructor(incoming: Socket) {
    this.#socket = incoming;
    this.peerHost = incoming.remoteAddress ?? 'unknown';
    this.peer = `${this.peerHost}:${incoming.remotePort ?? 0}`;
  }

  start(owner: SocketOwner, isCopied: boolean): void {
    this.#owner = owner;
    const incoming = this.#socket;
    const received = (bytes: number): void => owner.received(bytes);
    const reader = { buffer: () => owner.buffer(), received };
    this.#socket = (isCopied ? undefined : intoBuffers(incoming, reader)) ?? copied(incoming, owner);
    const socket = this.#socket;
    socket.on('error', () => {});
    // A client that ends its side wants nothing any more, not even what is under way.
    socket.on('end', () => socket.destroy());
    socket.once('close', () => this.#closed());
    socket.resume();
  }

  write(parts: readonly Uint8Array[], done: () => void): void {
    const socket = this.#socket;
    if (socket.destroyed) return done();
    if (parts.length === 1) return void socket.write(parts[0]!, () => done());
    socket.cork();
    for (let i = 0; i < parts.length - 1; i++) socket.write(parts[i]!);
    socket.write(parts.at(-1)!, () => done());
    socket.uncork();
  }

  get unsentBytes(): number {
    // The stream's own count falls only when a write is done as a whole, however long that takes.
    return (this.#socket as unknown as SocketInternals)._handle?.writeQueueSize ?? this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #closed(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.closed();
  }
}

/**
 * The same connection, read into buffers of the reader's choice. Node offers that (`onread`) to clients only: its
 * servers make their sockets themselves. So the accepted socket's handle is given to another one. Undefined: this Node
 * keeps its handles elsewhere.
 */
function intoBuffers(
  incoming: Socket,
  reader: { readonly buffer: () => Buffer; readonly received: (bytes: number) => void },
): Socket | undefined {
  const inner = incoming as unknown as SocketInternals;
  const handle = inner._handle;
  if (handle === undefined || handle === null) return undefined;
  const onread: OnReadOpts = {
    buffer: reader.buffer,
    callback: (bytes) => {
      reader.received(bytes);
      return true;
    },
  };
  const server = inner._server ?? null;
  const options = { handle, onread, manualStart: true } as unknown as ConstructorParameters<typeof Socket>[0];
  const socket = new Socket(options);
  const outer = socket as unknown as SocketInternals;
  // The server counts its connections by the sockets that it knows; the accepted one is never closed now.
  outer._server = server;
  outer.server = server;
  inner._handle = null;
  inner._server = null;
  return socket;
}

/** The road that needs nothing of Node's insides: what comes is copied to where the owner wants it. */
function copied(socket: Socket, owner: SocketOwner): Socket {
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length && !socket.destroyed;) {
      const target = owner.buffer();
      const bytes = chunk.copy(
        target,
        0,
        at,
        Math.min(chunk.length, at + Math.min(target.length, KAFKA_SCRATCH_BYTES)),
      );
      owner.received(bytes);
      at += bytes;
    }
  });
  return socket;
}
