import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { uuidFromRandom, uuidToBytes } from '@weir/base/ids.ts';
import { Client } from '@weir/client/client.ts';
import { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import type { ClusterImage, ImageChange } from '@weir/client/metadata/cluster-image.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { buildEtcd, toolchainProblem } from '../etcd/build.ts';
import { EtcdCluster } from '../etcd/members.ts';
import { WeirChild } from '../harness/weir-child.ts';
import { freePort } from './kafka/cluster.ts';
import { cpuSeconds, print, residentMiB } from './measure.ts';

const START_MS_MAX = 10_000;
const TOPICS = 1_000;
const PARTITIONS_EACH = 10;
const PARTITIONS = 10_000;
const SESSIONS = 1_000;
const SESSIONS_SECONDS = 20;
const world = testWorld();

/** The coordinator on SQLite, in a process of its own; brokers are sessions without anything behind them. */
export async function benchCoordinator(): Promise<void> {
  console.log('\nThe coordinator, on SQLite');
  await benchOn((directory) => `sqlite:${join(directory, 'metadata.db')}`);
}

/** The same on one etcd, which shares the cores and the disk. */
export async function benchCoordinatorOnEtcd(): Promise<void> {
  const problem = toolchainProblem();
  if (problem !== undefined) return console.log(`\nThe coordinator, on etcd: skipped, ${problem}`);
  const program = await buildEtcd(console.error);
  console.log('\nThe coordinator, on one etcd');
  await benchOn(async (_directory, etcds) => {
    const etcd = await EtcdCluster.start(1, { program });
    etcds.push(etcd);
    return `etcd:${etcd.endpoints[0]!.url}`;
  });
}

/** Finds the store to use, and notes what has to be stopped behind it. */
type OpenStore = (directory: string, etcds: EtcdCluster[]) => string | Promise<string>;

async function benchOn(openStore: OpenStore): Promise<void> {
  for (const act of [manyTopics, lostLeader, manySessions]) await withCoordinator(openStore, act);
}

interface Coordinator {
  readonly address: string;
  readonly pid: number;
}

async function manyTopics({ address }: Coordinator): Promise<void> {
  const broker = await SessionBroker.join(address, 1);
  const client = new Client({ coordinators: [address], name: 'bench' }, world);
  try {
    await client.ready(START_MS_MAX);
    await timed(`${TOPICS} topics, one request each, one after the other`, async () => {
      for (let i = 0; i < TOPICS; i++) await client.createTopics([{ name: `single-${i}`, partitions: 1 }]);
    });
    const topics = Array.from({ length: TOPICS }, (_, i) => ({ name: `many-${i}`, partitions: PARTITIONS_EACH }));
    await timed(`${TOPICS} topics of ${PARTITIONS_EACH} partitions in one request`, async () => {
      for (const { name, refusal } of await client.createTopics(topics)) {
        if (refusal !== undefined) throw new Error(`${name}: ${refusal.code}: ${refusal.message}`);
      }
      await broker.until((image) => ledBy(image, broker.id) === TOPICS * (PARTITIONS_EACH + 1));
    });
  } finally {
    await client.close();
    broker.leave();
  }
}

async function lostLeader({ address, pid }: Coordinator): Promise<void> {
  const leader = await SessionBroker.join(address, 1);
  const client = new Client({ coordinators: [address], name: 'bench' }, world);
  try {
    await client.ready(START_MS_MAX);
    await client.createTopics([{ name: 'many', partitions: PARTITIONS }]);
    await leader.until((image) => ledBy(image, leader.id) === PARTITIONS);
  } finally {
    await client.close();
  }
  const joinedMs = performance.now();
  const witness = await SessionBroker.join(address, 2);
  await witness.until((image) => ledBy(image, leader.id) === PARTITIONS);
  say(`a snapshot of ${PARTITIONS} partitions to a new broker`, since(joinedMs));
  const leftMs = performance.now();
  leader.leave();
  await witness.until((image) => ledBy(image, leader.id) < PARTITIONS);
  const noticed = since(leftMs);
  const noticedMs = performance.now();
  await witness.until((image) => ledBy(image, leader.id) === 0);
  say(`the broker that led ${PARTITIONS} partitions is gone: noticed`, noticed);
  say('… then until all of that was decided, stored and told', since(noticedMs));
  print({ name: 'memory of the coordinator (RSS)', result: `${residentMiB(pid).toFixed(0)} MiB` });
  witness.leave();
}

async function manySessions({ address, pid }: Coordinator): Promise<void> {
  const brokers: SessionBroker[] = [];
  // Each hears of every other one, which is most of what this costs.
  for (let i = 1; i <= SESSIONS; i++) brokers.push(await SessionBroker.join(address, i));
  const cpu = cpuSeconds(pid);
  await pause(SESSIONS_SECONDS * 1000);
  const share = ((cpuSeconds(pid) - cpu) / SESSIONS_SECONDS) * 100;
  print({ name: `CPU of the coordinator with ${SESSIONS} sessions`, result: `${share.toFixed(1)} % of a core` });
  for (const broker of brokers) broker.leave();
}

/** A broker as the coordinator sees it: a registration, and a session that heartbeats and follows the metadata. */
class SessionBroker {
  readonly id: number;
  readonly #session: CoordinatorSession;
  readonly #waiting = new Set<() => void>();

  private constructor(address: string, id: number, welcomed: () => void) {
    this.id = id;
    const registration = {
      brokerId: id,
      directoryId: uuidToBytes(uuidFromRandom(world.random.bytes(16))),
      incarnationId: uuidToBytes(uuidFromRandom(world.random.bytes(16))),
      grpcAddress: '127.0.0.1:1',
    };
    this.#session = new CoordinatorSession(
      { coordinators: [address], member: { kind: 'broker', registration: () => registration } },
      world,
      {
        changed: (_image: ClusterImage, _changes: readonly ImageChange[]) => {
          for (const look of this.#waiting) look();
        },
        welcomed,
        fenced: ({ code, message }) => {
          throw new Error(`broker ${id} was fenced: ${code}: ${message}`);
        },
        lost: () => {
          throw new Error(`broker ${id} has lost its session`);
        },
      },
    );
  }

  static join(address: string, id: number): Promise<SessionBroker> {
    return new Promise((resolve) => {
      const broker = new SessionBroker(address, id, () => resolve(broker));
    });
  }

  /** Returns once that is so of its image. */
  until(holds: (image: ClusterImage) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds(this.#session.image)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  leave(): void {
    this.#session.close();
  }
}

function ledBy(image: ClusterImage, id: number): number {
  let led = 0;
  for (const { partitions } of image.topics()) for (const { leader } of partitions) if (leader === id) led++;
  return led;
}

async function withCoordinator(openStore: OpenStore, act: (coordinator: Coordinator) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-coordinator-'));
  const [address, ops] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const etcds: EtcdCluster[] = [];
  const store = await openStore(directory, etcds);
  const words = [
    'coordinator',
    '--grpc-listen',
    address,
    '--ops-listen',
    ops,
    '--store',
    store,
    '--log-level',
    'error',
  ];
  const child = new WeirChild(words);
  try {
    await child.ready(() => isReady(ops), START_MS_MAX);
    await act({ address, pid: child.pid });
  } finally {
    await child.end('SIGTERM');
    for (const etcd of etcds) await etcd.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function isReady(ops: string): Promise<true | undefined> {
  try {
    return (await fetch(`http://${ops}/readyz`)).ok ? true : undefined;
  } catch {
    return undefined;
  }
}

async function timed(name: string, act: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  await act();
  say(name, since(startMs));
}

function since(startMs: number): number {
  return (performance.now() - startMs) / 1000;
}

function say(name: string, seconds: number): void {
  print({ name, result: `${seconds.toFixed(2)} s` });
}
