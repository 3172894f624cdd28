import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WeirChild } from '../harness/weir-child.ts';
import { isFree } from '../harness/free-ports.ts';

const START_MS_MAX = 60_000;

/** Something that speaks the protocol, and how to end it. */
export interface Broker {
  readonly bootstrap: string;
  stop(): Promise<void>;
}

/** One that somebody else started: it is left as it is. */
export function runningBroker(bootstrap: string): Broker {
  return { bootstrap, stop: () => Promise.resolve() };
}

/**
 * `weir dev` of this checkout on a directory that goes with it.
 *
 * @throws Error when its brokers have no listener for Kafka's protocol
 */
export async function startWeir(): Promise<Broker> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-clients-'));
  const child = new WeirChild(['dev', '--ports', 'auto', '--data-dir', directory]);
  const stop = async (): Promise<void> => {
    const { ended } = child;
    if (ended !== undefined) console.error(`weir dev ended with ${ended.code ?? ended.signal}:\n${child.output}`);
    await child.end('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  };
  const file = join(directory, 'cluster.json');
  await child.ready(() => existsSync(file) || undefined, START_MS_MAX);
  const { services } = JSON.parse(readFileSync(file, 'utf8')) as { services: { kind: string; kafka?: string }[] };
  const bootstrap = services.find(({ kind }) => kind === 'broker')?.kafka;
  if (bootstrap !== undefined && bootstrap !== '') return { bootstrap, stop };
  await stop();
  throw new Error('its cluster.json names no address for Kafka clients');
}

/**
 * An Apache Kafka.
 *
 * @param directory holds programs `start`, which prints where it listens, and `stop`; both find their port and the place
 *   for their files in KAFKA_PEER_PORT and KAFKA_PEER_RUN
 * @throws Error with what `start` said
 */
export async function startKafka(directory: string): Promise<Broker> {
  const files = mkdtempSync(join(tmpdir(), 'weir-clients-kafka-'));
  const environment = { ...process.env, KAFKA_PEER_PORT: String(await freePort()), KAFKA_PEER_RUN: files };
  // What it puts behind this is its own listener, so the output is read until it is ready and no longer.
  const { status, stdout, stderr, error } = spawnSync(join(directory, 'start'), [], {
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 5 * START_MS_MAX,
  });
  const stop = (): Promise<void> => {
    spawnSync(join(directory, 'stop'), [], { env: environment, stdio: 'ignore', timeout: START_MS_MAX });
    rmSync(files, { recursive: true, force: true });
    return Promise.resolve();
  };
  if (status !== 0) {
    // It may have been interrupted halfway.
    await stop();
    throw new Error(`${join(directory, 'start')}: ${stderr ?? ''}${error?.message ?? ''}`);
  }
  return { bootstrap: stdout.trim().split('\n').at(-1)!, stop };
}

/** Not one that is handed out to outgoing connections, and nothing listens 100 above it either: Kafka's controller does. */
async function freePort(): Promise<number> {
  for (let port = 21_092; port < 30_000; port += 7) {
    if ((await isFree(port)) && (await isFree(port + 100))) return port;
  }
  throw new Error('there is no free port between 21092 and 30000');
}
