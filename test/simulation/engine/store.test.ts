import { expect, test } from 'vitest';
import { LEASE_TTL_MS_MIN } from '@weir/base/limits.ts';
import { leaseId, revision } from '@weir/base/ids.ts';
import { LeaseGoneError, StoreFault } from '@weir/coordinator/store/metadata-store.ts';
import { put, Recorder, write } from '@weir/coordinator/store/testing/store-test-kit.ts';
import { StoreRig } from './store-rig.ts';

const TTL_MS = LEASE_TTL_MS_MIN;
const EVERYTHING = { prefix: '/', after: revision(0) };

/** When each lease took its keys away. */
const endsOf = ({ applied }: StoreRig): { readonly atMs: number; readonly keys: readonly string[] }[] =>
  applied
    .filter(({ by }) => by === undefined)
    .map(({ atMs, request }) => ({ atMs, keys: request.success.map(({ key }) => key) }));

test('a lease ends late by what is drawn and never early, and its keys go in one revision that is seen', async () => {
  const rig = new StoreRig({ leaseLateMaxMs: 3_000 });
  const client = rig.store.clientOf(rig.process('owner'));
  const grantedMs: number[] = [];
  for (let i = 0; i < 20; i++) {
    const { id } = await rig.answer(client.grantLease(TTL_MS));
    grantedMs.push(rig.scheduler.nowMs);
    await rig.answer(write(client, put(`/${i}/b`, '1', id), put(`/${i}/a`, '1', id)));
  }
  await rig.pass(20_000);
  const ends = endsOf(rig);
  expect(ends).toHaveLength(20);
  for (const { atMs, keys } of ends) {
    const i = Number(keys[0]!.split('/')[1]);
    expect(keys).toEqual([`/${i}/a`, `/${i}/b`]);
    // It was granted up to a message's delay before its owner heard of it.
    expect(atMs - grantedMs[i]!).toBeGreaterThan(TTL_MS - 1);
    expect(atMs - grantedMs[i]!).toBeLessThan(TTL_MS + 3_000);
  }
  expect(Math.max(...ends.map(({ atMs }, i) => atMs - grantedMs[i]!))).toBeGreaterThan(TTL_MS + 1_000);
  expect(rig.sometimes.of('a lease ended late')).toBe(20);
  expect(rig.violations).toEqual([]);
});

test('a new leader gives leases their whole time again', async () => {
  const rig = new StoreRig({ leaderChangeMs: 500 });
  const client = rig.store.clientOf(rig.process('owner'));
  const { id } = await rig.answer(client.grantLease(TTL_MS));
  await rig.answer(write(client, put('/a', '1', id)));
  await rig.pass(10 * TTL_MS);
  expect(endsOf(rig)).toEqual([]);
  rig.store.heal();
  await rig.pass(TTL_MS);
  expect(endsOf(rig)).toMatchObject([{ keys: ['/a'] }]);
});

test('a keep-alive that was given up may count nevertheless, when its sender does not expect it', async () => {
  const rig = new StoreRig();
  const client = rig.store.clientOf(rig.process('owner'));
  const { id } = await rig.answer(client.grantLease(60_000));
  await rig.answer(write(client, put('/a', '1', id)));
  const beganMs = rig.scheduler.nowMs;
  await rig.pass(40_000);
  rig.rates.lateRate = 1;
  await expect(rig.answer(client.keepLeaseAlive(id))).rejects.toThrow(StoreFault);
  await rig.pass(120_000);
  const [end] = endsOf(rig);
  expect(end!.atMs - beganMs).toBeGreaterThan(100_000);
  expect(rig.sometimes.of('a lease was kept alive by a request that had been given up')).toBe(1);
});

test('a keep-alive after the time of a lease that is late counts, and one after its end does not', async () => {
  const rig = new StoreRig({ leaseLateMaxMs: 60_000 });
  const client = rig.store.clientOf(rig.process('owner'));
  const { id } = await rig.answer(client.grantLease(TTL_MS));
  await rig.pass(TTL_MS + 1_000);
  expect(await rig.answer(client.keepLeaseAlive(id))).toBe(true);
  expect(rig.sometimes.of('a lease was kept alive when its time was over')).toBe(1);
  await rig.pass(100_000);
  expect(await rig.answer(client.keepLeaseAlive(id))).toBe(false);
});

test('a lease whose grant nobody heard of ends by itself', async () => {
  const rig = new StoreRig({ answerLostRate: 1 });
  const client = rig.store.clientOf(rig.process('owner'));
  await expect(rig.answer(client.grantLease(10_000))).rejects.toThrow(StoreFault);
  rig.rates.answerLostRate = 0;
  const unknown = leaseId(1);
  await rig.answer(write(client, put('/a', '1', unknown)));
  await rig.pass(10_000);
  expect(endsOf(rig)).toMatchObject([{ keys: ['/a'] }]);
  await expect(rig.answer(write(client, put('/a', '2', unknown)))).rejects.toThrow(LeaseGoneError);
  expect(rig.violations).toEqual([]);
});

test('the end of a lease that was revoked is seen as the doing of who revoked it', async () => {
  const rig = new StoreRig();
  const owner = rig.store.clientOf(rig.process('owner'));
  const other = rig.process('other');
  const { id } = await rig.answer(owner.grantLease(TTL_MS));
  await rig.answer(write(owner, put('/a', '1', id)));
  await rig.answer(rig.store.clientOf(other).revokeLease(id));
  expect(rig.applied.at(-1)).toMatchObject({ by: other, request: { success: [{ kind: 'delete', key: '/a' }] } });
  expect(await rig.answer(owner.keepLeaseAlive(id))).toBe(false);
});

test('who is isolated gets nothing done, and does not know it', async () => {
  const rig = new StoreRig();
  const process = rig.process('isolated');
  const client = rig.store.clientOf(process);
  const { id } = await rig.answer(client.grantLease(TTL_MS));
  rig.store.isolate(process);
  for (const asked of [
    () => write(client, put('/a', '1')),
    () => client.keepLeaseAlive(id),
    () => client.revokeLease(id),
    () => client.compact(revision(1)),
  ]) {
    await expect(rig.answer<unknown>(asked())).rejects.toThrow(StoreFault);
  }
  expect(rig.applied).toEqual([]);
});

test('while the store is down nothing gets there, and leases end or wait', async () => {
  const rig = new StoreRig();
  const client = rig.store.clientOf(rig.process('owner'));
  const recorder = new Recorder(client, EVERYTHING);
  for (const endsLeases of [false, true]) {
    const { id } = await rig.answer(client.grantLease(TTL_MS));
    const at = await rig.answer(write(client, put(`/${endsLeases}`, '1', id)));
    rig.store.goDown({ endsLeases });
    await expect(rig.answer(client.keepLeaseAlive(id))).rejects.toThrow(StoreFault);
    await rig.pass(5 * TTL_MS);
    expect(recorder.told.at(-1)?.revision ?? 0).toBeLessThanOrEqual(at);
    expect(endsOf(rig).some(({ keys }) => keys.includes(`/${endsLeases}`))).toBe(endsLeases);
    rig.store.comeBack();
    expect(await rig.answer(client.keepLeaseAlive(id))).toBe(!endsLeases);
    await rig.pass(2 * TTL_MS);
    expect(recorder.short.at(-1)).toEqual([at + 1, `-/${endsLeases}`]);
  }
});

test('watches tell each revision once, whole and in order, however late', async () => {
  const rig = new StoreRig({ delayMaxMs: 50, watchStallRate: 0.1 });
  const client = rig.store.clientOf(rig.process('reader'));
  const recorders: { readonly recorder: Recorder; readonly after: number }[] = [];
  const expected: (readonly [number, string, string])[] = [];
  const late: number[] = [];
  for (let i = 1; i <= 200; i++) {
    const at = await rig.answer(write(client, put('/a', String(i)), put('/b', String(i))));
    expected.push([at, `+/a=${i}`, `+/b=${i}`]);
    if (i % 50 === 1) {
      const after = revision(Math.ceil(at / 2));
      recorders.push({ recorder: new Recorder(client, { prefix: '/', after }), after });
    }
    late.push(at - (recorders[0]!.recorder.told.at(-1)?.revision ?? 0));
  }
  await rig.pass(10_000);
  for (const { recorder, after } of recorders) {
    expect(recorder.short).toEqual(expected.filter(([at]) => at > after));
    expect(recorder.lost).toBeUndefined();
  }
  expect(Math.max(...late)).toBeGreaterThan(10);
});

test('a watch whose position is forgotten while it hears nothing is lost, and tells nothing more', async () => {
  const rig = new StoreRig();
  const process = rig.process('reader');
  const reader = rig.store.clientOf(process);
  const writer = rig.store.clientOf(rig.process('writer'));
  const [lost, behind] = [new Recorder(reader, EVERYTHING), new Recorder(writer, EVERYTHING)];
  await rig.answer(write(writer, put('/a', '1')));
  await rig.pass(100);
  rig.store.isolate(process);
  const at = await rig.answer(write(writer, put('/a', '2')));
  await rig.pass(10_000);
  expect(lost.short).toEqual([[1, '+/a=1']]);
  await rig.answer(writer.compact(revision(at + 1)));
  rig.store.rejoin(process);
  await rig.answer(write(writer, put('/a', '3')));
  await rig.pass(10_000);
  expect(lost).toMatchObject({ short: [[1, '+/a=1']], lost: { kind: 'compacted' } });
  expect(behind).toMatchObject({
    short: [
      [1, '+/a=1'],
      [2, '+/a=2'],
      [3, '+/a=3'],
    ],
    lost: undefined,
  });
});

test('a watch of who comes back to the store goes on where it was', async () => {
  const rig = new StoreRig();
  const process = rig.process('reader');
  const recorder = new Recorder(rig.store.clientOf(process), EVERYTHING);
  const writer = rig.store.clientOf(rig.process('writer'));
  rig.store.isolate(process);
  for (const value of ['1', '2']) await rig.answer(write(writer, put('/a', value)));
  await rig.pass(10_000);
  expect(recorder.told).toEqual([]);
  rig.store.rejoin(process);
  await rig.pass(100);
  expect(recorder.short).toEqual([
    [1, '+/a=1'],
    [2, '+/a=2'],
  ]);
});

test('a process that is paused hears of everything when it goes on, and a dead one of nothing', async () => {
  const rig = new StoreRig();
  const [paused, dead] = [rig.process('paused'), rig.process('dead')];
  const [ofPaused, ofDead] = [paused, dead].map((one) => new Recorder(rig.store.clientOf(one), EVERYTHING));
  const writer = rig.store.clientOf(rig.process('writer'));
  paused.pause();
  dead.die('for the test');
  for (const value of ['1', '2']) await rig.answer(write(writer, put('/a', value)));
  await rig.pass(10_000);
  expect(ofPaused!.told).toEqual([]);
  paused.resume();
  await rig.pass(1);
  expect(ofPaused!.told).toHaveLength(2);
  expect(ofDead!.told).toEqual([]);
});

test('a store that others use is compacted, and a watch may end without a reason', async () => {
  const rig = new StoreRig({ compactMs: 50, watchStallRate: 0.5 });
  const client = rig.store.clientOf(rig.process('reader'));
  const recorders: Recorder[] = [];
  for (let i = 0; i < 300; i++) {
    const after = await rig.answer(write(client, put('/a', String(i))));
    if (i % 10 === 0) recorders.push(new Recorder(client, { prefix: '/', after }));
  }
  await rig.pass(10_000);
  expect(recorders.filter(({ lost }) => lost?.kind === 'compacted').length).toBeGreaterThan(5);
  rig.rates.watchFaultRate = 1;
  const recorder = new Recorder(client, EVERYTHING);
  await rig.pass(20_000);
  expect(recorder).toMatchObject({ told: [], lost: { kind: 'fault' } });
});

test('a watch may be told the same again', async () => {
  const rig = new StoreRig({ watchRepeatRate: 1 });
  const client = rig.store.clientOf(rig.process('reader'));
  const recorder = new Recorder(client, EVERYTHING);
  const at = await rig.answer(write(client, put('/a', '1')));
  await rig.pass(1_000);
  expect(recorder.told.map(({ revision: told }) => told)).toEqual([at, at]);
});

test('a seed takes the same course each time, and another seed another one', async () => {
  const course = async (seed: number): Promise<string> => {
    const rates = { answerLostRate: 0.1, requestLostRate: 0.1, lateRate: 0.1, slowRate: 0.1, watchStallRate: 0.1 };
    const rig = new StoreRig({ ...rates, leaseLateMaxMs: 500, leaderChangeMs: 1_000, compactMs: 100 }, seed);
    const client = rig.store.clientOf(rig.process('client'));
    const recorder = new Recorder(client, EVERYTHING);
    for (let i = 0; i < 50; i++) {
      const asked = client.grantLease(TTL_MS).then(({ id }) => write(client, put(`/${i}`, '1', id)));
      await rig.answer(asked).catch(() => {});
    }
    await rig.pass(20_000);
    rig.trace.note(rig.scheduler.nowMs, JSON.stringify([recorder.short, recorder.lost]));
    return rig.trace.digest();
  };
  expect(await course(1)).toBe(await course(1));
  expect(await course(1)).not.toBe(await course(2));
});
