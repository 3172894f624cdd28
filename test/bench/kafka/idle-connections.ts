import { connect } from 'node:net';
import type { Socket } from 'node:net';

const AT_ONCE = 50;
const ANSWER_MS_MAX = 30_000;

/** ApiVersions version 0 from "bench", framed, as every Kafka client begins. */
const HELLO = hello('bench');

/**
 * Holds connections that have said hello and are silent since, as those of clients that wait, while something is measured.
 *
 * @throws Error when one is refused, is not answered, or is gone before the end
 */
export async function withIdleConnections<T>(address: string, count: number, act: () => Promise<T>): Promise<T> {
  const sockets: Socket[] = [];
  let lost = 0;
  try {
    while (sockets.length < count) {
      const some = Math.min(AT_ONCE, count - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: some }, () => greeted(address)))));
    }
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.once('close', () => (lost += 1));
    }
    const result = await act();
    if (lost > 0) throw new Error(`${lost} of ${count} connections did not stay`);
    return result;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function greeted(address: string): Promise<Socket> {
  const [host, port] = address.split(':') as [string, string];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.write(HELLO));
    const timer = setTimeout(() => socket.destroy(new Error(`${address} does not answer`)), ANSWER_MS_MAX);
    const fail = (error?: Error): void => {
      clearTimeout(timer);
      reject(error ?? new Error(`${address} closed the connection`));
    };
    socket.once('error', fail);
    socket.once('close', fail);
    socket.once('data', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.off('close', fail);
      resolve(socket);
    });
    socket.resume();
  });
}

/** Length, api key 18, version 0, correlation id 1, client id. */
function hello(client: string): Buffer {
  const frame = Buffer.alloc(4 + 10 + client.length);
  frame.writeInt32BE(frame.length - 4, 0);
  frame.writeInt16BE(18, 4);
  frame.writeInt32BE(1, 8);
  frame.writeInt16BE(client.length, 12);
  frame.write(client, 14);
  return frame;
}
