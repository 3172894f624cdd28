import { expect, test } from 'vitest';
import type { ErrorCode } from '@weir/base/errors.ts';
import { LEADER_WAIT_MS } from '@weir/base/limits.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { codeOf } from './test-kit/code-of.ts';
import { FakeCluster } from './test-kit/fake-cluster.ts';

function batch(...values: string[]): Buffer {
  const builder = new BatchBuilder({ maxBytes: 100_000 });
  for (const value of values) builder.append({ key: null, value: Buffer.from(value), timestampMs: 1_000 });
  return builder.build();
}

async function withTopic(leaders: number[] = [1]) {
  const cluster = await FakeCluster.start();
  const id = cluster.coordinator.topic('t', leaders);
  return { cluster, id, client: await cluster.client() };
}

test('topics are deleted by the ids that they have now, and gone here by the time that deleteTopics resolves', async () => {
  const { cluster, id, client } = await withTopic();
  const deleting = client.deleteTopics(['t', 'nope']);
  await cluster.clock.settle();
  const [deleted, refused] = await deleting;
  expect(deleted).toEqual({ name: 't' });
  expect(refused).toMatchObject({ name: 'nope', refusal: { code: 'UNKNOWN_TOPIC_OR_PARTITION' } });
  expect(cluster.coordinator.deletions[0]!.topics.map((topic) => topic.id)).toEqual([id, new Uint8Array(0)]);
  expect(client.topic('t')).toBeUndefined();
  expect(client.topics()).toEqual([]);
});

test('what waits to be sent to a deleted topic is refused at once, and what is in flight with its answer', async () => {
  const { cluster, client } = await withTopic([1, -1]);
  const codes: Record<string, ErrorCode> = {};
  const send = (value: string, partition: number): void => {
    const record = { key: null, value: Buffer.from(value), partition };
    client.producer.sendMany('t', [record], {}, ({ refusals }) => (codes[value] = refusals.get(0)?.code ?? 'NONE'));
  };
  cluster.broker(1).holds = true;
  send('in flight', 0);
  send('parked', 1);
  await cluster.clock.advance(10);
  send('behind', 0);
  await cluster.clock.advance(10);
  cluster.broker(1).refusals = ['UNKNOWN_TOPIC_ID'];
  cluster.coordinator.deleteTopic('t');
  await cluster.clock.advance(1);
  expect(codes).toEqual({ parked: 'UNKNOWN_TOPIC_OR_PARTITION' });
  cluster.broker(1).release();
  await cluster.clock.advance(10);
  const gone = 'UNKNOWN_TOPIC_OR_PARTITION';
  expect(codes).toEqual({ parked: gone, 'in flight': gone, behind: gone });
  expect(client.producer.bufferedBytes).toBe(0);
});

test('a topic that is created again takes records from its first offset on', async () => {
  const { cluster, client } = await withTopic();
  const send = async (): Promise<unknown> => {
    const sent = client.producer.send('t', { key: null, value: Buffer.from('a') });
    await cluster.clock.advance(10);
    return sent;
  };
  expect(await send()).toEqual({ partition: 0, offset: 0 });
  expect(await send()).toEqual({ partition: 0, offset: 1 });
  cluster.coordinator.deleteTopic('t');
  cluster.coordinator.topic('t', [1]);
  await cluster.clock.advance(1);
  expect(await send()).toEqual({ partition: 0, offset: 0 });
});

test('what waits for a topic is refused when a snapshot shows another one under its name', async () => {
  const { cluster, client } = await withTopic([-1]);
  const code = codeOf(client.producer.send('t', { key: null, value: Buffer.from('a') }));
  await cluster.clock.advance(10);
  cluster.transport.stop('coordinator:1');
  cluster.coordinator.deleteTopic('t');
  cluster.coordinator.topic('t', [1]);
  await cluster.transport.listen('coordinator:1', cluster.coordinator.handlers);
  await cluster.clock.advance(2_000);
  expect(await code).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  expect(cluster.broker(1).logs.size).toBe(0);
});

test('a reader of a deleted topic ends, and never goes on in one that was created under its name', async () => {
  for (const how of ['told', 'away meanwhile'] as const) {
    const { cluster, client } = await withTopic();
    cluster.broker(1).append('1/0', batch('a', 'b'));
    const seen: string[] = [];
    client.subscribe(
      { topic: 't', partition: 0, offset: 0, creditBytes: 1_000 },
      {
        batches: (_records, { nextOffset }) => void seen.push(`up to ${nextOffset}`),
        caughtUp() {},
        ended: ({ code }) => void seen.push(code),
      },
    );
    await cluster.clock.advance(1);
    if (how === 'away meanwhile') cluster.transport.stop('coordinator:1');
    cluster.coordinator.deleteTopic('t');
    cluster.coordinator.topic('t', [1]);
    cluster.broker(1).append('2/0', batch('c', 'd', 'e'));
    if (how === 'away meanwhile') {
      await cluster.transport.listen('coordinator:1', cluster.coordinator.handlers);
      cluster.broker(1).endReaders('1/0', 'UNKNOWN_TOPIC_ID');
    }
    await cluster.clock.advance(2_000);
    expect(seen).toEqual(['up to 2', 'UNKNOWN_TOPIC_OR_PARTITION']);
  }
});

test('records are deleted at their leaders, each partition on its own, and again while that may help', async () => {
  const { cluster, client } = await withTopic([1, 2, 1]);
  for (const key of ['1/0', '1/1', '1/2']) cluster.broker(key === '1/1' ? 2 : 1).append(key, batch('a', 'b', 'c'));
  cluster.broker(2).refusals = ['NOT_LEADER_OR_FOLLOWER'];
  const deleting = client.deleteRecords('t', [
    { partition: 0, before: 2 },
    { partition: 1, before: 'end' },
    { partition: 2, before: 4 },
  ]);
  await cluster.clock.advance(1_000);
  const results = await deleting;
  expect(results.slice(0, 2)).toEqual([
    { partition: 0, lowWatermark: 2 },
    { partition: 1, lowWatermark: 3 },
  ]);
  expect(results[2]).toMatchObject({ partition: 2, refusal: { code: 'OFFSET_OUT_OF_RANGE' } });
});

test('records that a replica has not deleted in time are not deleted once more: more may be there by then', async () => {
  const { cluster, client } = await withTopic();
  cluster.broker(1).append('1/0', batch('a', 'b', 'c'));
  cluster.broker(1).refusals = ['REQUEST_TIMED_OUT'];
  const deleting = client.deleteRecords('t', [{ partition: 0, before: 'end' }]);
  await cluster.clock.advance(1_000);
  expect(await deleting).toMatchObject([{ partition: 0, refusal: { code: 'REQUEST_TIMED_OUT' } }]);
});

test('records of a partition or a topic that is not there, or that nobody leads, are not deleted', async () => {
  const { cluster, client } = await withTopic([-1]);
  const unknown = codeOf(client.deleteRecords('nope', [{ partition: 0, before: 1 }]));
  const noPartition = codeOf(client.deleteRecords('t', [{ partition: 1, before: 1 }]));
  const leaderless = client.deleteRecords('t', [{ partition: 0, before: 1 }]);
  await cluster.clock.advance(LEADER_WAIT_MS);
  expect(await unknown).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  expect(await noPartition).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  expect(await leaderless).toMatchObject([{ partition: 0, refusal: { code: 'LEADER_NOT_AVAILABLE' } }]);
});

test('records are not deleted of a topic that took the name while the call was being tried', async () => {
  const { cluster, client } = await withTopic();
  cluster.broker(1).refusals = Array.from({ length: 50 }, () => 'NOT_LEADER_OR_FOLLOWER' as const);
  const deleting = client.deleteRecords('t', [{ partition: 0, before: 'end' }]);
  await cluster.clock.advance(10);
  cluster.broker(1).refusals = [];
  cluster.coordinator.deleteTopic('t');
  cluster.coordinator.topic('t', [1]);
  await cluster.clock.advance(LEADER_WAIT_MS);
  expect(await deleting).toMatchObject([{ partition: 0, refusal: { code: 'UNKNOWN_TOPIC_ID' } }]);
});
