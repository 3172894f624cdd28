import type { ErrorCode } from '@weir/base/errors.ts';
import { baseSequenceOf, producerEpochOf, producerIdOf, recordCountOf } from '@weir/records/batch-header.ts';
import { expect, test } from 'vitest';
import type { Client } from '../client.ts';
import type { FakeBroker } from '../test-kit/fake-broker.ts';
import { FakeCluster } from '../test-kit/fake-cluster.ts';
import type { ProducerRecord, SendOptions } from './send-call.ts';

/** What became of a record: its offset, or why it has none; undefined: nothing yet. */
interface Sent {
  outcome: number | ErrorCode | undefined;
}

/** Two records of `FULL` bytes do not share a batch of this topic. */
const SMALL = { 'max.message.bytes': '300' };
const FULL = 150;

async function setUp(deliveryTimeoutMs = 30_000) {
  const cluster = await FakeCluster.start();
  const topicId = cluster.coordinator.topic('t', [1, 1], SMALL);
  const client = await cluster.client({ producer: { lingerMs: 0, deliveryTimeoutMs } });
  return { cluster, topicId, client, broker: cluster.broker(1) };
}

/** Sends a record that fills a batch, with this value in front. */
function send(client: Client, value: string, extra: Partial<ProducerRecord> = {}, options: SendOptions = {}): Sent {
  const sent: Sent = { outcome: undefined };
  const record = { key: null, value: Buffer.from(value.padEnd(FULL)), partition: 0, ...extra };
  client.producer.sendMany('t', [record], options, ({ offset, refusals }) => {
    sent.outcome = refusals.get(0)?.code ?? offset[0]!;
  });
  return sent;
}

/** The batches that a broker was sent for partition 0: producer id, epoch and base sequence of each, by request. */
function placesAt({ requests }: FakeBroker): (readonly [id: number, epoch: number, sequence: number])[] {
  return requests.flatMap(({ batches }) =>
    batches
      .filter(({ partition }) => partition === 0)
      .map(({ records }) => Buffer.from(records))
      .map((batch) => [producerIdOf(batch, 0), producerEpochOf(batch, 0), baseSequenceOf(batch, 0)] as const),
  );
}

const valuesAt = (broker: FakeBroker): string[] => broker.values('1/0').map((value) => value.trim());
const outcomes = (sent: readonly Sent[]): Sent['outcome'][] => sent.map(({ outcome }) => outcome);

test('one id, asked for with the first batch, serves all partitions, each with its own sequence', async () => {
  const { cluster, client, broker } = await setUp();
  expect(broker.producerIds.length + cluster.broker(2).producerIds.length).toBe(0);
  for (const value of ['a', 'b', 'c']) {
    send(client, value);
    send(client, value, { partition: 1 });
    await cluster.clock.settle();
  }
  const [id, ...more] = [...broker.producerIds, ...cluster.broker(2).producerIds];
  expect(more).toEqual([]);
  expect(placesAt(broker)).toEqual([0, 1, 2].map((sequence) => [id, 0, sequence]));
  const all = [...broker.logs.values()].flat();
  expect(all.map((batch) => recordCountOf(batch, 0))).toEqual([1, 1, 1, 1, 1, 1]);
  expect(all.map((batch) => producerIdOf(batch, 0))).toEqual(all.map(() => id));
});

test('with acks=leader a batch has no place, needs no id, and goes alone', async () => {
  const { cluster, client, broker } = await setUp();
  for (const id of [1, 2]) cluster.broker(id).givesNoIds = 'COORDINATOR_UNAVAILABLE';
  const sent = ['a', 'b', 'c'].map((value) => send(client, value, {}, { acks: 'leader' }));
  await cluster.clock.settle();
  expect(outcomes(sent)).toEqual([0, 1, 2]);
  expect(placesAt(broker)).toEqual([1, 2, 3].map(() => [-1, -1, -1]));
  expect(broker.requests.map(({ batches }) => batches.length)).toEqual([1, 1, 1]);
});

test('while no broker gives an id records wait, until there is one or their time is over', async () => {
  const { cluster, client, broker } = await setUp(2_000);
  for (const id of [1, 2]) cluster.broker(id).givesNoIds = 'COORDINATOR_UNAVAILABLE';
  const late = send(client, 'late');
  await cluster.clock.advance(1_500);
  const inTime = send(client, 'in time');
  await cluster.clock.advance(700);
  expect(outcomes([late, inTime])).toEqual(['REQUEST_TIMED_OUT', undefined]);
  cluster.broker(2).givesNoIds = undefined;
  await cluster.clock.advance(1_000);
  expect(outcomes([inTime])).toEqual([0]);
  expect(placesAt(broker)).toEqual([[2_000, 0, 0]]);
});

test('a batch whose answer was lost is answered with the offset that it has', async () => {
  const { cluster, client, broker } = await setUp();
  const first = send(client, 'a');
  await cluster.clock.settle();
  broker.losesAnswers = true;
  const second = send(client, 'b');
  await cluster.clock.settle();
  broker.losesAnswers = false;
  cluster.stopBroker(1);
  await cluster.startBroker(1);
  await cluster.clock.advance(2_000);
  expect(outcomes([first, second])).toEqual([0, 1]);
  expect(valuesAt(broker)).toEqual(['a', 'b']);
  expect(placesAt(broker).map(([, , sequence]) => sequence)).toEqual([0, 1, 1]);
});

test('the first batch goes alone; once the log knows the producer, five go before the first of them is answered', async () => {
  const { cluster, client, broker } = await setUp();
  broker.holds = true;
  const sent = Array.from({ length: 9 }, (_, i) => send(client, String(i)));
  await cluster.clock.settle();
  expect(placesAt(broker)).toHaveLength(1);
  broker.release();
  broker.holds = true;
  await cluster.clock.settle();
  expect(placesAt(broker)).toHaveLength(6);
  broker.release();
  await cluster.clock.settle();
  expect(outcomes(sent)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(placesAt(broker).map(([, , sequence]) => sequence)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test.each<ErrorCode>(['NOT_ENOUGH_REPLICAS', 'THROTTLING_QUOTA_EXCEEDED', 'KAFKA_STORAGE_ERROR'])(
  'behind a batch that was refused with %s nothing is appended before it',
  async (code) => {
    const { cluster, client, broker } = await setUp();
    broker.holds = true;
    const sent = Array.from({ length: 6 }, (_, i) => send(client, String(i)));
    await cluster.clock.settle();
    broker.refusals = ['none', 'none', code];
    broker.release();
    await cluster.clock.advance(1_000);
    expect(valuesAt(broker)).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(outcomes(sent)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set(placesAt(broker).map(([, epoch]) => epoch))).toEqual(new Set([0]));
  },
);

test('what follows a batch that is refused for good has new places, in the next epoch', async () => {
  const { cluster, client, broker } = await setUp();
  broker.holds = true;
  const sent = Array.from({ length: 5 }, (_, i) => send(client, String(i)));
  await cluster.clock.settle();
  broker.refusals = ['none', 'none', 'INVALID_RECORD'];
  broker.release();
  await cluster.clock.advance(1_000);
  expect(outcomes(sent)).toEqual([0, 1, 'INVALID_RECORD', 2, 3]);
  expect(placesAt(broker).map(([, epoch, sequence]) => [epoch, sequence])).toEqual([
    [0, 0],
    ...[1, 2, 3].map((sequence) => [0, sequence]),
    [1, 0],
    [1, 1],
  ]);
});

test('what is with a leader that was replaced goes to the next one at once, and what the former says does not count', async () => {
  const { cluster, client, broker, topicId } = await setUp();
  broker.holds = true;
  const sent = send(client, 'a');
  await cluster.clock.settle();
  cluster.coordinator.leader(topicId, 0, 2, 1);
  await cluster.clock.settle();
  expect(outcomes([sent])).toEqual([0]);
  expect(cluster.broker(2).requests[0]?.batches[0]?.leaderEpoch).toBe(1);
  expect(placesAt(cluster.broker(2))).toEqual(placesAt(broker));
  broker.refusals = ['INVALID_RECORD'];
  broker.release();
  const next = send(client, 'b');
  await cluster.clock.settle();
  expect(outcomes([sent, next])).toEqual([0, 1]);
  expect(valuesAt(cluster.broker(2))).toEqual(['a', 'b']);
});

test('a refusal that comes after the next leader is known costs no wait', async () => {
  const { cluster, client, broker, topicId } = await setUp();
  broker.holds = true;
  const sent = send(client, 'a', {}, { acks: 'leader' });
  await cluster.clock.settle();
  cluster.coordinator.leader(topicId, 0, 2, 1);
  await cluster.clock.settle();
  broker.refusals = ['NOT_LEADER_OR_FOLLOWER'];
  broker.release();
  await cluster.clock.settle();
  expect(outcomes([sent])).toEqual([0]);
  expect(valuesAt(cluster.broker(2))).toEqual(['a']);
});

test('a log that has lost what it acknowledged gets the next batch in the next epoch', async () => {
  const { cluster, client, broker } = await setUp();
  for (const value of ['a', 'b', 'c']) {
    send(client, value);
    await cluster.clock.settle();
  }
  // As after an unclean election.
  broker.logs.get('1/0')!.splice(1);
  const sent = [send(client, 'd'), send(client, 'e')];
  await cluster.clock.advance(1_000);
  expect(outcomes(sent)).toEqual([1, 2]);
  expect(valuesAt(broker)).toEqual(['a', 'd', 'e']);
  expect(placesAt(broker).at(-1)).toEqual([broker.producerIds[0] ?? 2_000, 1, 1]);
});

test('a batch whose answer was lost together with what the log held is given up, and says that it may be there', async () => {
  const { cluster, client, broker } = await setUp();
  for (const value of ['a', 'b']) {
    send(client, value);
    await cluster.clock.settle();
  }
  broker.losesAnswers = true;
  const lost = send(client, 'c');
  await cluster.clock.settle();
  broker.losesAnswers = false;
  broker.logs.get('1/0')!.splice(1);
  const next = send(client, 'd');
  cluster.stopBroker(1);
  await cluster.startBroker(1);
  await cluster.clock.advance(2_000);
  expect(outcomes([lost, next])).toEqual(['OUT_OF_ORDER_SEQUENCE_NUMBER', 1]);
  expect(valuesAt(broker)).toEqual(['a', 'd']);
});

test('a batch that was given up leaves its epoch behind, so that it cannot come after the next one', async () => {
  const { cluster, client, broker } = await setUp(1_000);
  send(client, 'a');
  await cluster.clock.settle();
  broker.holds = true;
  const late = send(client, 'late');
  await cluster.clock.advance(1_100);
  broker.holds = false;
  const next = send(client, 'next');
  await cluster.clock.advance(500);
  broker.release();
  expect(outcomes([late, next])).toEqual(['REQUEST_TIMED_OUT', 1]);
  expect(valuesAt(broker)).toEqual(['a', 'next']);
  expect(placesAt(broker).map(([, epoch, sequence]) => [epoch, sequence])).toEqual([
    [0, 0],
    [0, 1],
    [1, 0],
  ]);
});

test('an id that another producer has as well is not used again', async () => {
  const { cluster, client, broker } = await setUp();
  send(client, 'a');
  await cluster.clock.settle();
  broker.refusals = ['INVALID_PRODUCER_EPOCH'];
  const sent = send(client, 'b');
  await cluster.clock.advance(500);
  expect(outcomes([sent])).toEqual([1]);
  const ids = placesAt(broker).map(([id]) => id);
  expect(ids[1]).toBe(ids[0]);
  expect(ids[2]).not.toBe(ids[0]);
  expect(placesAt(broker)[2]).toEqual([ids[2], 0, 0]);
  // The other partition goes on with it until it is refused there.
  send(client, 'c', { partition: 1 });
  await cluster.clock.settle();
  expect(producerIdOf(broker.logs.get('1/1')![0]!, 0)).toBe(ids[2]);
});

test('a final refusal of a batch that may be there already does not say that it is not', async () => {
  const { cluster, client, broker } = await setUp();
  broker.losesAnswers = true;
  const sent = send(client, 'a');
  await cluster.clock.settle();
  broker.losesAnswers = false;
  broker.refusals = ['MESSAGE_TOO_LARGE'];
  cluster.stopBroker(1);
  await cluster.startBroker(1);
  await cluster.clock.advance(2_000);
  expect(outcomes([sent])).toEqual(['REQUEST_TIMED_OUT']);
  expect(valuesAt(broker)).toEqual(['a']);
});
