import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ETCD_SILENCE_MS } from '@weir/base/limits.ts';
import { openEtcdStore } from '@weir/coordinator/store/etcd.node.ts';
import { parseEndpoints } from '@weir/coordinator/store/etcd/endpoints.ts';
import type { MetadataStore } from '@weir/coordinator/store/metadata-store.ts';
import {
  currentRevision,
  put,
  Recorder,
  remove,
  StoreFixture,
  write,
} from '@weir/coordinator/store/testing/store-test-kit.ts';
import { SteadyCounter } from './counter.ts';
import { EtcdCluster } from './members.ts';
import { etcdProgram, unlessSkipped } from './program.ts';
import { Proxy } from '../harness/proxy.ts';

/** Nobody counts while a leader is elected anew, which etcd lets take one to two seconds, a few times at worst. */
const ELECTION_MS_MAX = 15_000;

describe.skipIf(etcdProgram === undefined)(`etcd of three members with faults${unlessSkipped}`, () => {
  let cluster: EtcdCluster;
  let stores = 0;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(3);
  });
  afterAll(() => cluster.stop());
  const fixture = new StoreFixture({
    name: 'etcd',
    open: () => openEtcdStore({ endpoints: cluster.endpoints, prefix: `/faults/${++stores}` }),
  });
  afterEach(async () => {
    await cluster.untilHealthy();
    await fixture.release();
  });

  async function counting(): Promise<{ store: MetadataStore; counter: SteadyCounter }> {
    const store = await fixture.open();
    const counter = await SteadyCounter.start(store);
    await counter.more(20);
    return { store, counter };
  }

  test('each member killed in turn, and started again', async () => {
    const { counter } = await counting();
    for (const member of cluster.members) {
      await member.kill();
      await counter.more(50, ELECTION_MS_MAX);
      member.start();
      await cluster.untilHealthy();
    }
    await counter.more(20);
    const { found, expected } = await counter.finish();
    expect(found).toEqual(expected);
  });

  test('each member paused in turn, past all deadlines, and continued', async () => {
    const { counter } = await counting();
    for (const member of cluster.members) {
      member.pause();
      await counter.more(50, ELECTION_MS_MAX);
      await sleep(ETCD_SILENCE_MS);
      member.resume();
      await counter.more(50, ELECTION_MS_MAX);
      await cluster.untilHealthy();
    }
    const { found, expected } = await counter.finish();
    expect(found).toEqual(expected);
    expect(counter.unanswered, 'a pause under load leaves something without an answer').toBeGreaterThan(0);
  });

  test('a watch whose member is paused goes on at another one', async () => {
    const store = await fixture.open();
    const recorder = new Recorder(store, { prefix: '/', after: await currentRevision(store) });
    await recorder.untilRevision(await write(store, put('/a', '1')));
    // A new client begins at the first member, and so does its watch.
    const [first] = cluster.members;
    first!.pause();
    const other = await openEtcdStore({ endpoints: cluster.endpoints.slice(1), prefix: `/faults/${stores}` });
    let last = 0;
    try {
      for (let i = 0; i < 20; i++) last = await retried(() => write(other, put('/a', String(i))));
      await recorder.until(({ told }) => told.at(-1)?.revision === last, ETCD_SILENCE_MS + ELECTION_MS_MAX);
    } finally {
      first!.resume();
      await other.close();
    }
    expect(recorder.told).toHaveLength(21);
    expect(recorder.lost).toBeUndefined();
  });

  test('leaders that change', async () => {
    const { counter } = await counting();
    for (let i = 0; i < 5; i++) {
      await cluster.changeLeader();
      await counter.more(20, ELECTION_MS_MAX);
    }
    const { found, expected } = await counter.finish();
    expect(found).toEqual(expected);
  });

  test('compaction under a watch, close behind the writes', async () => {
    const { store, counter } = await counting();
    for (let i = 0; i < 20; i++) {
      await store.compact(await currentRevision(store));
      await counter.more(5);
    }
    const { found, expected } = await counter.finish();
    expect(found).toEqual(expected);
  });

  test('a watch that was away is told everything, and that it is lost when its position was compacted meanwhile', async () => {
    const proxy = await Proxy.start(cluster.endpoints[0]!.address);
    const direct = await fixture.open();
    const away = await openEtcdStore({
      endpoints: parseEndpoints(`http://${proxy.address}`),
      prefix: `/faults/${stores}`,
    });
    try {
      const recorder = new Recorder(away, { prefix: '/', after: await currentRevision(away) });
      await recorder.untilRevision(await write(direct, put('/a', '1')));
      proxy.cut();
      for (let i = 2; i < 10; i++) await write(direct, put('/a', String(i)));
      proxy.mend();
      await recorder.until(({ told }) => told.length === 9);
      proxy.cut();
      const last = await write(direct, put('/a', '10'), put('/b', '10'));
      await direct.compact(await write(direct, remove('/a')));
      // The member that the watch comes back to has compacted as well.
      const old = { key: Buffer.from('/').toString('base64'), revision: last - 1 };
      await expect.poll(() => cluster.ask(cluster.members[0]!, 'kv/range', old).catch(String)).toContain('compacted');
      proxy.mend();
      await recorder.until(({ lost }) => lost !== undefined);
      expect(recorder.lost).toEqual({ kind: 'compacted' });
      expect(recorder.short.map(([, change]) => change)).toEqual(Array.from({ length: 9 }, (_, i) => `+/a=${i + 1}`));
    } finally {
      await away.close();
      proxy.stop();
    }
  });

  test('all members killed at once, and started again', async () => {
    const { counter } = await counting();
    for (let i = 0; i < 2; i++) {
      await Promise.all(cluster.members.map((member) => member.kill()));
      await sleep(1_000);
      for (const member of cluster.members) member.start();
      await counter.more(50, 2 * ELECTION_MS_MAX);
    }
    const { found, expected } = await counter.finish();
    expect(found).toEqual(expected);
  });

  test('a lease that is kept alive lives through changes of the leader and the death of a member', async () => {
    const store = await fixture.open();
    const lease = await fixture.grant(store, 6_000);
    const recorder = new Recorder(store, { prefix: '/', after: await write(store, put('/a', '1', lease.id)) });
    const enough = new AbortController();
    const kept: boolean[] = [];
    const keep = (async (): Promise<void> => {
      while (!enough.signal.aborted) {
        kept.push(await store.keepLeaseAlive(lease.id).catch(() => true));
        await sleep(500);
      }
    })();
    const leader = await cluster.changeLeader();
    await sleep(2_000);
    await leader.kill();
    await sleep(8_000);
    leader.start();
    enough.abort();
    await keep;
    expect(kept.length).toBeGreaterThan(5);
    expect(kept).not.toContain(false);
    expect(recorder.told).toEqual([]);
    // The new leader gives it its whole time once more, at most.
    await recorder.until(({ told }) => told.length > 0, 2 * 6_000 + ELECTION_MS_MAX);
    expect(recorder.short[0]!.slice(1)).toEqual(['-/a']);
  });
});

/** The first answer that is none of a fault. */
async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (const untilMs = performance.now() + ELECTION_MS_MAX; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(50);
    }
  }
}
