import type { ErrorCode } from '@weir/base/errors.ts';
import { LEADER_WAIT_MS, SUBSCRIPTION_CREDIT_BYTES_MAX } from '@weir/base/limits.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { listRecords } from '@weir/records/read-records.ts';
import { expect, test } from 'vitest';
import type { Client } from '../client.ts';
import { codeOf } from '../test-kit/code-of.ts';
import { FakeCluster } from '../test-kit/fake-cluster.ts';
import type { Subscription } from './subscription.ts';

function batch(...values: string[]): Buffer {
  const builder = new BatchBuilder({ maxBytes: 100_000 });
  values.forEach((value, i) => builder.append({ key: null, value: Buffer.from(value), timestampMs: 1_000 + i }));
  return builder.build();
}

interface Heard {
  readonly values: string[];
  readonly froms: number[];
  caughtUp: number;
  ended: ErrorCode | undefined;
  readonly subscription: Subscription;
}

function subscribe(
  client: Client,
  offset: number,
  options: { topic?: string; partition?: number; creditBytes?: number } = {},
) {
  const { topic = 't', partition = 0, creditBytes = 100_000 } = options;
  const heard: Omit<Heard, 'subscription'> = { values: [], froms: [], caughtUp: 0, ended: undefined };
  const subscription = client.subscribe(
    { topic, partition, offset, creditBytes },
    {
      batches(records, info) {
        heard.froms.push(info.fromOffset);
        for (const record of listRecords(records)) {
          if (record.offset >= info.fromOffset) heard.values.push(String(record.value));
        }
      },
      caughtUp: () => heard.caughtUp++,
      ended: ({ code }) => (heard.ended = code),
    },
  );
  return Object.assign(heard, { subscription });
}

async function withTopic(leaders: number[] = [1]) {
  const cluster = await FakeCluster.start();
  const id = cluster.coordinator.topic('t', leaders);
  return { cluster, id, client: await cluster.client() };
}

test('a subscription begins inside a batch, reaches the end, and goes on with what comes', async () => {
  const { cluster, client } = await withTopic();
  cluster.broker(1).append('1/0', batch('a', 'b', 'c'));
  const heard = subscribe(client, 1);
  await cluster.clock.settle();
  expect([heard.values, heard.caughtUp]).toEqual([['b', 'c'], 1]);
  cluster.broker(1).append('1/0', batch('d'));
  await cluster.clock.settle();
  expect([heard.values, heard.froms]).toEqual([
    ['b', 'c', 'd'],
    [1, 3],
  ]);
});

test('without credit nothing more comes, and credit that a large batch overdrew is made up first', async () => {
  const { cluster, client } = await withTopic();
  for (const value of ['a', 'b', 'c']) cluster.broker(1).append('1/0', batch(value.repeat(1_000)));
  const heard = subscribe(client, 0, { creditBytes: 10 });
  await cluster.clock.settle();
  expect(heard.values).toHaveLength(1);
  heard.subscription.credit(500);
  await cluster.clock.settle();
  expect(heard.values).toHaveLength(1);
  heard.subscription.credit(1_000);
  await cluster.clock.settle();
  expect(heard.values).toHaveLength(2);
});

test('credit above the limit does not count', async () => {
  const { cluster, client } = await withTopic();
  const heard = subscribe(client, 0, { creditBytes: 2 * SUBSCRIPTION_CREDIT_BYTES_MAX });
  heard.subscription.credit(1_000);
  await cluster.clock.settle();
  expect(heard.caughtUp).toBe(1);
});

test('after a change of leader it goes on at the next offset', async () => {
  const { cluster, client, id } = await withTopic();
  for (const broker of [1, 2]) cluster.broker(broker).append('1/0', batch('a', 'b'));
  const heard = subscribe(client, 0);
  await cluster.clock.settle();
  cluster.broker(2).append('1/0', batch('c'));
  cluster.coordinator.leader(id, 0, 2, 1);
  await cluster.clock.settle();
  expect(heard.values).toEqual(['a', 'b', 'c']);
  expect(cluster.broker(2).subscribes).toEqual([{ key: '1/0', offset: 2, leaderEpoch: 1 }]);
});

test('after a broken stream, and after an error that may pass, it goes on at the next offset', async () => {
  const { cluster, client } = await withTopic();
  cluster.broker(1).append('1/0', batch('a'));
  const heard = subscribe(client, 0);
  await cluster.clock.settle();
  cluster.stopBroker(1);
  await cluster.clock.advance(500);
  await cluster.startBroker(1);
  await cluster.clock.advance(1_000);
  cluster.broker(1).append('1/0', batch('b'));
  await cluster.clock.settle();
  cluster.broker(1).endReaders('1/0', 'NOT_LEADER_OR_FOLLOWER');
  await cluster.clock.advance(50);
  cluster.broker(1).append('1/0', batch('c'));
  await cluster.clock.settle();
  expect(heard.values).toEqual(['a', 'b', 'c']);
  expect(heard.ended).toBeUndefined();
});

test('an absent leader is waited for', async () => {
  const { cluster, client, id } = await withTopic([-1]);
  cluster.broker(2).append('1/0', batch('a'));
  const heard = subscribe(client, 0);
  await cluster.clock.advance(60_000);
  cluster.coordinator.leader(id, 0, 2, 1);
  await cluster.clock.settle();
  expect(heard.values).toEqual(['a']);
});

test('an offset beyond the end, an unknown topic and an unknown partition end it', async () => {
  const { cluster, client } = await withTopic();
  const ended = [
    subscribe(client, 1),
    subscribe(client, 0, { topic: 'missing' }),
    subscribe(client, 0, { partition: 1 }),
  ];
  expect(ended.map((heard) => heard.ended)).toEqual([undefined, undefined, undefined]);
  await cluster.clock.settle();
  expect(ended.map((heard) => heard.ended)).toEqual([
    'OFFSET_OUT_OF_RANGE',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'UNKNOWN_TOPIC_OR_PARTITION',
  ]);
});

test('after close nothing is heard, not even what was under way', async () => {
  const { cluster, client } = await withTopic();
  const early = subscribe(client, 0);
  early.subscription.close();
  const heard = subscribe(client, 0);
  await cluster.clock.settle();
  cluster.broker(1).append('1/0', batch('a'));
  heard.subscription.close();
  await cluster.clock.settle();
  expect([early, heard].map(({ values, ended }) => [values, ended])).toEqual([
    [[], undefined],
    [[], undefined],
  ]);
});

test('closing the client ends every subscription', async () => {
  const { cluster, client } = await withTopic();
  const heard = subscribe(client, 0);
  await cluster.clock.settle();
  const closed = client.close();
  await cluster.clock.settle();
  await closed;
  expect(heard.ended).toBe('SHUTTING_DOWN');
});

test('a read takes what is there and no more than asked', async () => {
  const { cluster, client } = await withTopic();
  cluster.broker(1).append('1/0', batch('a', 'b', 'c'));
  cluster.broker(1).append('1/0', batch('d', 'e'));
  const reading = client.read({ topic: 't', partition: 0, offset: 1, maxRecords: 3, maxBytes: 1_000, waitMs: 60_000 });
  await cluster.clock.settle();
  const { records, ...rest } = await reading;
  expect(records.map(({ offset, value }) => `${offset} ${String(value)}`)).toEqual(['1 b', '2 c', '3 d']);
  expect(rest).toEqual({ nextOffset: 4, highWatermark: 5, logStartOffset: 0 });
});

test('a read that is wanted larger than its first frame goes on to the end', async () => {
  const { cluster, client } = await withTopic();
  const values = Array.from({ length: 30 }, (_, i) => `${i}`.repeat(10_000));
  for (const value of values) cluster.broker(1).append('1/0', batch(value));
  const ask = (maxBytes: number) =>
    client.read({ topic: 't', partition: 0, offset: 0, maxRecords: 100, maxBytes, waitMs: 0 });
  const all = ask(8_000_000);
  const some = ask(100_000);
  await cluster.clock.settle();
  expect((await all).records.map(({ value }) => String(value))).toEqual(values);
  expect((await some).records.length).toBeLessThan(30);
});

test('a read at the end waits for a record, or for its time', async () => {
  const { cluster, client } = await withTopic();
  cluster.broker(1).append('1/0', batch('a'));
  const ask = (waitMs: number) =>
    client.read({ topic: 't', partition: 0, offset: 1, maxRecords: 10, maxBytes: 1_000, waitMs });
  const [none, late, served] = [ask(0), ask(500), ask(60_000)];
  await cluster.clock.advance(500);
  expect([(await none).records, (await late).records]).toEqual([[], []]);
  cluster.broker(1).append('1/0', batch('b'));
  await cluster.clock.settle();
  expect((await served).records.map(({ offset }) => offset)).toEqual([1]);
});

test('a read that is given up answers with nothing', async () => {
  const { cluster, client } = await withTopic();
  const abort = new AbortController();
  const reading = client.read({
    topic: 't',
    partition: 0,
    offset: 0,
    maxRecords: 1,
    maxBytes: 1_000,
    waitMs: 60_000,
    signal: abort.signal,
  });
  await cluster.clock.settle();
  abort.abort();
  expect((await reading).records).toEqual([]);
});

test('a read beyond the end, and one without a leader, are refused', async () => {
  const { cluster, client } = await withTopic([1, -1]);
  const ask = (partition: number, offset: number) =>
    client.read({ topic: 't', partition, offset, maxRecords: 1, maxBytes: 1_000, waitMs: 0 });
  const codes = Promise.all([codeOf(ask(0, 7)), codeOf(ask(1, 0))]);
  await cluster.clock.advance(LEADER_WAIT_MS);
  expect(await codes).toEqual(['OFFSET_OUT_OF_RANGE', 'LEADER_NOT_AVAILABLE']);
});

test('offsets are listed in the order asked, over several leaders, and tried again', async () => {
  const { cluster, client } = await withTopic([1, 2]);
  cluster.broker(1).append('1/0', batch('a', 'b', 'c'));
  cluster.broker(2).append('1/1', batch('d'));
  cluster.broker(1).refusals = ['NOT_LEADER_OR_FOLLOWER'];
  const listing = client.listOffsets('t', [
    { partition: 1, timestamp: 'latest' },
    { partition: 0, timestamp: 'earliest' },
    { partition: 0, timestamp: 'latest' },
    { partition: 0, timestamp: 1_001 },
    { partition: 0, timestamp: 5_000 },
  ]);
  await cluster.clock.advance(100);
  expect((await listing).map(({ partition, offset }) => [partition, offset])).toEqual([
    [1, 1],
    [0, 0],
    [0, 3],
    [0, 1],
    [0, -1],
  ]);
});

test('listing offsets of what is not there is refused at once', async () => {
  const { cluster, client } = await withTopic();
  const unknown = [client.listOffsets('missing', []), client.listOffsets('t', [{ partition: 4, timestamp: 'latest' }])];
  const codes = Promise.all(unknown.map(codeOf));
  await cluster.clock.settle();
  expect(await codes).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION']);
});
