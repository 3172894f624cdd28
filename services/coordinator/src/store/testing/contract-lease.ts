import { afterEach, describe, expect, test } from 'vitest';
import { sleep } from '@weir/base/clock.ts';
import { leaseId } from '@weir/base/ids.ts';
import { LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN } from '@weir/base/limits.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { LeaseGoneError, readAll, StoreLimitError } from '../metadata-store.ts';
import type { MetadataStore } from '../metadata-store.ts';
import { currentRevision, put, Recorder, remove, StoreFixture, write } from './store-test-kit.ts';
import type { EngineUnderTest } from './store-test-kit.ts';

/** How late a lease may end here: etcd looks every half a second, and gives a second on top. */
const LATE_MS_MAX = 4_000;

async function keysOf(store: MetadataStore): Promise<string[]> {
  return (await readAll(store, '/')).items.map(({ key }) => key);
}

const nowMs = (): number => machineClock.monotonicMs();

/** What every engine holds of leases. */
export function describeLeases(engine: EngineUnderTest): void {
  const fixture = new StoreFixture(engine);
  afterEach(() => fixture.release());

  describe(`leases on ${engine.name}`, () => {
    test('a revoked lease takes its keys with it in one revision, and no others', async () => {
      const store = await fixture.open();
      const lease = await fixture.grant(store);
      const other = await fixture.grant(store);
      expect(lease.id).not.toBe(other.id);
      await write(store, put('/b', '1', lease.id), put('/a', '1', lease.id), put('/none', '1'));
      await write(store, put('/other', '1', other.id));
      const before = await write(store, put('/moved', '1', lease.id), put('/freed', '1', lease.id));
      const after = await write(store, put('/moved', '2', other.id), put('/freed', '2'));
      const recorder = new Recorder(store, { prefix: '/', after: before });
      await store.revokeLease(lease.id);
      await recorder.until(({ told }) => told.length === 2);
      expect(recorder.short[1]).toEqual([after + 1, '-/a', '-/b']);
      expect(await keysOf(store)).toEqual(['/freed', '/moved', '/none', '/other']);
      expect((await readAll(store, '/')).items.map(({ lease: of }) => of)).toEqual([
        undefined,
        other.id,
        undefined,
        other.id,
      ]);
    });

    test('a lease without keys goes without a revision, and one that has ended is not known any more', async () => {
      const store = await fixture.open();
      const base = await currentRevision(store);
      const lease = await fixture.grant(store);
      expect(await store.keepLeaseAlive(lease.id)).toBe(true);
      await store.revokeLease(lease.id);
      await store.revokeLease(lease.id);
      expect(await store.keepLeaseAlive(lease.id)).toBe(false);
      expect(await store.keepLeaseAlive(leaseId(4_711))).toBe(false);
      expect(await currentRevision(store)).toBe(base);
    });

    test('a key cannot be put under a lease that has ended, and nothing of that transaction is written', async () => {
      const store = await fixture.open();
      const lease = await fixture.grant(store);
      const base = await write(store, put('/a', '1', lease.id), put('/b', '1'));
      await store.revokeLease(lease.id);
      const success = [remove('/b'), put('/a', '2', lease.id)];
      const late = [store.txn({ compare: [], success }), store.txn({ compare: [], success: [put('/c', '1')] })];
      await expect(late[0]).rejects.toThrow(LeaseGoneError);
      await late[1];
      expect(await keysOf(store)).toEqual(['/b', '/c']);
      expect(await currentRevision(store)).toBe(base + 2);
      // The branch that is not taken does not matter.
      const compare = [{ key: '/b', target: 'version', equals: 9 } as const];
      expect((await store.txn({ compare, success })).succeeded).toBe(false);
    });

    test('a lease that is not kept alive ends by itself: not early, and with its keys', async () => {
      const store = await fixture.open();
      const beganMs = nowMs();
      const { id, ttlMs } = await fixture.grant(store, LEASE_TTL_MS_MIN);
      const recorder = new Recorder(store, { prefix: '/', after: await write(store, put('/a', '1', id)) });
      await recorder.until(({ told }) => told.length > 0, ttlMs + LATE_MS_MAX);
      const tookMs = nowMs() - beganMs;
      expect(recorder.short[0]!.slice(1)).toEqual(['-/a']);
      expect(tookMs).toBeGreaterThanOrEqual(ttlMs);
      expect(await store.keepLeaseAlive(id)).toBe(false);
    });

    test('a lease that is kept alive lives on, and ends its whole time after that was the last time', async () => {
      const store = await fixture.open();
      const { id, ttlMs } = await fixture.grant(store, LEASE_TTL_MS_MIN);
      const recorder = new Recorder(store, { prefix: '/', after: await write(store, put('/a', '1', id)) });
      let lastMs = 0;
      for (const untilMs = nowMs() + 2 * ttlMs; nowMs() < untilMs;) {
        lastMs = nowMs();
        expect(await store.keepLeaseAlive(id)).toBe(true);
        await sleep(machineClock, ttlMs / 8);
      }
      expect(recorder.told).toEqual([]);
      await recorder.until(({ told }) => told.length > 0, ttlMs + LATE_MS_MAX);
      expect(nowMs() - lastMs).toBeGreaterThanOrEqual(ttlMs);
    });

    test('a time to live is whole seconds, within bounds', async () => {
      const store = await fixture.open();
      expect((await fixture.grant(store, 2_001)).ttlMs).toBe(3_000);
      for (const ttlMs of [LEASE_TTL_MS_MIN - 1, LEASE_TTL_MS_MAX + 1, Number.NaN]) {
        await expect(store.grantLease(ttlMs)).rejects.toThrow(StoreLimitError);
      }
    });
  });
}
