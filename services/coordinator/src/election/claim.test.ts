import { expect, test } from 'vitest';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { StoreFault } from '../store/metadata-store.ts';
import type { TxnRequest, TxnResult } from '../store/metadata-store.ts';
import { claim, evict, nameCluster } from './claim.ts';
import type { Claimant } from './claim.ts';

const clock = new ManualClock();
const never = new AbortController().signal;
const claimant = (coordinatorId: number): Claimant => ({
  coordinatorId,
  incarnation: `incarnation ${coordinatorId}`,
  address: `coordinator-${coordinatorId}:7070`,
});

/** A store that does what it is asked and does not say so, a few times. */
class MuteStore extends MemoryStore {
  unanswered = 0;

  override async txn(request: TxnRequest): Promise<TxnResult> {
    const result = this.txnNow(request);
    if (this.unanswered-- > 0) throw new StoreFault('no answer', { retriable: true });
    return result;
  }
}

test('the first to claim has it, with its lease, and whoever tries second is told whose it is', async () => {
  const store = new MemoryStore();
  const { id: lease } = await store.grantLease(2_000);
  const first = await claim(store, claimant(1), { lease, clock, signal: never });
  expect(first).toMatchObject({ ...claimant(1), lease, revision: 1 });
  expect(await claim(store, claimant(2), { lease: undefined, clock, signal: never })).toEqual(first);
});

test('a claim whose answer was lost is found to be ours when it is made again', async () => {
  const store = new MuteStore();
  const { id: lease } = await store.grantLease(2_000);
  store.unanswered = 2;
  const claiming = claim(store, claimant(1), { lease, clock, signal: never });
  await clock.advance(5_000);
  expect(await claiming).toMatchObject({ ...claimant(1), revision: 1 });
});

test('nothing is claimed under a lease that has ended', async () => {
  const store = new MemoryStore();
  const { id: lease } = await store.grantLease(2_000);
  await store.revokeLease(lease);
  expect(await claim(store, claimant(1), { lease, clock, signal: never })).toBeUndefined();
  expect(store.rangeNow({ prefix: '/controller' }).items).toEqual([]);
});

test('a claim is taken away by its lease, or as it stands, and never a later one', async () => {
  const store = new MemoryStore();
  const { id: lease } = await store.grantLease(2_000);
  const leased = (await claim(store, claimant(1), { lease, clock, signal: never }))!;
  await evict(store, leased);
  expect(store.rangeNow({ prefix: '/controller' }).items).toEqual([]);
  const bare = (await claim(store, claimant(2), { lease: undefined, clock, signal: never }))!;
  await evict(store, leased);
  expect(store.rangeNow({ prefix: '/controller' }).items).toHaveLength(1);
  await evict(store, { ...bare, revision: leased.revision });
  expect(store.rangeNow({ prefix: '/controller' }).items).toHaveLength(1);
  await evict(store, bare);
  expect(store.rangeNow({ prefix: '/controller' }).items).toEqual([]);
});

test('the first coordinator names the cluster, the others take the name that there is, and one that is deposed has no say', async () => {
  const store = new MemoryStore();
  const first = (await claim(store, claimant(1), { lease: undefined, clock, signal: never }))!;
  await evict(store, first);
  const second = (await claim(store, claimant(2), { lease: undefined, clock, signal: never }))!;
  expect(await nameCluster(store, first, 'of the first')).toBeUndefined();
  expect(await nameCluster(store, second, 'of the second')).toBe('of the second');
  expect(await nameCluster(store, second, 'of somebody else')).toBe('of the second');
});
