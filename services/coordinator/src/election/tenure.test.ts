import { expect, test } from 'vitest';
import { CONTROLLER_LEASE_MS, CONTROLLER_UNCONFIRMED_MS } from '@weir/base/limits.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { StoreFault } from '../store/metadata-store.ts';
import { LeasedTenure } from './tenure.ts';

/** A store whose answers to keep-alives can fail, or never come. */
class LeaseStore extends MemoryStore {
  mood: 'answers' | 'fails' | 'hangs' = 'answers';

  override keepLeaseAlive(id: Parameters<MemoryStore['keepLeaseAlive']>[0]): Promise<boolean> {
    if (this.mood === 'hangs') return new Promise(() => {});
    if (this.mood === 'fails') return Promise.reject(new StoreFault('no member answers', { retriable: true }));
    return super.keepLeaseAlive(id);
  }
}

async function inOffice() {
  const clock = new ManualClock();
  const store = new LeaseStore({ clock });
  const { logger } = testWorld();
  const seen = { lost: 0 };
  const fatal = (error: Error): never => {
    throw error;
  };
  const tenure = await LeasedTenure.begin({ store, clock, logger, fatal, lost: () => seen.lost++ });
  return { clock, store, tenure, seen };
}

test('a tenure holds for as long as its lease is confirmed', async () => {
  const { clock, tenure, seen } = await inOffice();
  await clock.advance(20 * CONTROLLER_LEASE_MS);
  expect(tenure.holds()).toBe(true);
  expect(seen.lost).toBe(0);
});

test.each(['fails', 'hangs'] as const)(
  'one that is not confirmed because the store %s holds for no longer than the lease is sure to live, and again once it is',
  async (mood) => {
    const { clock, store, tenure, seen } = await inOffice();
    await clock.advance(600);
    store.mood = mood;
    // The last one that was answered was asked for 100 ms ago.
    await clock.advance(CONTROLLER_LEASE_MS - 101);
    expect(tenure.holds()).toBe(true);
    await clock.advance(2);
    expect(tenure.holds()).toBe(false);
    expect(seen.lost).toBe(0);
  },
);

test('one that is not confirmed for long is given up, so that nobody waits for it', async () => {
  const { clock, store, tenure, seen } = await inOffice();
  store.mood = 'fails';
  await clock.advance(CONTROLLER_LEASE_MS + CONTROLLER_UNCONFIRMED_MS - 100);
  expect(seen.lost).toBe(0);
  await clock.advance(600);
  expect(seen.lost).toBe(1);
  store.mood = 'answers';
  await clock.advance(1_000);
  expect(tenure.holds()).toBe(false);
});

test('a lease that lives on after a silence goes on being held', async () => {
  const { clock, tenure, seen } = await inOffice();
  // Its store gives a lease its whole time again when the process that keeps it alive did not run.
  clock.oversleep(1.5 * CONTROLLER_LEASE_MS);
  expect(tenure.holds()).toBe(false);
  await clock.advance(500);
  expect(tenure.holds()).toBe(true);
  expect(seen.lost).toBe(0);
});

test('the end of the lease is told once, and nothing is held after it', async () => {
  const { clock, store, tenure, seen } = await inOffice();
  await store.revokeLease(tenure.lease);
  await clock.advance(5_000);
  expect(seen.lost).toBe(1);
  expect(tenure.holds()).toBe(false);
});

test('who resigns has ended the lease, and is not told that it is lost', async () => {
  const { clock, store, tenure, seen } = await inOffice();
  await tenure.resign();
  expect(tenure.holds()).toBe(false);
  expect(await store.keepLeaseAlive(tenure.lease)).toBe(false);
  await clock.advance(5_000);
  expect(seen.lost).toBe(0);
});
