import { CONSUMER_COMMIT_INTERVAL_MS } from '@weir/base/group-limits.ts';
import type { ConsumerOptions } from '@weir/client/consumer/consumer-options.ts';
import type { GroupConsumer, PollOptions } from '@weir/client/consumer/group-consumer.ts';
import { codeOf } from '@weir/client/test-kit/code-of.ts';
import { expect, test } from 'vitest';
import { NativeGroups } from './test-native-groups.ts';

const ORDERS = ['2/0', '2/1'] as const;
const places = [0, 1].map((partition) => ({ topic: 'orders', partition }));

async function start(options: Partial<ConsumerOptions> = {}): Promise<{
  native: NativeGroups;
  consumer: GroupConsumer;
  poll: (options?: PollOptions) => Promise<string[]>;
}> {
  const native = await NativeGroups.start(2);
  const { cluster } = native;
  native.append(ORDERS[0], 'a', 'bb', 'ccc');
  const client = await cluster.client();
  const reads = options.topics === undefined ? { partitions: places } : {};
  const consumer = client.consumer({ groupId: 'g', offsetReset: 'earliest', ...reads, ...options });
  const poll = async (polled: PollOptions = {}): Promise<string[]> =>
    (await cluster.clock.meanwhile(consumer.poll({ waitMs: 500, ...polled }))).map(({ record }) =>
      String(record.value),
    );
  return { native, consumer, poll };
}

test('a consumer that is told its partitions reads them, commits, and goes on there', async () => {
  const { native, consumer, poll } = await start();
  const { clock } = native.cluster;
  expect(await poll()).toEqual(['a', 'bb', 'ccc']);
  expect(consumer.assignment()).toEqual(places);
  native.append(ORDERS[1], 'd');
  expect(await poll()).toEqual(['d']);
  await clock.advance(CONSUMER_COMMIT_INTERVAL_MS);
  const committed = await clock.meanwhile(consumer.committed(places));
  expect(committed.map(({ partition, offset }) => [partition, offset])).toEqual([
    [0, 3],
    [1, 0],
  ]);
  await clock.meanwhile(consumer.commit());
  await clock.meanwhile(consumer.close());
  native.append(ORDERS[0], 'e');
  const next = (await native.cluster.client()).consumer({ groupId: 'g', partitions: places, offsetReset: 'earliest' });
  const records = await clock.meanwhile(next.poll({ waitMs: 500 }));
  expect(records.map(({ record }) => String(record.value))).toEqual(['e']);
  expect(() => next.subscribe(['orders'])).toThrow('partitions that it was told');
});

test('its commits are refused while its group has members', async () => {
  const { native, consumer, poll } = await start();
  const { clock } = native.cluster;
  const member = (await native.cluster.client()).consumer({ groupId: 'g', topics: ['orders'] });
  await clock.advance(1_000);
  expect([member.generation > 0, (await poll()).length]).toEqual([true, 3]);
  expect(await clock.meanwhile(codeOf(consumer.commit()))).toBe('UNKNOWN_MEMBER_ID');
  // It is no part of the group, which it neither stops nor waits for.
  expect(member.assignment()).toHaveLength(2);
});

test('it reads either topics or partitions', async () => {
  const native = await NativeGroups.start(1);
  const client = await native.cluster.client();
  expect(() => client.consumer({ groupId: 'g' })).toThrow('either topics or partitions');
  expect(() => client.consumer({ groupId: 'g', topics: ['a'], partitions: places })).toThrow('either');
});

test('a poll brings as many bytes as it may, and one record in any case', async () => {
  const { poll } = await start();
  expect(await poll({ maxBytes: 3 })).toEqual(['a', 'bb']);
  expect(await poll({ maxBytes: 1 })).toEqual(['ccc']);
});

test('a poll waits until there are enough bytes, or its time is over', async () => {
  const { native, consumer } = await start();
  const { clock } = native.cluster;
  await clock.meanwhile(consumer.poll({ waitMs: 100 }));
  let has = 0;
  const waiting = consumer.poll({ minBytes: 200, waitMs: 5_000 }).then((records) => (has = records.length));
  native.append(ORDERS[0], 'x');
  await clock.advance(100);
  expect(has).toBe(0);
  native.append(ORDERS[1], 'y'.repeat(300));
  await clock.meanwhile(waiting);
  expect(has).toBe(2);
  native.append(ORDERS[0], 'z');
  expect(await clock.meanwhile(consumer.poll({ minBytes: 1e6, waitMs: 200 }))).toHaveLength(1);
});

test('a poll ends when it is told to', async () => {
  const { native, consumer, poll } = await start();
  await poll();
  const stop = new AbortController();
  const waiting = consumer.poll({ signal: stop.signal });
  await native.cluster.clock.advance(10);
  stop.abort();
  expect(await waiting).toEqual([]);
});

test('what is put back is given again, and those before it are not taken for done', async () => {
  const { native, consumer, poll } = await start({ commitIntervalMs: 100 });
  const { clock } = native.cluster;
  expect(await poll()).toEqual(['a', 'bb', 'ccc']);
  consumer.putBack(places[0]!, 1);
  await clock.advance(300);
  expect(await clock.meanwhile(consumer.committed([places[0]!]))).toMatchObject([{ offset: 0 }]);
  expect(await poll()).toEqual(['bb', 'ccc']);
  await clock.advance(300);
  await clock.meanwhile(consumer.poll({ maxRecords: 1, waitMs: 1 }));
  await clock.advance(300);
  expect(await clock.meanwhile(consumer.committed([places[0]!]))).toMatchObject([{ offset: 3 }]);
  consumer.putBack({ topic: 'orders', partition: 7 }, 0);
});
