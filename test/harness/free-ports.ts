import { createServer } from 'node:net';

/** Below what systems give to outgoing connections, which would take one before it is listened on. */
const FIRST = 20_000;
const COUNT = 10_000;

/** Ports of loopback that nobody listens on, and no connection gets by chance. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  // Test files run at the same time: each begins somewhere else.
  for (let at = Math.floor(Math.random() * COUNT); ports.length < count; at++) {
    const port = FIRST + (at % COUNT);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/** Whether nobody listens on a port of loopback. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
