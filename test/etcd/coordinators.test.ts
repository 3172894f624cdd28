import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CONTROLLER_LEASE_MS, SESSION_SILENCE_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { openEtcdStore } from '@weir/coordinator/store/etcd.node.ts';
import type { MetadataStore } from '@weir/coordinator/store/metadata-store.ts';
import { WriteHistory } from './coordinators/history.ts';
import { SteadyLoad } from './coordinators/load.ts';
import { CoordinatorProcesses } from './coordinators/processes.ts';
import type { CoordinatorProcess } from './coordinators/processes.ts';
import { EtcdCluster } from './members.ts';
import { etcdProgram, unlessSkipped } from './program.ts';

/** A takeover that hangs, an election of etcd's, and what it costs to notice either. */
const TROUBLE_MS_MAX = 25_000;
/** Longer than the lease lasts, and than a standby needs to take over. */
const PAST_THE_LEASE_MS = CONTROLLER_LEASE_MS + 2_500;

describe.skipIf(etcdProgram === undefined)(`several coordinators on etcd${unlessSkipped}`, () => {
  let etcd: EtcdCluster;
  let store: MetadataStore;
  let history: WriteHistory;
  let coordinators: CoordinatorProcesses | undefined;
  let load: SteadyLoad | undefined;
  let tests = 0;
  beforeAll(async () => {
    etcd = await EtcdCluster.start(3);
  });
  afterAll(() => etcd.stop());

  beforeEach(async ({ onTestFailed }) => {
    coordinators = undefined;
    load = undefined;
    onTestFailed(() => console.error(`${coordinators?.report()}\n${load?.report()}`));
    store = await openEtcdStore({ endpoints: etcd.endpoints, prefix: `/coordinators/${++tests}` });
    history = await WriteHistory.start(store);
  });
  afterEach(async () => {
    await load?.close();
    await coordinators?.stop();
    history.close();
    await store.close();
  });

  async function start(count: number, { isIsolatable = false } = {}): Promise<CoordinatorProcesses> {
    coordinators = await CoordinatorProcesses.start(etcd, { count, prefix: `/coordinators/${tests}`, isIsolatable });
    await coordinators.untilReady();
    return coordinators;
  }

  /**
   * What did not hold, whatever was broken.
   *
   * @param takeOvers - how many there were, or may have been: each may come between a session's end and its node's
   */
  async function broken(
    running: SteadyLoad,
    { takeOvers }: { readonly takeOvers: 'none' | 'some' | 'maybe' },
  ): Promise<readonly string[]> {
    const forTakeOver = takeOvers === 'none' ? 0 : TROUBLE_MS_MAX + SESSION_TIMEOUT_MS;
    const found = [...(await running.finish({ mortalMsMax: SESSION_TIMEOUT_MS + 1_000 + forTakeOver }))];
    const { wrong, claims, changes, brokerSessions } = history.findings();
    found.push(...wrong);
    if (brokerSessions !== 1) found.push(`the broker had ${brokerSessions} sessions`);
    if (changes < running.counted) found.push(`the store has ${changes} changes, and ${running.counted} were counted`);
    if (claims < 2 && takeOvers === 'some') found.push('nobody took over');
    if (claims > 1 && takeOvers === 'none') found.push(`there were ${claims} claims, and nobody had to take over`);
    return found;
  }

  async function measured(from: CoordinatorProcess, all: CoordinatorProcesses, act: () => void): Promise<number> {
    const beganMs = performance.now();
    act();
    await all.untilActive(all.all.filter((one) => one !== from));
    return performance.now() - beganMs;
  }

  test('a takeover takes 1 s when nobody listens, 4 s when nothing is heard, 300 ms when the active one resigns', async () => {
    const all = await start(2);
    const took = { killed: [] as number[], paused: [] as number[], resigned: [] as number[] };
    for (let round = 0; round < 3; round++) {
      const killed = (await all.active())!;
      took.killed.push(await measured(killed, all, () => killed.child.signal('SIGKILL')));
      await killed.child.ending;
      all.again(killed);
      await all.untilReady();

      const resigning = (await all.active())!;
      took.resigned.push(await measured(resigning, all, () => resigning.child.signal('SIGTERM')));
      expect(await resigning.child.ending).toMatchObject({ code: 0 });
      all.again(resigning);
      await all.untilReady();

      const paused = (await all.active())!;
      took.paused.push(await measured(paused, all, () => paused.child.signal('SIGSTOP')));
      // The next round has somebody to take over once it stands by again.
      const stoodBy = timesStoodBy(paused);
      paused.child.signal('SIGCONT');
      await paused.child.ready(() => timesStoodBy(paused) > stoodBy || undefined, TROUBLE_MS_MAX);
    }
    console.log(
      `takeovers, ms: ${JSON.stringify(took, (_key, value) => (typeof value === 'number' ? Math.round(value) : value))}`,
    );
    expect(Math.max(...took.killed)).toBeLessThanOrEqual(1_000);
    expect(Math.max(...took.paused)).toBeLessThanOrEqual(4_000);
    expect(Math.max(...took.resigned)).toBeLessThanOrEqual(300);
  }, 120_000);

  test('each coordinator killed in turn, and started again', async () => {
    const all = await start(3);
    load = await SteadyLoad.start(all.addresses);
    for (let round = 0; round < 3; round++) {
      const active = await all.untilActive(all.all);
      await active.child.end('SIGKILL');
      await load.more(50, TROUBLE_MS_MAX);
      all.again(active);
      await all.untilReady();
    }
    expect(await broken(load, { takeOvers: 'some' })).toEqual([]);
  }, 180_000);

  test('each coordinator paused in turn, past its lease, and continued', async () => {
    const all = await start(2);
    load = await SteadyLoad.start(all.addresses);
    for (let round = 0; round < 2; round++) {
      const active = await all.untilActive(all.all);
      active.child.signal('SIGSTOP');
      await load.more(50, TROUBLE_MS_MAX);
      await sleep(PAST_THE_LEASE_MS);
      active.child.signal('SIGCONT');
      await load.more(50, TROUBLE_MS_MAX);
    }
    expect(await broken(load, { takeOvers: 'some' })).toEqual([]);
  }, 180_000);

  test.each(['from etcd', 'from its clients', 'from everything', 'from everything, and nobody is told'] as const)(
    'each coordinator cut off in turn %s, and connected again',
    async (how) => {
      const all = await start(2, { isIsolatable: true });
      load = await SteadyLoad.start(all.addresses);
      const isOfClients = how === 'from its clients';
      for (let round = 0; round < 2; round++) {
        const { toEtcd, front } = await all.untilActive(all.all);
        const ways = how === 'from etcd' ? toEtcd : isOfClients ? [front!] : [...toEtcd, front!];
        for (const way of ways) {
          if (isOfClients || how.endsWith('told')) way.goDead();
          else way.cut();
        }
        // Whom clients alone cannot reach keeps its lease: they wait for it, and lose nothing by so much.
        if (isOfClients) await sleep(0.75 * SESSION_SILENCE_MS);
        else {
          await load.more(50, TROUBLE_MS_MAX);
          await sleep(PAST_THE_LEASE_MS);
        }
        for (const way of ways) way.mend();
        await load.more(50, TROUBLE_MS_MAX);
      }
      expect(await broken(load, { takeOvers: isOfClients ? 'none' : 'some' })).toEqual([]);
    },
    180_000,
  );

  test.each(['killed', 'paused', 'cut off'] as const)(
    'each member of etcd %s in turn, and back',
    async (how) => {
      const all = await start(2);
      load = await SteadyLoad.start(all.addresses);
      for (const [i, member] of etcd.members.entries()) {
        const ways = [member.fromPeers, ...all.all.map(({ toEtcd }) => toEtcd[i]!)];
        if (how === 'killed') await member.kill();
        else if (how === 'paused') member.pause();
        else for (const way of ways) way.goDead();
        await load.more(50, TROUBLE_MS_MAX);
        await sleep(PAST_THE_LEASE_MS);
        if (how === 'killed') member.start();
        else if (how === 'paused') member.resume();
        else for (const way of ways) way.mend();
        await etcd.untilHealthy();
        await load.more(50, TROUBLE_MS_MAX);
      }
      expect(await broken(load, { takeOvers: 'maybe' })).toEqual([]);
    },
    180_000,
  );

  test('all coordinators and all of etcd killed at once, and started again: nothing that was acknowledged is lost', async () => {
    const all = await start(2);
    load = await SteadyLoad.start(all.addresses);
    await load.more(100, TROUBLE_MS_MAX);
    await Promise.all([
      ...all.all.map(({ child }) => child.end('SIGKILL')),
      ...etcd.members.map((member) => member.kill()),
    ]);
    for (const member of etcd.members) member.start();
    await etcd.untilHealthy();
    for (const one of all.all) all.again(one);
    await all.untilReady();
    await load.more(100, TROUBLE_MS_MAX);
    expect(await broken(load, { takeOvers: 'some' })).toEqual([]);
  }, 120_000);
});

function timesStoodBy({ child }: CoordinatorProcess): number {
  return child.output.split('stands by for').length;
}
