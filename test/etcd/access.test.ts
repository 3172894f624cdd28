import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StoreFault } from '@weir/coordinator/store/metadata-store.ts';
import type { MetadataStore } from '@weir/coordinator/store/metadata-store.ts';
import { openEtcdStore } from '@weir/coordinator/store/etcd.node.ts';
import { parseEndpoints } from '@weir/coordinator/store/etcd/endpoints.ts';
import { currentRevision, put, Recorder, write } from '@weir/coordinator/store/testing/store-test-kit.ts';
import { EtcdCluster } from './members.ts';
import type { TlsFiles } from './members.ts';
import { etcdProgram, unlessSkipped } from './program.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
let directory: string;

/** A key, and a certificate of an authority that is its own, for loopback. */
const OPENSSL_WORDS =
  'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=weir-test -addext subjectAltName=IP:127.0.0.1'.split(
    ' ',
  );

async function startEtcd(count: number, tls?: TlsFiles): Promise<EtcdCluster> {
  const cluster = await EtcdCluster.start(count, tls === undefined ? {} : { tls });
  cleanUps.push(() => cluster.stop());
  return cluster;
}

/** Everything that a store does, once. */
async function useAll(store: MetadataStore): Promise<void> {
  const recorder = new Recorder(store, { prefix: '/', after: await currentRevision(store) });
  const lease = await store.grantLease(10_000);
  await recorder.untilRevision(await write(store, put('/a', '1', lease.id)));
  expect(await store.keepLeaseAlive(lease.id)).toBe(true);
  await store.revokeLease(lease.id);
  await recorder.until(({ told }) => told.length === 2);
  expect((await store.range({ prefix: '/' })).items).toEqual([]);
}

function passwordFile(password: string): string {
  const file = join(directory, `password-${password}`);
  // As an editor leaves it.
  writeFileSync(file, `${password}\n`);
  return file;
}

describe.skipIf(etcdProgram === undefined)(`access to etcd${unlessSkipped}`, () => {
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'weir-etcd-access-'));
  });
  afterAll(async () => {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp();
    rmSync(directory, { recursive: true });
  });

  test('several stores share an etcd under prefixes of their own', async () => {
    const { endpoints } = await startEtcd(1);
    const stores = await Promise.all(['/weir', '/weir2'].map((prefix) => openEtcdStore({ endpoints, prefix })));
    const [one, two] = stores as [MetadataStore, MetadataStore];
    const recorder = new Recorder(one, { prefix: '/', after: await currentRevision(one) });
    await write(two, put('/a', 'two'));
    await recorder.untilRevision(await write(one, put('/a', 'one')));
    expect(recorder.short.map(([, change]) => change)).toEqual(['+/a=one']);
    for (const store of stores) {
      const { items } = await store.range({ prefix: '/' });
      expect(items.map(({ key, value }) => [key, value])).toEqual([['/a', store === one ? 'one' : 'two']]);
      await store.close();
    }
  });

  test('with users: who is none is refused, a role bounds what is done, and lost tokens are replaced', async () => {
    const cluster = await startEtcd(1);
    const { endpoints } = cluster;
    const [member] = cluster.members;
    const bytes = (text: string): string => Buffer.from(text).toString('base64');
    const steps: readonly (readonly [path: string, body: object])[] = [
      ['auth/user/add', { name: 'root', password: 'secret' }],
      ['auth/user/grant', { user: 'root', role: 'root' }],
      ['auth/role/add', { name: 'weir' }],
      ['auth/role/grant', { name: 'weir', perm: { permType: 2, key: bytes('/weir/'), range_end: bytes('/weir0') } }],
      ['auth/user/add', { name: 'weir', password: 'own' }],
      ['auth/user/grant', { user: 'weir', role: 'weir' }],
      ['auth/enable', {}],
    ];
    for (const [path, body] of steps) await cluster.ask(member!, path, body);
    const as = (name: string, password: string, prefix = '/weir') =>
      openEtcdStore({ endpoints, prefix, user: { name, passwordFile: passwordFile(password) } });

    await expect(openEtcdStore({ endpoints, prefix: '/weir' })).rejects.toThrow('--etcd-user');
    await expect(as('weir', 'wrong')).rejects.toThrow('authentication failed');
    const stranger = await as('weir', 'own', '/elsewhere');
    const refusal = await write(stranger, put('/a', '1')).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(StoreFault);
    expect(refusal).toMatchObject({ retriable: false });
    const watch = new Recorder(stranger, { prefix: '/', after: 1 as never });
    await watch.until(({ lost }) => lost !== undefined);
    expect(watch.lost).toMatchObject({ kind: 'fault', fault: { retriable: false } });
    await stranger.close();

    const store = await as('weir', 'own');
    await useAll(store);
    const recorder = new Recorder(store, { prefix: '/', after: await currentRevision(store) });
    // Tokens are in the members' memory only.
    await member!.kill();
    member!.start();
    await expect.poll(() => write(store, put('/a', '2')).catch(() => 0), { timeout: 20_000 }).toBeGreaterThan(0);
    await recorder.until(({ told }) => told.length > 0);
    expect(recorder.short[0]![1]).toBe('+/a=2');
    await useAll(store);
    await store.close();
  });

  const withoutOpenssl = spawnSync('openssl', ['version']).status !== 0;
  test.skipIf(withoutOpenssl)('over TLS, with certificates on both sides', async () => {
    const [certificateFile, keyFile] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')];
    const made = spawnSync('openssl', [...OPENSSL_WORDS, '-keyout', keyFile, '-out', certificateFile], {
      encoding: 'utf8',
    });
    expect(made.status, made.stderr).toBe(0);
    const tls: TlsFiles = { caFile: certificateFile, certificateFile, keyFile };
    const { endpoints } = await startEtcd(1, tls);
    const store = await openEtcdStore({ endpoints, prefix: '/weir', ...tls });
    await useAll(store);
    await store.close();
    const { caFile } = tls;
    const { url } = endpoints[0]!;
    const plain = parseEndpoints(url.replace('https', 'http'));
    const refused = [
      openEtcdStore({ endpoints, prefix: '/weir', caFile }),
      openEtcdStore({ endpoints, prefix: '/weir' }),
      openEtcdStore({ endpoints: plain, prefix: '/weir' }),
    ].map((opening) => opening.then(() => 'opened', String));
    const [withoutOwn, withoutCa, withoutTls] = await Promise.all(refused);
    expect(withoutOwn).toContain(`etcd at ${url} cannot be used`);
    expect(withoutCa).toContain('self-signed certificate');
    expect(withoutTls).toContain(`etcd at ${plain[0]!.url} cannot be used`);
  });

  test('members of two clusters are not taken for one', async () => {
    const clusters = await Promise.all([startEtcd(1), startEtcd(1)]);
    const endpoints = clusters.flatMap((cluster) => cluster.endpoints);
    await expect(openEtcdStore({ endpoints, prefix: '/weir' })).rejects.toThrow('belongs to another etcd cluster');
  });
});
