import { HTTP_CONSUMER_CHECK_MS, HTTP_CONSUMER_IDLE_MS } from '@weir/base/group-limits.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { expect, test } from 'vitest';
import { FakeClient } from '../testing/fake-client.ts';
import { ConsumerTable } from './consumer-table.ts';
import type { HttpConsumerSettings } from './consumer-settings.ts';

const who = { groupId: 'g', name: 'c' };
const settings: HttpConsumerSettings = {
  format: 'json',
  offsetReset: 'earliest',
  autoCommit: true,
  minBytes: 1,
  waitMs: 0,
};

function table(limit = 10): { clock: ManualClock; client: FakeClient; consumers: ConsumerTable } {
  const clock = new ManualClock();
  const client = new FakeClient(clock);
  client.addTopic('orders', 1);
  return { clock, client, consumers: new ConsumerTable(client, testWorld({ clock }), limit) };
}

test('a consumer that nobody calls expires, which is told', async () => {
  const { clock, client, consumers } = table();
  const expired: string[] = [];
  consumers.onExpired = ({ name }) => void expired.push(name);
  consumers.create(who, settings).subscribe(['orders']);
  await clock.advance(HTTP_CONSUMER_IDLE_MS - 1);
  consumers.find(who);
  await clock.advance(HTTP_CONSUMER_IDLE_MS - 1);
  expect(consumers.count).toBe(1);
  await clock.advance(HTTP_CONSUMER_CHECK_MS + 1);
  expect([consumers.count, client.consumers[0]!.isClosed, expired]).toEqual([0, true, ['c']]);
  expect(() => consumers.find(who)).toThrow('has no consumer "c"');
});

test('what was handed out last is not taken for read when a consumer expires', async () => {
  const { clock, client, consumers } = table();
  client.producer.sendMany('orders', [{ key: null, value: Buffer.from('1') }], {}, () => {});
  await clock.advance(1);
  const consumer = consumers.create(who, settings);
  consumer.subscribe(['orders']);
  const signal = new AbortController().signal;
  expect(await consumer.poll({ maxBytes: 1, waitMs: 0, signal })).toHaveLength(1);
  await clock.advance(HTTP_CONSUMER_IDLE_MS + HTTP_CONSUMER_CHECK_MS);
  expect([...client.committedOf('g').values()]).toEqual([{ topic: 'orders', partition: 0, offset: 0 }]);
});

test('one that has expired can be created anew', async () => {
  const { clock, consumers } = table();
  consumers.create(who, settings);
  await clock.advance(HTTP_CONSUMER_IDLE_MS + HTTP_CONSUMER_CHECK_MS);
  consumers.create(who, settings);
  await consumers.delete(who);
  expect(() => consumers.find(who)).toThrow('has no consumer "c"');
});

test('a read that waits keeps its consumer', async () => {
  const { clock, consumers } = table();
  const consumer = consumers.create(who, settings);
  consumer.subscribe(['orders']);
  const stop = new AbortController();
  const reading = consumer.poll({ maxBytes: 1, waitMs: 2 * HTTP_CONSUMER_IDLE_MS, signal: stop.signal });
  for (let i = 0; i < 4; i++) await clock.advance(HTTP_CONSUMER_IDLE_MS / 2 - 1);
  expect(consumers.count).toBe(1);
  stop.abort();
  await clock.advance(10);
  expect(await reading).toEqual([]);
});

test('there are no more than may be, and none once it is closed', async () => {
  const { consumers, client } = table(1);
  consumers.create(who, settings).subscribe(['orders']);
  expect(() => consumers.create({ groupId: 'g', name: 'd' }, settings)).toThrow('its limit');
  await consumers.close();
  expect([consumers.count, client.consumers[0]!.isClosed]).toEqual([0, true]);
});
