import type { ErrorCode } from '@weir/base/errors.ts';
import { partitionForKey } from '@weir/records/murmur2.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Client } from '../client.ts';
import { codeOf } from '../test-kit/code-of.ts';
import { FakeCluster } from '../test-kit/fake-cluster.ts';
import type { ProducerRecord, SendOptions, SendOutcome } from './send-call.ts';

function record(value: string, extra: Partial<ProducerRecord> = {}): ProducerRecord {
  return { key: null, value: Buffer.from(value), ...extra };
}

function send(client: Client, topic: string, records: ProducerRecord[], options: SendOptions = {}) {
  const sent: { outcome?: SendOutcome; called: number } = { called: 0 };
  client.producer.sendMany(topic, records, options, (outcome) => {
    sent.outcome = outcome;
    sent.called++;
  });
  return sent;
}

const codesOf = (outcome: SendOutcome | undefined): ErrorCode[] =>
  [...(outcome?.refusals.values() ?? [])].map(({ code }) => code);

test('records get their offsets, and keys choose partitions as Kafka does', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1, 2, 1, 2]);
  const client = await cluster.client();
  const keys = ['a', 'b', 'c', 'd', 'a', 'b'].map((key) => Buffer.from(key));
  const sent = send(
    client,
    't',
    keys.map((key, i) => record(`v${i}`, { key })),
  );
  expect(sent.called).toBe(0);
  await cluster.clock.advance(5);
  const { partition, offset, refusals } = sent.outcome!;
  expect(refusals.size).toBe(0);
  expect([...partition]).toEqual(keys.map((key) => partitionForKey(key, 4)));
  for (const [i, index] of partition.entries()) {
    const at = cluster.broker(index % 2 === 0 ? 1 : 2).records(`1/${index}`)[offset[i]!]!;
    expect([String(at.key), String(at.value)]).toEqual([String(keys[i]), `v${i}`]);
  }
  expect(client.producer.bufferedBytes).toBe(0);
});

test('records without a key stay together, and move on with the next batch', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1, 1, 1]);
  const client = await cluster.client();
  const first = send(client, 't', [record('a'), record('b'), record('c')]);
  await cluster.clock.advance(5);
  const second = send(client, 't', [record('d')]);
  await cluster.clock.advance(5);
  expect(new Set(first.outcome!.partition).size).toBe(1);
  expect(second.outcome!.partition[0]).not.toBe(first.outcome!.partition[0]);
});

test('batches of several partitions that are ready together share one request', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1, 1, 1]);
  const client = await cluster.client();
  send(
    client,
    't',
    [0, 1, 2].map((partition) => record('x', { partition })),
    { traceparent: '00-trace' },
  );
  await cluster.clock.advance(5);
  const { requests } = cluster.broker(1);
  expect(requests.map(({ batches, traceparent }) => [batches.length, traceparent])).toEqual([[3, '00-trace']]);
});

test('what is refused at once is refused by itself, with its reason', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1], { 'max.message.bytes': '500' });
  const client = await cluster.client({ producer: { bufferBytesMax: 1_000 } });
  const sent = send(client, 't', [
    record('ok'),
    record('x'.repeat(500)),
    record('nowhere', { partition: 1 }),
    record('negative', { partition: -1 }),
    record('y'.repeat(400)),
    record('z'.repeat(400)),
    record('w'.repeat(400)),
  ]);
  await cluster.clock.advance(5);
  expect([...sent.outcome!.offset]).toEqual([0, -1, -1, -1, 1, -1, -1]);
  expect(codesOf(sent.outcome)).toEqual([
    'MESSAGE_TOO_LARGE',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'THROTTLING_QUOTA_EXCEEDED',
    'THROTTLING_QUOTA_EXCEEDED',
  ]);
  expect(sent.called).toBe(1);
});

test('a call without records, and one with refusals only, are done too', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client();
  const empty = send(client, 't', []);
  const refused = send(client, 't', [record('x', { partition: 9 })]);
  expect([empty.called, refused.called]).toEqual([0, 0]);
  await cluster.clock.settle();
  expect([empty.called, refused.called]).toEqual([1, 1]);
});

test('what is not full gathers while a batch of its partition is in flight, and goes out together', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client();
  cluster.broker(1).holds = true;
  send(client, 't', [record('a')]);
  await cluster.clock.advance(5);
  for (const value of ['b', 'c', 'd']) {
    send(client, 't', [record(value)]);
    await cluster.clock.advance(5);
  }
  expect(cluster.broker(1).requests).toHaveLength(1);
  cluster.broker(1).release();
  await cluster.clock.settle();
  expect(cluster.broker(1).requests).toHaveLength(2);
  expect(cluster.broker(1).values('1/0')).toEqual(['a', 'b', 'c', 'd']);
});

test('acks are kept apart', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client();
  send(client, 't', [record('a')], { acks: 'all' });
  send(client, 't', [record('b')], { acks: 'leader' });
  await cluster.clock.advance(5);
  expect(cluster.broker(1).requests.map(({ acks }) => acks)).toEqual([1, 2]);
});

test('what is sent and not answered stays within the window', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1, 1, 1, 1]);
  cluster.broker(1).windowBytes = 2_500;
  cluster.broker(1).holds = true;
  const client = await cluster.client();
  const sent = send(
    client,
    't',
    [0, 1, 2, 3].map((partition) => record('x'.repeat(1_000), { partition })),
  );
  await cluster.clock.advance(5);
  expect(cluster.broker(1).requests.flatMap(({ batches }) => batches)).toHaveLength(2);
  cluster.broker(1).release();
  await cluster.clock.settle();
  expect([...sent.outcome!.offset]).toEqual([0, 0, 0, 0]);
});

test('after a change of leader the batch goes to the new one, in order', async () => {
  const cluster = await FakeCluster.start();
  const id = cluster.coordinator.topic('t', [1]);
  const client = await cluster.client();
  cluster.broker(1).refusals = ['NOT_LEADER_OR_FOLLOWER'];
  const sent = send(client, 't', [record('a')]);
  await cluster.clock.advance(5);
  send(client, 't', [record('b')]);
  cluster.coordinator.leader(id, 0, 2, 1);
  await cluster.clock.settle();
  expect(sent.outcome?.offset[0]).toBe(0);
  await cluster.clock.advance(5);
  expect(cluster.broker(2).values('1/0')).toEqual(['a', 'b']);
  expect(cluster.broker(2).requests[0]?.batches[0]?.leaderEpoch).toBe(1);
});

test('a broker that is away for a while fails nothing', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client();
  cluster.broker(1).holds = true;
  const sent = [send(client, 't', [record('a')])];
  await cluster.clock.advance(5);
  sent.push(send(client, 't', [record('b')]));
  cluster.stopBroker(1);
  await cluster.clock.advance(3_000);
  cluster.broker(1).holds = false;
  await cluster.startBroker(1);
  await cluster.clock.advance(3_000);
  expect(sent.map(({ outcome }) => outcome?.offset[0])).toEqual([0, 1]);
  expect(cluster.broker(1).values('1/0')).toEqual(['a', 'b']);
});

test('a refusal that trying again does not change reaches the records of that batch only', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1, 1]);
  const client = await cluster.client();
  cluster.broker(1).refusals = ['CORRUPT_MESSAGE'];
  const sent = send(client, 't', [record('a', { partition: 0 }), record('b', { partition: 1 })]);
  await cluster.clock.advance(5);
  expect(codesOf(sent.outcome)).toEqual(['CORRUPT_MESSAGE']);
  expect([...sent.outcome!.offset]).toEqual([-1, 0]);
});

test('a partition without a leader is waited for until the delivery timeout', async () => {
  const cluster = await FakeCluster.start();
  const id = cluster.coordinator.topic('t', [-1]);
  const client = await cluster.client({ producer: { deliveryTimeoutMs: 1_000 } });
  const late = send(client, 't', [record('a')]);
  await cluster.clock.advance(1_200);
  expect(codesOf(late.outcome)).toEqual(['LEADER_NOT_AVAILABLE']);
  const inTime = send(client, 't', [record('b')]);
  await cluster.clock.advance(500);
  cluster.coordinator.leader(id, 0, 2, 1);
  await cluster.clock.settle();
  expect(inTime.outcome?.offset[0]).toBe(0);
  expect(client.producer.bufferedBytes).toBe(0);
});

test('a broker that takes and never answers costs the delivery timeout, and the next try another stream', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client({ producer: { deliveryTimeoutMs: 1_000 } });
  cluster.broker(1).holds = true;
  const first = send(client, 't', [record('a')]);
  await cluster.clock.advance(700);
  const second = send(client, 't', [record('b')]);
  cluster.broker(1).holds = false;
  await cluster.clock.advance(350);
  expect(codesOf(first.outcome)).toEqual(['REQUEST_TIMED_OUT']);
  await cluster.clock.advance(100);
  expect(second.outcome?.offset[0]).toBe(0);
  expect(first.called).toBe(1);
});

test('what never came out of the line is refused in time, and what comes after it goes another way', async () => {
  const cluster = await FakeCluster.start();
  const id = cluster.coordinator.topic('t', [1, 1]);
  const client = await cluster.client({ producer: { deliveryTimeoutMs: 1_000 } });
  cluster.broker(1).windowBytes = 1;
  cluster.broker(1).holds = true;
  const both = send(client, 't', [record('a', { partition: 0 }), record('b', { partition: 1 })]);
  await cluster.clock.advance(500);
  expect(cluster.broker(1).requests.flatMap(({ batches }) => batches)).toHaveLength(1);
  cluster.coordinator.leader(id, 1, 1, 1);
  await cluster.clock.advance(1_000);
  expect(codesOf(both.outcome)).toEqual(['REQUEST_TIMED_OUT', 'REQUEST_TIMED_OUT']);
  cluster.coordinator.leader(id, 1, 2, 2);
  const next = send(client, 't', [record('c', { partition: 1 })]);
  await cluster.clock.advance(5);
  expect(next.outcome?.offset[0]).toBe(0);
  expect(client.producer.bufferedBytes).toBe(0);
});

test('a topic that is not there is created where that is allowed, and the records keep their order', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client({ autoCreateTopics: true });
  const sent = ['a', 'b', 'c'].map((value) => send(client, 'new', [record(value)]));
  await cluster.clock.advance(10);
  expect(sent.map(({ outcome }) => outcome?.offset[0])).toEqual([0, 1, 2]);
  expect(cluster.broker(1).values('1/0')).toEqual(['a', 'b', 'c']);
});

test('a topic that is not there and is not created is refused after one question to the coordinator', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.autoCreates = false;
  for (const autoCreateTopics of [true, false]) {
    const client = await cluster.client({ autoCreateTopics });
    const sent = send(client, 'missing', [record('a'), record('b')]);
    await cluster.clock.settle();
    expect(codesOf(sent.outcome)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION']);
    expect(client.producer.bufferedBytes).toBe(0);
  }
});

test('send resolves with the place of the record, or rejects with the reason', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client({ producer: { lingerMs: 0 } });
  const sent = client.producer.send('t', record('a'));
  const refused = codeOf(client.producer.send('t', record('b', { partition: 3 })));
  await cluster.clock.settle();
  expect(await sent).toEqual({ partition: 0, offset: 0 });
  expect(await refused).toBe('UNKNOWN_TOPIC_OR_PARTITION');
});

test('flush waits for all that was sent before it, and does not linger', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client({ producer: { lingerMs: 60_000 } });
  const sent = send(client, 't', [record('a')]);
  let flushed = false;
  void client.producer.flush().then(() => (flushed = true));
  expect(sent.called).toBe(0);
  await cluster.clock.settle();
  expect(sent.outcome?.offset[0]).toBe(0);
  expect(flushed).toBe(true);
});

test('closing sends what is buffered, and refuses what cannot be sent', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1, -1]);
  const client = await cluster.client({ producer: { lingerMs: 60_000 } });
  const sent = send(client, 't', [record('a', { partition: 0 }), record('b', { partition: 1 })]);
  const closed = client.close();
  await cluster.clock.advance(10_001);
  await closed;
  expect([...sent.outcome!.offset]).toEqual([0, -1]);
  expect(codesOf(sent.outcome)).toEqual(['SHUTTING_DOWN']);
  const late = send(client, 't', [record('c')]);
  await cluster.clock.settle();
  expect(codesOf(late.outcome)).toEqual(['SHUTTING_DOWN']);
});

/** What may go wrong between two sends. */
const trouble = fc.constantFrom('none', 'refuse', 'breakStream', 'moveLeader', 'time');

test('whatever fails on the way, each record has one outcome, and is there once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(2), trouble), { minLength: 1, maxLength: 15 }),
      async (steps) => {
        const cluster = await FakeCluster.start();
        const id = cluster.coordinator.topic('t', [1, 1, 1]);
        const client = await cluster.client();
        const sent: ReturnType<typeof send>[] = [];
        const values: { value: string; partition: number }[][] = [];
        let epoch = 0;
        for (const [count, partition, what] of steps) {
          const call = Array.from({ length: count }, (_, i) => ({ value: `${sent.length}.${i}`, partition }));
          values.push(call);
          sent.push(
            send(
              client,
              't',
              call.map((wanted) => record(wanted.value, { partition: wanted.partition })),
            ),
          );
          if (what === 'refuse') cluster.broker(1).refusals.push('NOT_ENOUGH_REPLICAS');
          if (what === 'moveLeader') cluster.coordinator.leader(id, partition, 1, ++epoch);
          if (what === 'breakStream') {
            await cluster.clock.advance(2);
            cluster.stopBroker(1);
            await cluster.startBroker(1);
          }
          if (what === 'time') await cluster.clock.advance(7);
        }
        await cluster.clock.advance(5_000);
        expect(sent.map(({ called }) => called)).toEqual(sent.map(() => 1));
        expect(client.producer.bufferedBytes).toBe(0);
        for (const [i, call] of values.entries()) {
          for (const [j, { value, partition }] of call.entries()) {
            const at = cluster.broker(1).records(`1/${partition}`)[sent[i]!.outcome!.offset[j]!];
            expect(String(at?.value)).toBe(value);
          }
        }
        for (const partition of [0, 1, 2]) {
          expect(cluster.broker(1).values(`1/${partition}`)).toEqual(
            values
              .flat()
              .filter((sentTo) => sentTo.partition === partition)
              .map(({ value }) => value),
          );
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('closing refuses what is in flight and what gathered behind it', async () => {
  const cluster = await FakeCluster.start();
  cluster.coordinator.topic('t', [1]);
  const client = await cluster.client();
  cluster.broker(1).holds = true;
  const first = send(client, 't', [record('a')]);
  await cluster.clock.advance(5);
  const second = send(client, 't', [record('b')]);
  await cluster.clock.advance(5);
  client.producer.close();
  await cluster.clock.advance(60_000);
  expect([...codesOf(first.outcome), ...codesOf(second.outcome)]).toEqual(['SHUTTING_DOWN', 'SHUTTING_DOWN']);
  expect(client.producer.bufferedBytes).toBe(0);
});
