import { expect, test } from 'vitest';
import { testWorld } from '@weir/runtime/test-world.ts';
import { coordinatorMetrics } from '../metrics.ts';
import { Committer } from './committer.ts';
import { MemoryStore } from './memory-store.ts';
import { StoreFault } from './metadata-store.ts';
import type { TxnRequest, TxnResult } from './metadata-store.ts';
import { encodeValue, KEYS } from './records.ts';

/** A store whose next transactions fail, having been written or not. */
class FaultyStore extends MemoryStore {
  faults: ('lost' | 'answerLost' | 'broken')[] = [];

  override async txn(request: TxnRequest): Promise<TxnResult> {
    const fault = this.faults.shift();
    if (fault === 'lost') throw new StoreFault('no room', { retriable: true });
    if (fault === 'broken') throw new StoreFault('disk is dead', { retriable: false });
    const result = await super.txn(request);
    if (fault === 'answerLost') throw new StoreFault('no answer', { retriable: true });
    return result;
  }
}

function setUp() {
  const store = new FaultyStore();
  const fatal: Error[] = [];
  const world = testWorld({ fatal: (error) => void fatal.push(error) });
  const seen = { deposed: 0 };
  const metrics = coordinatorMetrics(world.registry, () => undefined);
  const committer = new Committer(store, { ...world, deposed: () => seen.deposed++ }, metrics);
  const commit = (changeId: string, value: string): Promise<number> =>
    new Promise((resolve) => {
      const txn: TxnRequest = {
        compare: [{ key: '/a', target: 'modRevision', equals: Number(value) }],
        success: [
          { kind: 'put', key: KEYS.lastChange, value: encodeValue({ change: changeId }) },
          { kind: 'put', key: '/a', value },
        ],
        failure: [{ kind: 'get', key: KEYS.lastChange }],
      };
      committer.commit({ txn, changeId }, resolve);
    });
  return { store, committer, commit, fatal, seen };
}

test('a transaction that failed is sent again until it succeeds, and the coordinator is not ready meanwhile', async () => {
  const { store, committer, commit } = setUp();
  store.faults = ['lost', 'lost'];
  const done = commit('x/1', '0');
  await expect.poll(() => committer.problem, { interval: 1 }).toBe('no room');
  expect(await done).toBe(1);
  expect(committer.problem).toBeUndefined();
});

test('a transaction whose answer was lost counts once, with the revision that it had', async () => {
  const { store, commit } = setUp();
  store.faults = ['answerLost', 'answerLost'];
  expect(await commit('x/1', '0')).toBe(1);
  expect(store.rangeNow({ prefix: '/a' }).items[0]).toMatchObject({ version: 1 });
  expect(await commit('x/2', '1')).toBe(2);
});

test('when somebody else has written, the coordinator is deposed', async () => {
  const { store, commit, fatal, seen } = setUp();
  await store.txn({ compare: [], success: [{ kind: 'put', key: '/a', value: 'other' }] });
  void commit('x/1', '0');
  await expect.poll(() => seen.deposed, { interval: 1 }).toBe(1);
  expect(fatal).toEqual([]);
});

test('a store that is broken for good ends the coordinator', async () => {
  const { store, commit, fatal } = setUp();
  store.faults = ['broken'];
  void commit('x/1', '0');
  await expect.poll(() => fatal[0]?.message, { interval: 1 }).toBe('disk is dead');
});

test('a stop does not wait for a store that keeps failing', async () => {
  const { store, committer, commit } = setUp();
  store.faults = Array.from({ length: 1000 }, () => 'lost');
  void commit('x/1', '0');
  await expect.poll(() => committer.problem, { interval: 1 }).toBe('no room');
  await committer.stop();
  expect(store.rangeNow({ prefix: '/' }).items).toEqual([]);
});
