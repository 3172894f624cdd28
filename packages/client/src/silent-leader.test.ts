import { LEADER_WAIT_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { expect, test } from 'vitest';
import type { Client } from './client.ts';
import { codeOf } from './test-kit/code-of.ts';
import { FakeCluster } from './test-kit/fake-cluster.ts';

const PLACE = { topic: 't', partition: 0, offset: 0, maxRecords: 10, maxBytes: 1_000 };

function batchOf(...values: string[]): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_000 });
  for (const value of values) builder.append({ key: null, value: Buffer.from(value), timestampMs: 1_000 });
  return builder.build();
}

/** A topic of one partition on brokers 1 and 2, whose leader 1 has fallen silent. */
async function withSilentLeader(): Promise<{ cluster: FakeCluster; client: Client; failOver: () => Promise<void> }> {
  const cluster = await FakeCluster.start();
  const id = cluster.coordinator.topic('t', [1]);
  for (const broker of [1, 2]) cluster.broker(broker).append('1/0', batchOf('a', 'b'));
  cluster.broker(1).isSilent = true;
  const failOver = async (): Promise<void> => {
    await cluster.clock.advance(SESSION_TIMEOUT_MS);
    cluster.coordinator.broker(1, 'broker:1', false);
    cluster.coordinator.leader(id, 0, 2, 1);
    await cluster.clock.advance(1_000);
  };
  return { cluster, client: await cluster.client(), failOver };
}

test('a read at a leader that has fallen silent is answered by whoever leads next', async () => {
  const { client, failOver } = await withSilentLeader();
  const reading = client.read({ ...PLACE, waitMs: 0 });
  await failOver();
  expect((await reading).records.map(({ value }) => String(value))).toEqual(['a', 'b']);
});

test('so is a question for offsets, which does not wait for the first leader to the end', async () => {
  const { client, failOver } = await withSilentLeader();
  const asking = client.listOffsets('t', [{ partition: 0, timestamp: 'latest' }]);
  await failOver();
  expect(await asking).toMatchObject([{ partition: 0, offset: 2 }]);
});

test('where nobody leads next, a read ends when its own wait is over, and not before a leader had time', async () => {
  for (const waitMs of [0, 2_000, LEADER_WAIT_MS + 5_000]) {
    const { cluster, client } = await withSilentLeader();
    let code: string | undefined;
    void codeOf(client.read({ ...PLACE, waitMs })).then((found) => (code = found));
    await cluster.clock.advance(Math.max(waitMs, LEADER_WAIT_MS) - 1);
    expect(code).toBeUndefined();
    await cluster.clock.advance(1);
    expect(code).toBe('LEADER_NOT_AVAILABLE');
  }
});

test('a record that is written while the leader is silent goes to whoever leads next', async () => {
  const { cluster, client, failOver } = await withSilentLeader();
  cluster.broker(1).holds = true;
  const sending = client.producer.send('t', { key: null, value: Buffer.from('c') });
  await failOver();
  expect(await sending).toEqual({ partition: 0, offset: 2 });
  expect(cluster.broker(2).values('1/0')).toEqual(['a', 'b', 'c']);
});
