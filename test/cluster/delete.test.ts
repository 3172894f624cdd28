import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RETENTION_CHECK_MS } from '@weir/base/limits.ts';
import { DevCluster } from './dev-cluster.ts';
import { http } from './http-client.ts';

const PATIENT = { timeout: 2 * RETENTION_CHECK_MS, interval: 50 };

function partitionsOf(cluster: DevCluster, broker: number): string {
  return join(cluster.dataDirectory, broker === 1 ? 'broker' : `broker-${broker}`, 'partitions');
}

/** Folders of a broker's partitions that have to do with a topic, whatever they are called by now. */
function foldersOf(cluster: DevCluster, broker: number, topicId: string): string[] {
  return readdirSync(partitionsOf(cluster, broker)).filter((name) => name.startsWith(topicId));
}

async function createTopic(cluster: DevCluster, body: object): Promise<string> {
  const { status, json } = await http(`${cluster.url}/v1/topics`, { body });
  expect(status).toBe(201);
  return json.id;
}

async function metric(cluster: DevCluster, service: { ops: string }, name: string): Promise<number> {
  const { text } = await http(`http://${service.ops}/metrics`);
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  expect(line, `${name} of ${cluster.dataDirectory}`).toBeDefined();
  return Number(line!.slice(name.length + 1));
}

describe('one broker', () => {
  const cluster = new DevCluster();
  beforeAll(() => cluster.start());
  afterAll(() => cluster.remove());

  const v1 = (path: string): string => `${cluster.url}/v1/topics/${path}`;
  const remove = (path: string) => http(v1(path), { method: 'DELETE' });

  test('a deleted topic is gone with its files, and one created under its name begins at offset 0', async () => {
    const id = await createTopic(cluster, { name: 'fleeting', partitions: 3 });
    for (let i = 0; i < 10; i++) await http(v1(`fleeting/records?partition=${i % 3}`), { body: { i } });
    expect(foldersOf(cluster, 1, id)).toHaveLength(3);
    expect((await remove('fleeting')).status).toBe(204);
    expect((await http(v1('fleeting'))).status).toBe(404);
    await expect.poll(() => foldersOf(cluster, 1, id), PATIENT).toEqual([]);
    expect((await remove('fleeting')).status).toBe(404);
    const again = await createTopic(cluster, { name: 'fleeting', partitions: 1 });
    expect(again).not.toBe(id);
    const produced = await http(v1('fleeting/records'), { body: { new: true } });
    expect(produced.json.offsets).toEqual([{ partition: 0, offset: 0 }]);
    expect((await http(v1('fleeting/records'))).json.records).toMatchObject([{ offset: 0, value: { new: true } }]);
  });

  test('who follows a topic that is deleted is told, and its stream ends', async () => {
    await createTopic(cluster, { name: 'followed', partitions: 1 });
    const following = http(v1('followed/stream?from=earliest'));
    await http(v1('followed/records'), { body: { n: 1 } });
    await expect.poll(() => metric(cluster, cluster.service('broker'), 'weir_broker_subscriptions'), PATIENT).toBe(1);
    expect((await remove('followed')).status).toBe(204);
    const { text } = await following;
    expect(text).toMatch(/event: refused\ndata: .*UNKNOWN_TOPIC_OR_PARTITION/);
  });

  test('producers to a topic that is deleted under them hear of each record, and the broker goes on', async () => {
    const id = await createTopic(cluster, { name: 'busy', partitions: 4 });
    const sends = Array.from({ length: 40 }, async (_, i) => {
      if (i === 20) await remove('busy');
      return (await http(v1('busy/records'), { body: Array.from({ length: 50 }, (_one, k) => k) })).status;
    });
    // Taken before, refused after, or taken by a new topic: `weir dev` creates what is produced to.
    for (const status of await Promise.all(sends)) expect([200, 404]).toContain(status);
    await expect.poll(() => foldersOf(cluster, 1, id), PATIENT).toEqual([]);
    expect((await http(v1('after/records'), { body: 1 })).status).toBe(200);
  });

  test('deleted records stay deleted over kill -9 and restart', async () => {
    await createTopic(cluster, { name: 'trimmed', partitions: 1 });
    await http(v1('trimmed/records'), { body: Array.from({ length: 20 }, (_, i) => i) });
    const deleted = await remove('trimmed/partitions/0/records?before=12');
    expect([deleted.status, deleted.json]).toEqual([200, { partition: 0, offset: 12 }]);
    await cluster.kill();
    await cluster.start();
    const below = await http(v1('trimmed/records?partition=0&offset=11'));
    expect([below.status, below.json.code]).toEqual([404, 'OFFSET_OUT_OF_RANGE']);
    const { records } = (await http(v1('trimmed/records?partition=0&offset=12'))).json;
    expect(records.map(({ value }: { value: number }) => value)).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
    expect((await http(v1('trimmed/records'))).json.records[0].offset).toBe(12);
    const next = await http(v1('trimmed/records'), { body: 'next' });
    expect(next.json.offsets).toEqual([{ partition: 0, offset: 20 }]);
  });

  test('retention by size removes files, and a reader below finds its offset out of range', async () => {
    const configs = { 'segment.bytes': '1048576', 'max.message.bytes': '1000000', 'retention.bytes': '2000000' };
    const id = await createTopic(cluster, { name: 'small', partitions: 1, configs });
    const value = 'x'.repeat(500_000);
    for (let i = 0; i < 12; i++) await http(v1('small/records'), { body: { i, value } });
    const logs = (): string[] =>
      readdirSync(join(partitionsOf(cluster, 1), `${id}-0`)).filter((name) => name.endsWith('.log'));
    expect(logs().length).toBeGreaterThan(4);
    await expect.poll(() => logs().length, PATIENT).toBeLessThanOrEqual(3);
    const below = await http(v1('small/records?partition=0&offset=0'));
    expect([below.status, below.json.code]).toEqual([404, 'OFFSET_OUT_OF_RANGE']);
    const { records } = (await http(v1('small/records?partition=0'))).json;
    expect(records.at(-1).value.i).toBe(11);
    expect(records[0].offset).toBeGreaterThan(0);
    const removed = await metric(cluster, cluster.service('broker'), 'weir_broker_retention_removed_bytes_total');
    expect(removed).toBeGreaterThan(1_000_000);
  });

  test('a coordinator that has lost its topics proves nothing: the files stay, and are counted', async () => {
    const id = await createTopic(cluster, { name: 'precious', partitions: 2 });
    await http(v1('precious/records'), { body: [1, 2, 3] });
    await cluster.stop();
    const store = cluster.service('coordinator').args;
    const at = store.indexOf('--store');
    const database = new DatabaseSync(store[at + 1]!.replace('sqlite:', ''));
    database.exec("DELETE FROM kv WHERE key LIKE '/topics/%' OR key LIKE '/partitions/%'");
    database.close();
    await cluster.start();
    const broker = cluster.service('broker');
    await expect
      .poll(() => metric(cluster, broker, 'weir_broker_partitions{state="unassigned"}'), PATIENT)
      .toBeGreaterThanOrEqual(2);
    await expect.poll(() => cluster.output, PATIENT).toContain('has never heard of topics');
    expect(foldersOf(cluster, 1, id)).toHaveLength(2);
  });
});

describe('two brokers', () => {
  const cluster = new DevCluster('--separate', '--brokers', '2', '--coordinator.default-replication-factor', '1');
  beforeAll(() => cluster.start());
  afterAll(() => cluster.remove());

  test('a broker that was down while a topic was deleted removes its files when it is back', async () => {
    const id = await createTopic(cluster, { name: 'shared', partitions: 4 });
    const kept = await createTopic(cluster, { name: 'kept', partitions: 4 });
    for (const name of ['shared', 'kept']) {
      for (let p = 0; p < 4; p++) {
        await http(`${cluster.url}/v1/topics/${name}/records?partition=${p}`, { body: { p } });
      }
    }
    expect([foldersOf(cluster, 1, id).length, foldersOf(cluster, 2, id).length]).toEqual([2, 2]);
    const second = cluster.services.find(({ kind, id: name }) => kind === 'broker' && name === '2')!;
    process.kill(second.pid, 'SIGKILL');
    const deleted = await http(`${cluster.url}/v1/topics/shared`, { method: 'DELETE' });
    expect(deleted.status).toBe(204);
    await expect.poll(() => foldersOf(cluster, 1, id), PATIENT).toEqual([]);
    expect(foldersOf(cluster, 2, id)).toHaveLength(2);
    await cluster.stop();
    await cluster.start();
    await expect.poll(() => foldersOf(cluster, 2, id), PATIENT).toEqual([]);
    expect([foldersOf(cluster, 1, kept).length, foldersOf(cluster, 2, kept).length]).toEqual([2, 2]);
    const { records } = (await http(`${cluster.url}/v1/topics/kept/records`)).json;
    expect(records).toHaveLength(4);
  });
});
