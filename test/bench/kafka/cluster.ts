import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { sendSignal } from './children.ts';
import { isFree } from '../../harness/free-ports.ts';

/** Which of the two. */
export type BrokerName = 'Weir' | 'Kafka';

/** When a record counts: `interval` beside Kafka's default, `commit` beside Kafka with a sync per append. */
export type Flush = 'interval' | 'commit';

/** What a cluster is to be. */
export interface Shape {
  /** Each a process; Kafka's are controllers as well, Weir's have a coordinator. */
  readonly brokers: 1 | 3;
  readonly flush: Flush;
  /** Weir alone: all of it in one process, as `weir dev` begins. */
  readonly allInOne?: boolean;
  /** Kafka alone: a new group waits for no other members, as it does not with `weir dev`. */
  readonly groupsAtOnce?: boolean;
}

/** A cluster under measurement, on disks that go with it. */
export interface Cluster {
  readonly name: BrokerName;
  /** Where Kafka clients reach it, host:port of each broker; before its start, of the first. */
  readonly bootstrap: string;
  /** The first broker's process, which holds the records where there is no other. */
  readonly pid: number;
  /** The brokers' processes, in the order of their ids, which count up from 1. */
  readonly brokerPids: readonly number[];
  /** What does the work of brokers and their controllers: with Weir a coordinator is among them. */
  readonly workingPids: readonly number[];
  readonly dataDirectory: string;
  /** Ends the brokers' processes, and no others: SIGTERM stops them cleanly, SIGKILL does not ask. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts the brokers, for the first time or on the data that they left; the wall clock at the launch, in ms. */
  start(): Promise<number>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

const POLL_MS = 10;
const STOP_MS_MAX = 60_000;
const FIRST_PORT = 20_000;
const PORTS = 12_000;
const TRIES = 50;

/** A port below the range of outgoing connections; all that lie so much higher are free. */
export async function freePort(distances: readonly number[] = [0]): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const free = await Promise.all(distances.map((distance) => isFree(port + distance)));
    if (free.every(Boolean)) return port;
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
