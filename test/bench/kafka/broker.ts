import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { killNow } from './children.ts';

/** Which of the two. */
export type BrokerName = 'Weir' | 'Kafka';

/** When a record counts: `interval` beside Kafka's default, `commit` beside Kafka with a sync per append. */
export type Flush = 'interval' | 'commit';

/** A cluster of one broker under measurement, on disks that go with it. */
export interface Broker {
  readonly name: BrokerName;
  /** Where Kafka clients reach it, host:port. */
  readonly bootstrap: string;
  /** The process that holds the records. */
  readonly pid: number;
  /** What does the work of a broker and its controller: with Kafka one process, with Weir broker and coordinator. */
  readonly workingPids: readonly number[];
  readonly dataDirectory: string;
  /** kill -9 of the broker's process. */
  kill(): Promise<void>;
  /** Starts the killed broker on its data again; the wall clock at its launch, in ms. */
  startAgain(): Promise<number>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

const POLL_MS = 10;
const FIRST_PORT = 20_000;
const PORTS = 12_000;
const TRIES = 50;

/** A port below the range of outgoing connections; with `distance`, the one that lies so much higher is free too. */
export async function freePort(distance = 0): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if ((await isFree(port)) && (distance === 0 || (await isFree(port + distance)))) return port;
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${FIRST_PORT + PORTS}`);
}

/** kill -9, and until it is gone. */
export async function killAndWait(pid: number): Promise<void> {
  killNow(pid);
  while (isRunning(pid)) await pause(POLL_MS);
}

/** Not so once it has ended, though nobody may have asked how yet. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return false;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
