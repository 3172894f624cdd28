import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { freePorts } from '../harness/free-ports.ts';
import { WeirChild } from '../harness/weir-child.ts';

const START_MS_MAX = 20_000;
const directory = mkdtempSync(join(tmpdir(), 'weir-probes-'));
const children: WeirChild[] = [];
afterAll(async () => {
  await Promise.all(children.map((child) => child.end('SIGKILL')));
  rmSync(directory, { recursive: true, force: true });
});

function start(kind: string, ops: number, ...words: string[]): WeirChild {
  const child = new WeirChild([kind, '--ops-listen', `127.0.0.1:${ops}`, ...words]);
  children.push(child);
  return child;
}

interface Probes {
  readonly livez: number;
  readonly startupz: number;
  readonly readyz: number;
  /** Why it is not ready, in words. */
  readonly why: string;
}

/** What a service answers, or undefined while its ops port is not there. */
async function probe(ops: number): Promise<Probes | undefined> {
  try {
    const [livez, startupz, readyz] = await Promise.all(
      ['livez', 'startupz', 'readyz'].map((path) => fetch(`http://127.0.0.1:${ops}/${path}`)),
    );
    return {
      livez: livez!.status,
      startupz: startupz!.status,
      readyz: readyz!.status,
      why: (await readyz!.text()).trim(),
    };
  } catch {
    return undefined;
  }
}

const READY = { livez: 200, startupz: 200, readyz: 200, why: 'ok' };

async function isReady(ops: number): Promise<true | undefined> {
  return (await probe(ops))?.readyz === 200 || undefined;
}

test('who starts before the coordinator waits for it, and stays ready when it goes', async () => {
  const [coordinatorPort, coordinatorOps, brokerOps, gatewayOps] = (await freePorts(4)) as [
    number,
    number,
    number,
    number,
  ];
  const coordinators = ['--coordinators', `127.0.0.1:${coordinatorPort}`];
  const data = [
    '--grpc-listen',
    '127.0.0.1:0',
    '--kafka-listen',
    '127.0.0.1:0',
    '--replication-listen',
    '127.0.0.1:0',
    '--data-dir',
    join(directory, 'broker'),
  ];
  const broker = start('broker', brokerOps, ...coordinators, ...data);
  const gateway = start('gateway', gatewayOps, ...coordinators, '--http-listen', '127.0.0.1:0');
  const waits = { livez: 200, startupz: 503, readyz: 503 };
  const waiting = async (ops: number): Promise<Probes | undefined> => {
    const found = await probe(ops);
    return found === undefined || found.why === 'starting' ? undefined : found;
  };
  expect(await broker.ready(() => waiting(brokerOps), START_MS_MAX)).toEqual({
    ...waits,
    why: 'not registered with a coordinator yet',
  });
  expect(await gateway.ready(() => waiting(gatewayOps), START_MS_MAX)).toEqual({
    ...waits,
    why: `no metadata yet from a coordinator (127.0.0.1:${coordinatorPort})`,
  });
  // Each has said what it waits for, and goes on trying.
  for (const child of [broker, gateway]) {
    await child.ready(() => child.output.includes('no coordinator: ') || undefined, START_MS_MAX);
  }

  const store = `sqlite:${directory}/metadata.db`;
  const coordinator = start(
    'coordinator',
    coordinatorOps,
    '--grpc-listen',
    `127.0.0.1:${coordinatorPort}`,
    '--store',
    store,
  );
  await coordinator.ready(() => isReady(coordinatorOps), START_MS_MAX);
  await broker.ready(() => isReady(brokerOps), START_MS_MAX);
  await gateway.ready(() => isReady(gatewayOps), START_MS_MAX);
  expect(await probe(coordinatorOps)).toEqual(READY);

  await coordinator.end('SIGKILL');
  const lost = (child: WeirChild): true | undefined => child.output.split('no coordinator: ').length > 2 || undefined;
  await broker.ready(() => lost(broker), START_MS_MAX);
  await gateway.ready(() => lost(gateway), START_MS_MAX);
  expect(await probe(brokerOps)).toEqual(READY);
  expect(await probe(gatewayOps)).toEqual(READY);
});
