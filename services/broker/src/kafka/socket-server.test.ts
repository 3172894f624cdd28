import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { KAFKA_SCRATCH_BYTES } from '@weir/base/limits.ts';
import type { KafkaSocket, SocketListener, SocketOwner } from './socket.ts';
import { listenForSockets } from './socket-server.node.ts';

const MIB = 1024 * 1024;
/** All servers of this file read into one buffer, as a broker's connections do. */
const SCRATCH = Buffer.alloc(KAFKA_SCRATCH_BYTES);

/** Keeps what comes, and sends it back if it is to. */
class Owner implements SocketOwner {
  readonly socket: KafkaSocket;
  readonly pieces: Buffer[] = [];
  bytes = 0;
  isOver = false;
  isEcho = false;
  /** Where bytes go that have a place of their own. */
  own: Buffer | undefined;
  onReceived: () => void = () => {};
  #target: Buffer = SCRATCH;

  constructor(socket: KafkaSocket) {
    this.socket = socket;
  }

  buffer(): Buffer {
    this.#target = this.own ?? SCRATCH;
    return this.#target;
  }

  received(bytes: number): void {
    if (this.isOver) throw new Error('nothing comes after the end');
    const piece = Buffer.from(this.#target.subarray(0, bytes));
    this.#target.fill(0xee, 0, bytes);
    this.pieces.push(piece);
    this.bytes += bytes;
    if (this.isEcho) this.socket.write([piece], () => {});
    this.onReceived();
  }

  closed(): void {
    if (this.isOver) throw new Error('the end is told once');
    this.isOver = true;
  }
}

const listeners: SocketListener[] = [];
const clients: Socket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const listener of listeners.splice(0)) listener.close();
  await turn();
});

/** However long it takes; a machine may be busy. */
function until(condition: () => boolean): Promise<boolean> {
  return vi.waitUntil(condition, { interval: 1, timeout: 20_000 });
}

function pattern(bytes: number): Buffer {
  const made = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) made[i] = (i * 7 + (i >> 8) * 13) & 0xff;
  return made;
}

/** How many sockets and servers this process has open. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
}

describe.each([
  { road: 'into buffers', isCopied: false },
  { road: 'copied', isCopied: true },
])('bytes that come $road', ({ isCopied }) => {
  async function open(prepare: (owner: Owner) => void = () => {}) {
    const owners: Owner[] = [];
    const accept = (socket: KafkaSocket): SocketOwner => {
      const owner = new Owner(socket);
      prepare(owner);
      owners.push(owner);
      return owner;
    };
    const listener = await listenForSockets('127.0.0.1:0', accept, isCopied);
    listeners.push(listener);
    const port = Number(listener.address.split(':')[1]);
    const dial = async (): Promise<{ client: Socket; owner: Owner }> => {
      const known = owners.length;
      const client = connect({ port, host: '127.0.0.1' });
      clients.push(client);
      client.on('error', () => {});
      await once(client, 'connect');
      await until(() => owners.length > known);
      return { client, owner: owners.find(({ socket }) => socket.peer === `127.0.0.1:${client.localPort}`)! };
    };
    return { listener, owners, dial };
  }

  test('are whole, whatever their number', async () => {
    const { dial } = await open((owner) => (owner.isEcho = true));
    for (const bytes of [1, 2, 1_000, 65_535, 65_536, 65_537, MIB + 3, 5 * MIB]) {
      const { client, owner } = await dial();
      const sent = pattern(bytes);
      const back: Buffer[] = [];
      client.on('data', (piece: Buffer) => back.push(piece));
      client.write(sent);
      await until(() => back.reduce((sum, { length }) => sum + length, 0) === bytes);
      expect(Buffer.concat(owner.pieces).equals(sent)).toBe(true);
      expect(Buffer.concat(back).equals(sent)).toBe(true);
    }
  });

  test('go where the owner says, which may change with every piece', async () => {
    const { dial } = await open((owner) => {
      const own = Buffer.alloc(100_000);
      let at = 0;
      owner.own = own.subarray(0, 10);
      owner.onReceived = () => {
        at = (at + 1) % 5;
        owner.own = at === 0 ? undefined : own.subarray(at * 7, at * 7 + 10 ** at);
      };
    });
    const { client, owner } = await dial();
    const sent = pattern(300_000);
    client.write(sent);
    await until(() => owner.bytes === sent.length);
    expect(Buffer.concat(owner.pieces).equals(sent)).toBe(true);
    for (const { length } of owner.pieces) expect(length).toBeLessThanOrEqual(KAFKA_SCRATCH_BYTES);
  });

  test('stay with the system while reading is paused, and come when it goes on', async () => {
    const { dial } = await open((owner) => {
      owner.onReceived = () => {
        if (owner.pieces.length === 1) owner.socket.pause();
      };
    });
    const { client, owner } = await dial();
    const sent = pattern(32 * MIB);
    let isTaken = false;
    client.write(sent, () => (isTaken = true));
    await until(() => owner.bytes > 0);
    const paused = owner.bytes;
    // Its client has time to send on; it may be that one piece was on its way.
    for (let i = 0; i < 50; i++) await turn();
    expect(owner.bytes - paused).toBeLessThanOrEqual(MIB);
    expect(isTaken).toBe(false);
    owner.socket.resume();
    await until(() => owner.bytes === sent.length);
    expect(Buffer.concat(owner.pieces).equals(sent)).toBe(true);
  });

  test('go out in parts, in order, and are told to be gone', async () => {
    const { dial } = await open();
    const { client, owner } = await dial();
    const parts = Array.from({ length: 3_000 }, (_, i) => pattern(i % 700));
    const all = Buffer.concat(parts);
    const back: Buffer[] = [];
    client.on('data', (piece: Buffer) => back.push(piece));
    const done = vi.fn<() => void>();
    owner.socket.write(parts, done);
    owner.socket.write([Buffer.from('end')], done);
    await until(() => back.reduce((sum, { length }) => sum + length, 0) === all.length + 3);
    expect(Buffer.concat(back).equals(Buffer.concat([all, Buffer.from('end')]))).toBe(true);
    await until(() => done.mock.calls.length === 2);
  });

  test('that nobody takes are not told to be gone until the connection is', async () => {
    const { dial } = await open();
    const { client, owner } = await dial();
    client.pause();
    const done = vi.fn<() => void>();
    owner.socket.write([Buffer.alloc(64 * MIB)], done);
    owner.socket.write([Buffer.alloc(10)], done);
    for (let i = 0; i < 50; i++) await turn();
    expect(done).not.toHaveBeenCalled();
    // What it takes is seen long before all of it is taken.
    const before = owner.socket.unsentBytes;
    expect(before).toBeGreaterThan(32 * MIB);
    let taken = 0;
    client.on('data', ({ length }: Buffer) => {
      taken += length;
      if (taken > 20 * MIB) client.pause();
    });
    client.resume();
    await until(() => owner.socket.unsentBytes < before);
    expect(done).not.toHaveBeenCalled();
    client.resetAndDestroy();
    await until(() => owner.isOver && done.mock.calls.length === 2);
    owner.socket.write([Buffer.alloc(10)], done);
    expect(done).toHaveBeenCalledTimes(3);
  });

  test('end when the client ends its side, resets the connection, or is thrown out', async () => {
    const { dial } = await open();
    for (const end of [
      ({ client }: { client: Socket }) => client.end(pattern(1_000)),
      ({ client }: { client: Socket }) => client.resetAndDestroy(),
      ({ client }: { client: Socket }) => client.destroy(),
      ({ owner }: { owner: Owner }) => owner.socket.destroy(),
    ]) {
      const both = await dial();
      end(both);
      expect(await until(() => both.owner.isOver && both.client.destroyed)).toBe(true);
    }
  });

  test('end with the client, who wants nothing any more, not even what is under way', async () => {
    const { dial } = await open();
    const { client, owner } = await dial();
    client.pause();
    const done = vi.fn<() => void>();
    owner.socket.write([Buffer.alloc(64 * MIB)], done);
    await turn();
    client.end();
    expect(await until(() => owner.isOver && done.mock.calls.length === 1)).toBe(true);
  });

  test('end in the middle of a piece when the owner has had enough', async () => {
    const { dial } = await open((owner) => {
      owner.own = Buffer.alloc(10);
      owner.onReceived = () => owner.socket.destroy();
    });
    const { client, owner } = await dial();
    client.write(pattern(1_000));
    await until(() => owner.isOver);
    expect(owner.bytes).toBe(10);
  });

  test('come from two hundred clients at once, each its own', async () => {
    const { dial, owners } = await open((owner) => (owner.isEcho = true));
    const dialled: { client: Socket; owner: Owner }[] = [];
    for (let i = 0; i < 200; i++) dialled.push(await dial());
    const backs = dialled.map(({ client }, i) => {
      const back: Buffer[] = [];
      client.on('data', (piece: Buffer) => back.push(piece));
      client.write(Buffer.alloc(20_000, i));
      return back;
    });
    await until(() => owners.every(({ bytes }) => bytes === 20_000));
    await until(() => backs.every((back) => Buffer.concat(back).length === 20_000));
    backs.forEach((back, i) => expect(Buffer.concat(back).equals(Buffer.alloc(20_000, i))).toBe(true));
    expect(new Set(owners.map(({ socket }) => socket.peer)).size).toBe(200);
    expect(new Set(owners.map(({ socket }) => socket.peerHost))).toEqual(new Set(['127.0.0.1']));
  });

  test('leave no handle open once the listener is closed and the clients are gone', async () => {
    // Those of the tests before are closed by and by.
    await until(() => handles() === 0);
    const { listener, dial } = await open();
    const { client, owner } = await dial();
    const other = await dial();
    expect(handles()).toBe(5);
    listener.close();
    // Connections that stand go on.
    client.write('x');
    await until(() => owner.bytes === 1);
    owner.socket.destroy();
    other.client.end();
    await until(() => handles() === 0);
  });
});

test('what is large is read in large pieces, straight into its place', async () => {
  let owner: Owner | undefined;
  const listener = await listenForSockets('127.0.0.1:0', (socket) => {
    owner = new Owner(socket);
    owner.own = Buffer.alloc(4 * MIB);
    return owner;
  });
  listeners.push(listener);
  const client = connect({ port: Number(listener.address.split(':')[1]), host: '127.0.0.1' });
  clients.push(client);
  client.write(pattern(4 * MIB));
  await until(() => owner?.bytes === 4 * MIB);
  // Of Node's own buffers none is larger.
  expect(Math.max(...owner!.pieces.map(({ length }) => length))).toBeGreaterThan(65_536);
});

test('a client that is refused is thrown out', async () => {
  const listener = await listenForSockets('127.0.0.1:0', () => undefined);
  listeners.push(listener);
  const client = connect({ port: Number(listener.address.split(':')[1]), host: '127.0.0.1' });
  clients.push(client);
  client.on('error', () => {});
  client.resume();
  expect(await once(client, 'close')).toEqual([false]);
});

test('an address that cannot be bound is named', async () => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
  const why = `cannot listen on ${address}: the port is taken by another process`;
  await expect(listenForSockets(address, () => undefined)).rejects.toThrow(why);
  taken.close();
  await expect(listenForSockets('192.0.2.1:1', () => undefined)).rejects.toThrow('cannot listen on 192.0.2.1:1: ');
});

test('an IPv6 address is bound, and shown as it was written', async ({ skip }) => {
  const listener = await listenForSockets('[::1]:0', () => undefined).catch(() => undefined);
  if (listener === undefined) return skip('this machine has no IPv6');
  listeners.push(listener);
  expect(listener.address).toMatch(/^\[::1\]:[1-9]\d*$/);
});
