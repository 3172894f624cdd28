import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ETCD_CALL_MS } from '@weir/base/limits.ts';
import { temporaryDirectory } from '@weir/runtime/test-world.ts';
import { openEtcdStore } from './etcd.node.ts';
import { FakeMember } from './testing/fake-etcd-member.node.ts';
import { ETCD_VERSION_MIN } from './etcd/version.ts';
import { StoreFault } from './metadata-store.ts';
import type { MetadataStore } from './metadata-store.ts';
import { currentRevision, put } from './testing/store-test-kit.ts';

/** How the engine treats members that fail; what it does with a real etcd is in test/etcd. */
const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

const UNAVAILABLE = { code: 14, details: 'etcdserver: request timed out' };
const DENIED = { code: 7, details: 'etcdserver: permission denied' };

async function startMember(port = 0): Promise<FakeMember> {
  const member = await FakeMember.start(port);
  cleanUps.push(() => member.stop());
  return member;
}

async function openOn(...members: FakeMember[]): Promise<MetadataStore> {
  const store = await openEtcdStore({ endpoints: members.map(({ endpoint }) => endpoint), prefix: '/weir' });
  cleanUps.push(() => store.close());
  return store;
}

const txn = (store: MetadataStore) => store.txn({ compare: [], success: [put('/a', '1')] });
const succeeds = (store: MetadataStore): Promise<boolean> =>
  txn(store).then(
    ({ succeeded }) => succeeded,
    () => false,
  );
const faultOf = async (store: MetadataStore): Promise<StoreFault> => {
  const fault = await txn(store).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(StoreFault);
  return fault as StoreFault;
};

test('an etcd that is too old is refused with both versions and where it is, whichever member it is', async () => {
  const [good, old] = [await startMember(), await startMember()];
  old.version = '3.6.10';
  await expect(openOn(good, old)).rejects.toThrow(
    `${old.endpoint.url} is etcd 3.6.10, and Weir needs ${ETCD_VERSION_MIN} or newer`,
  );
  old.version = ETCD_VERSION_MIN;
  await openOn(good, old);
});

test('a transaction without an answer in time is unknown and not sent again; what comes next goes to another member', async () => {
  const [first, second] = [await startMember(), await startMember()];
  const store = await openOn(first, second);
  first.behaviour = 'silence';
  const beganMs = performance.now();
  expect(await faultOf(store)).toMatchObject({ retriable: true });
  expect(performance.now() - beganMs).toBeLessThan(2 * ETCD_CALL_MS);
  expect([first.requests, second.requests]).toEqual([['txn'], []]);
  expect((await txn(store)).succeeded).toBe(true);
  expect([first.requests, second.requests]).toEqual([['txn'], ['txn']]);
});

test('a transaction whose connection breaks is unknown and not sent again', async () => {
  const [first, second] = [await startMember(), await startMember()];
  const store = await openOn(first, second);
  first.behaviour = 'silence';
  const fault = faultOf(store);
  await expect.poll(() => first.requests.length, { interval: 1 }).toBe(1);
  first.stop();
  expect(await fault).toMatchObject({ retriable: true });
  expect(second.requests).toEqual([]);
});

test('a transaction that etcd has given up on is unknown and not sent again', async () => {
  const [first, second] = [await startMember(), await startMember()];
  const store = await openOn(first, second);
  first.behaviour = UNAVAILABLE;
  expect(await faultOf(store)).toMatchObject({ retriable: true });
  expect(second.requests).toEqual([]);
});

test('what could not be sent goes to the next member at once', async () => {
  const [first, second] = [await startMember(), await startMember()];
  const store = await openOn(first, second);
  expect((await txn(store)).succeeded).toBe(true);
  first.stop();
  await expect.poll(() => succeeds(store)).toBe(true);
  second.requests.length = 0;
  const cold = await openOn(first, second);
  expect((await txn(cold)).succeeded).toBe(true);
  expect(second.requests).toEqual(['txn']);
});

test('a read that failed is tried at every member', async () => {
  const members = [await startMember(), await startMember(), await startMember()];
  const store = await openOn(...members);
  members[0]!.behaviour = UNAVAILABLE;
  members[1]!.behaviour = 'silence';
  expect(await currentRevision(store)).toBe(7);
  expect(members.map(({ requests }) => requests)).toEqual([['range'], ['range'], ['range']]);
  members[2]!.behaviour = UNAVAILABLE;
  await expect(currentRevision(store)).rejects.toThrow(StoreFault);
});

test('a refusal is final: no other member is asked', async () => {
  const [first, second] = [await startMember(), await startMember()];
  const store = await openOn(first, second);
  first.behaviour = DENIED;
  const fault = await faultOf(store);
  expect(fault).toMatchObject({ retriable: false });
  expect(fault.message).toContain('permission denied');
  expect(second.requests).toEqual([]);
});

test('a member that comes later is asked what it is before it is used', async () => {
  const gone = await startMember();
  const port = Number(gone.endpoint.address.split(':')[1]);
  const good = await startMember();
  gone.stop();
  const store = await openOn(gone, good);
  const old = await startMember(port);
  old.version = '3.5.0';
  good.behaviour = UNAVAILABLE;
  await faultOf(store);
  // Now it is the other one's turn, which is too old: it gets nothing.
  good.behaviour = 'answer';
  await expect.poll(() => succeeds(store)).toBe(true);
  expect(old.requests).toEqual([]);
});

test('files that cannot be read are named', async () => {
  const member = await startMember();
  const endpoints = [member.endpoint];
  const user = { name: 'weir', passwordFile: '/nowhere/password' };
  await expect(openEtcdStore({ endpoints, prefix: '/weir', user })).rejects.toThrow('/nowhere/password');
  const tls = [{ ...member.endpoint, isTls: true }];
  const access = { endpoints: tls, prefix: '/weir' };
  await expect(openEtcdStore({ ...access, caFile: '/nowhere/ca.pem' })).rejects.toThrow('/nowhere/ca.pem');
  const file = join(temporaryDirectory(), 'key.pem');
  writeFileSync(file, 'no key');
  await expect(openEtcdStore({ ...access, certificateFile: file, keyFile: file })).rejects.toThrow(file);
});
