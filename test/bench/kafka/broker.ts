import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { sendSignal } from './children.ts';

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
  /** Ends the broker's process, and no other: SIGTERM stops it cleanly, SIGKILL does not ask. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts the broker, for the first time or on the data that it left; the wall clock at its launch, in ms. */
  start(): Promise<number>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

const POLL_MS = 10;
const STOP_MS_MAX = 60_000;
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

/** Ends processes, and waits until they are gone; one that does not heed SIGTERM is killed. */
export async function endAndWait(pids: readonly number[], signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const late = performance.now() + STOP_MS_MAX;
  for (const pid of pids) sendSignal(pid, signal);
  while (pids.some(isRunning)) {
    if (performance.now() > late) for (const pid of pids) sendSignal(pid, 'SIGKILL');
    await pause(POLL_MS);
  }
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
