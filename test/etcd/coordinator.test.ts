import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEtcdStore } from '@weir/coordinator/store/etcd.node.ts';
import { readAll } from '@weir/coordinator/store/metadata-store.ts';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { http } from '../cluster/http-client.ts';
import { EtcdCluster } from './members.ts';
import { etcdProgram, unlessSkipped } from './program.ts';

/** While etcd elects a leader anew. */
const PATIENT = { timeout: 30_000, interval: 50 };

describe.skipIf(etcdProgram === undefined)(`Weir on etcd${unlessSkipped}`, () => {
  let etcd: EtcdCluster;
  let weir: DevCluster;
  beforeAll(async () => {
    etcd = await EtcdCluster.start(3);
    const urls = etcd.endpoints.map(({ url }) => url).join(',');
    weir = new DevCluster('--store', `etcd:${urls}`, '--coordinators', '2', '--coordinator.etcd-prefix', '/test/weir');
    await weir.start();
  });
  afterAll(async () => {
    await weir?.remove();
    await etcd?.stop();
  });

  const produce = async (topic: string): Promise<number> =>
    (await http(`${weir.url}/v1/topics/${topic}/records`, { body: { hello: true } })).status;
  const topics = async (): Promise<string[]> =>
    (await http(`${weir.url}/v1/topics`)).json.topics.map(({ name }: { name: string }) => name).toSorted();

  test('topics are made and kept, whichever members die, and through a kill of everything', async () => {
    expect(await produce('before')).toBe(200);
    for (const [i, member] of etcd.members.entries()) {
      await member.kill();
      await expect.poll(() => produce(`without-${i}`), PATIENT).toBe(200);
      member.start();
      await etcd.untilHealthy();
    }
    const all = ['before', 'without-0', 'without-1', 'without-2'];
    expect(await topics()).toEqual(all);

    await weir.kill();
    await Promise.all(etcd.members.map((member) => member.kill()));
    for (const member of etcd.members) member.start();
    await etcd.untilHealthy();
    await weir.start();
    await expect.poll(topics, PATIENT).toEqual(all);
    for (const topic of all) expect(await produce(topic)).toBe(200);
  }, 120_000);

  test('all that it keeps stands behind its prefix', async () => {
    const { endpoints } = etcd;
    const whole = await openEtcdStore({ endpoints, prefix: '/test' });
    const { items } = await readAll(whole, '/');
    await whole.close();
    expect(items.length).toBeGreaterThan(4);
    expect(items.filter(({ key }) => !key.startsWith('/weir/'))).toEqual([]);
    const [member] = etcd.members;
    const count = async (range: object): Promise<string> =>
      String((await etcd.ask(member!, 'kv/range', { ...range, count_only: true }))['count']);
    const zero = Buffer.from([0]).toString('base64');
    expect(await count({ key: zero, range_end: zero })).toBe(String(items.length));
  });

  test('a start without etcd says which etcd, and does not wait for ever', async () => {
    const lonely = new DevCluster('--store', 'etcd:http://127.0.0.1:1');
    await expect(lonely.start()).rejects.toThrow('etcd at http://127.0.0.1:1 cannot be used: no connection');
    await lonely.remove();
  });
});
