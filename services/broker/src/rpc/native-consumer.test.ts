import {
  CONSUMER_CLOSE_MS_MAX,
  CONSUMER_COMMIT_INTERVAL_MS,
  CONSUMER_SESSION_TIMEOUT_MS,
} from '@weir/base/group-limits.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { sleep } from '@weir/base/clock.ts';
import { TransportError } from '@weir/base/transport.ts';
import type { Transport } from '@weir/base/transport.ts';
import { Client } from '@weir/client/client.ts';
import type { ConsumerOptions } from '@weir/client/consumer/consumer-options.ts';
import type { GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import { codeOf } from '@weir/client/test-kit/code-of.ts';
import { WeirError } from '@weir/base/errors.ts';
import { FakeCluster } from '@weir/client/test-kit/fake-cluster.ts';
import { expect, test } from 'vitest';
import { NativeGroups } from './test-native-groups.ts';

/** A consumer, what happened to it, and what it was given. */
class Reader {
  readonly client: Client;
  readonly consumer: GroupConsumer;
  readonly events: string[] = [];
  readonly values: string[] = [];
  /** How it ended. */
  ended: unknown;

  constructor(client: Client, options: Partial<ConsumerOptions> = {}) {
    this.client = client;
    const note = (what: string) => async (places: readonly TopicPartition[]) => {
      this.events.push(`${what} ${numbersOf(places)}`);
      await options.events?.[what as 'revoked']?.(places);
    };
    this.consumer = client.consumer({
      groupId: 'g',
      topics: ['orders'],
      offsetReset: 'earliest',
      ...options,
      events: { assigned: note('assigned'), revoked: note('revoked'), lost: note('lost') },
    });
  }

  /** Reads on and on, as long as `goesOn`. */
  read(goesOn: (value: string) => boolean | Promise<boolean> = () => true): this {
    const reading = async (): Promise<void> => {
      for await (const { record } of this.consumer) {
        const value = String(record.value);
        this.values.push(value);
        if (!(await goesOn(value))) return;
      }
    };
    void reading().then(
      () => (this.ended = 'done'),
      (error: unknown) => (this.ended = error),
    );
    return this;
  }

  get has(): string {
    return numbersOf(this.consumer.assignment());
  }
}

function numbersOf(places: readonly TopicPartition[]): string {
  return places
    .map(({ topic, partition }) => (topic === 'orders' ? `${partition}` : `${topic}${partition}`))
    .toSorted()
    .join();
}

async function reader(native: NativeGroups, options: Partial<ConsumerOptions> = {}): Promise<Reader> {
  return new Reader(await native.cluster.client(), options);
}

/** A client whose network may be cut off: what it asks then is never answered. */
async function mortalClient(native: NativeGroups): Promise<{ client: Client; die: () => void; revive: () => void }> {
  const { world, clock } = native.cluster;
  let isDead = false;
  const transport: Transport = {
    listen: (address, handlers) => world.transport.listen(address, handlers),
    connect(address) {
      const connection = world.transport.connect(address);
      return {
        ...connection,
        call: async (method, request, options) => {
          if (!isDead) return connection.call(method, request, options);
          await sleep(clock, options.deadlineMs);
          throw new TransportError({ kind: 'deadline', code: 'REQUEST_TIMED_OUT', message: 'cut off' });
        },
      };
    },
  };
  const client = new Client({ coordinators: ['coordinator:1'], name: 'mortal' }, { ...world, transport });
  await clock.advance(1);
  return { client, die: () => void (isDead = true), revive: () => void (isDead = false) };
}

function committed(native: NativeGroups, groupId = 'g'): Record<string, number> {
  const shard = native.groups.shardOf(groupId);
  const offsets = typeof shard === 'string' ? [] : [...(shard.find(groupId)?.offsets ?? [])];
  return Object.fromEntries(
    offsets.map(({ topic, partition, committed: { offset } }) => [`${topic}/${partition}`, offset]),
  );
}

/** The logs of the fake broker: the offsets topic was made first, `orders` second. */
const ORDERS = [0, 1, 2, 3].map((partition) => `2/${partition}`);

test('a consumer alone reads everything, commits what its owner is done with, and goes on there', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a', 'b');
  native.append(ORDERS[1]!, 'c');
  const first = (await reader(native)).read();
  await clock.advance(1_000);
  expect([first.values.toSorted(), first.events]).toEqual([['a', 'b', 'c'], ['assigned 0,1']]);
  expect(committed(native)).toEqual({});
  await clock.advance(CONSUMER_COMMIT_INTERVAL_MS);
  expect(committed(native)).toEqual({ 'orders/0': 2, 'orders/1': 1 });
  native.append(ORDERS[0]!, 'd');
  await clock.advance(100);
  await clock.meanwhile(first.consumer.close());
  expect(committed(native)).toEqual({ 'orders/0': 3, 'orders/1': 1 });
  expect([first.ended, first.events]).toEqual(['done', ['assigned 0,1', 'revoked 0,1']]);
  native.append(ORDERS[1]!, 'e');
  const second = (await reader(native)).read();
  await clock.advance(1_000);
  expect(second.values).toEqual(['e']);
});

test('what its owner has and is not done with is not committed', async () => {
  const native = await NativeGroups.start(1);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a', 'b', 'c');
  const stuck = (await reader(native)).read((value) => (value === 'b' ? new Promise<boolean>(() => {}) : true));
  await clock.advance(CONSUMER_COMMIT_INTERVAL_MS + 1_000);
  expect(stuck.values).toEqual(['a', 'b']);
  expect(committed(native)).toEqual({ 'orders/0': 1 });
});

test('who cannot begin with the partitions that it is assigned is told so, and given nothing of them', async () => {
  const native = await NativeGroups.start(1);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a');
  const assigned = (): Promise<void> => Promise.reject(new WeirError('REQUEST_TIMED_OUT', 'its state cannot be read'));
  const first = (await reader(native, { events: { assigned } })).read();
  await clock.advance(1_000);
  expect([first.values, first.ended]).toMatchObject([[], { message: 'its state cannot be read' }]);
});

test('members share partitions; each rebalance gives away what was read, committed; who leaves is missed at once', async () => {
  const native = await NativeGroups.start();
  const { clock } = native.cluster;
  for (const log of ORDERS) native.append(log, `${log}:0`);
  const first = (await reader(native)).read();
  await clock.advance(1_000);
  expect(first.has).toBe('0,1,2,3');
  const second = (await reader(native)).read();
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect([first.has, second.has].toSorted()).toEqual(['0,1', '2,3']);
  expect(first.events.slice(0, 2)).toEqual(['assigned 0,1,2,3', 'revoked 0,1,2,3']);
  expect(committed(native)).toEqual(Object.fromEntries([0, 1, 2, 3].map((n) => [`orders/${n}`, 1])));
  for (const log of ORDERS) native.append(log, `${log}:1`);
  await clock.advance(100);
  await clock.meanwhile(first.consumer.close());
  for (const log of ORDERS) native.append(log, `${log}:2`);
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect(second.has).toBe('0,1,2,3');
  const all = ORDERS.flatMap((log) => [0, 1, 2].map((n) => `${log}:${n}`));
  expect([...first.values, ...second.values].toSorted()).toEqual(all.toSorted());
});

test('what is given away before it is committed is not said to be committed', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  for (const log of ORDERS.slice(0, 2)) native.append(log, 'a');
  const { consumer } = await reader(native, { commitIntervalMs: 'manual' });
  const given = await clock.meanwhile(consumer.poll({ waitMs: 2_000 }));
  expect(given.length).toBeGreaterThan(0);
  await reader(native);
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect(await clock.meanwhile(codeOf(consumer.commit()))).toBe('ILLEGAL_GENERATION');
  expect(Object.values(committed(native)).filter((offset) => offset > 0)).toEqual([]);
  // It was told, and has nothing more to commit.
  await clock.meanwhile(consumer.commit());
});

test('cooperative members keep what they have while another one comes', async () => {
  const native = await NativeGroups.start();
  const { clock } = native.cluster;
  const assignors = ['cooperative-sticky'] as const;
  const first = (await reader(native, { assignors })).read();
  await clock.advance(1_000);
  const second = (await reader(native, { assignors })).read();
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect([first.has, second.has]).toEqual(['0,1', '2,3']);
  expect(first.events).toEqual(['assigned 0,1,2,3', 'revoked 2,3']);
  expect(second.events).toEqual(['assigned 2,3']);
});

test('who is dead is taken out after its session, and what it did not commit is read again', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a');
  native.append(ORDERS[1]!, 'b');
  const { client, die } = await mortalClient(native);
  const dead = new Reader(client).read();
  await clock.advance(1_000);
  const alive = (await reader(native)).read();
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect([dead.has, alive.has].toSorted()).toEqual(['0', '1']);
  expect(committed(native)).toEqual({ 'orders/0': 1, 'orders/1': 1 });
  const lastOfDead = ORDERS[Number(dead.has)]!;
  native.append(lastOfDead, 'c');
  await clock.advance(100);
  expect(dead.values).toContain('c');
  die();
  native.append(lastOfDead, 'd');
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS - 1_000);
  expect(alive.has).toHaveLength(1);
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect(alive.has).toBe('0,1');
  expect(alive.values.filter((value) => value > 'b')).toEqual(['c', 'd']);
});

test('a member that was taken out and comes back has lost what it had, and joins as a new one', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  const { client, die, revive } = await mortalClient(native);
  const away = new Reader(client).read();
  await clock.advance(1_000);
  const other = (await reader(native)).read();
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  die();
  await clock.advance(3 * CONSUMER_SESSION_TIMEOUT_MS);
  expect(other.has).toBe('0,1');
  revive();
  await clock.advance(3 * CONSUMER_SESSION_TIMEOUT_MS);
  expect([away.has, other.has].toSorted()).toEqual(['0', '1']);
  expect(away.events.filter((event) => event.startsWith('lost'))).toHaveLength(1);
});

test('a coordinator that loads its groups anew has its members as they were', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  const one = (await reader(native)).read();
  await clock.advance(1_000);
  native.reload();
  native.append(ORDERS[1]!, 'a');
  await clock.advance(CONSUMER_COMMIT_INTERVAL_MS + CONSUMER_SESSION_TIMEOUT_MS);
  expect([one.values, one.events]).toEqual([['a'], ['assigned 0,1']]);
  expect(committed(native)).toEqual({ 'orders/0': 0, 'orders/1': 1 });
});

test('a static member that starts anew has its place again, and nobody else notices', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  const first = (await reader(native, { instanceId: 'i' })).read();
  const other = (await reader(native, { instanceId: 'j' })).read();
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  const had = first.has;
  const { events } = other;
  const before = events.length;
  await clock.meanwhile(first.consumer.close());
  const again = (await reader(native, { instanceId: 'i' })).read();
  await clock.advance(2 * CONSUMER_SESSION_TIMEOUT_MS);
  expect([again.has, events.length]).toEqual([had, before]);
});

test('a static leader that comes back finds what has come while it was away', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  const options = { instanceId: 'i', topics: /^(orders|more)/ };
  const leader = (await reader(native, options)).read();
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect(leader.has).toBe('0,1');
  await clock.meanwhile(leader.consumer.close());
  native.topic('more-1', 1);
  const again = (await reader(native, options)).read();
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect(again.has).toBe('0,1,more-10');
});

test('a consumer whose coordinator does not answer closes within its time, and whoever reads it ends', async () => {
  const native = await NativeGroups.start(1);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a');
  const { client, die } = await mortalClient(native);
  const one = new Reader(client).read();
  await clock.advance(1_000);
  die();
  const beganMs = clock.monotonicMs();
  await clock.meanwhile(one.consumer.close());
  expect(clock.monotonicMs() - beganMs).toBeLessThanOrEqual(CONSUMER_CLOSE_MS_MAX + 10);
  await clock.advance(CONSUMER_SESSION_TIMEOUT_MS);
  expect([one.ended, one.consumer.assignment()]).toEqual(['done', []]);
});

test('an owner that takes nothing for too long loses what it has, and gets it back when it takes again', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a', 'b');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const slow = (await reader(native, { pollIntervalMs: 20_000 })).read(() => promise);
  await clock.advance(1_000);
  const other = (await reader(native, { pollIntervalMs: 20_000 })).read();
  await clock.advance(40_000);
  expect(slow.events.at(-1)).toMatch(/^lost/);
  expect([slow.has, other.has]).toEqual(['', '0,1']);
  resolve(true);
  await clock.advance(2 * CONSUMER_SESSION_TIMEOUT_MS);
  expect([slow.has, other.has].toSorted()).toEqual(['0', '1']);
});

test('a pattern finds topics that come later, and new partitions are shared out', async () => {
  const native = await NativeGroups.start(1);
  const { clock } = native.cluster;
  const all = (await reader(native, { topics: /^(orders|more)/ })).read();
  await clock.advance(1_000);
  expect(all.has).toBe('0');
  native.topic('more-1', 2);
  native.topic('other', 1);
  await clock.advance(1_000);
  expect(all.has).toBe('0,more-10,more-11');
  native.append('3/1', 'late');
  await clock.advance(1_000);
  expect(all.values).toEqual(['late']);
});

test('seek, pause, resume and position; commits by hand', async () => {
  const native = await NativeGroups.start(1);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a', 'b', 'c');
  const place = { topic: 'orders', partition: 0 };
  const { consumer } = await reader(native, {
    commitIntervalMs: 'manual',
    offsetReset: 'none',
    events: { assigned: () => consumer.seek(place, 1) },
  });
  const poll = async (maxRecords: number): Promise<string[]> =>
    (await clock.meanwhile(consumer.poll({ maxRecords, waitMs: 500 }))).map(({ record }) => String(record.value));
  expect([await poll(1), consumer.position(place)]).toEqual([['b'], 2]);
  consumer.pause([place]);
  expect([await poll(5), consumer.paused()]).toEqual([[], [place]]);
  consumer.resume([place]);
  expect(await poll(5)).toEqual(['c']);
  await clock.meanwhile(consumer.commit());
  expect(committed(native)).toEqual({ 'orders/0': 3 });
  consumer.seek(place, 0);
  expect(await poll(5)).toEqual(['a', 'b', 'c']);
  await clock.meanwhile(consumer.commit([{ ...place, offset: 2, metadata: 'm' }]));
  expect(await clock.meanwhile(consumer.committed([place]))).toMatchObject([{ offset: 2, metadata: 'm' }]);
  expect(() => consumer.seek({ topic: 'none', partition: 0 }, 0)).toThrow('does not read');
  await clock.meanwhile(consumer.close());
  expect(committed(native)).toEqual({ 'orders/0': 2 });
});

test('where nothing is committed it begins at the end, or says so; an offset that is gone counts as nothing', async () => {
  const native = await NativeGroups.start(1);
  const { clock } = native.cluster;
  native.append(ORDERS[0]!, 'a');
  const latest = (await reader(native, { groupId: 'latest', offsetReset: 'latest' })).read();
  const none = (await reader(native, { groupId: 'none', offsetReset: 'none' })).read();
  await clock.advance(1_000);
  expect(none.ended).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
  native.append(ORDERS[0]!, 'b');
  await clock.advance(1_000);
  expect(latest.values).toEqual(['b']);
  latest.consumer.seek({ topic: 'orders', partition: 0 }, 99);
  await clock.advance(1_000);
  native.append(ORDERS[0]!, 'c');
  await clock.advance(1_000);
  expect(latest.values).toEqual(['b', 'c']);
});

test('an owner’s handler that throws ends the consumer with that, and the group goes on without it', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  const why = new Error('the disk is full');
  const bad = (await reader(native, { events: { assigned: () => Promise.reject(why) } })).read();
  await clock.advance(1_000);
  expect(bad.ended).toBe(why);
  const good = (await reader(native)).read();
  await clock.advance(1_000);
  expect(good.has).toBe('0,1');
});

test('the offsets topic is created for the first that needs it', async () => {
  const cluster = await FakeCluster.start();
  const client = await cluster.client();
  expect(await codeOf(cluster.clock.meanwhile(client.groups.describe('g')))).not.toBe('no rejection');
  expect(client.topic(OFFSETS_TOPIC)).toBeDefined();
});

test('groups are seen, changed and deleted from outside, unless somebody is in them', async () => {
  const native = await NativeGroups.start(2);
  const { clock } = native.cluster;
  const one = (await reader(native, { instanceId: 'i' })).read();
  await clock.advance(1_000);
  const { groups } = one.client;
  const during = <T>(promise: Promise<T>): Promise<T> => clock.meanwhile(promise);
  expect(await during(groups.list())).toMatchObject({
    groups: [{ groupId: 'g', state: 'Stable', protocolType: 'consumer', memberCount: 1 }],
  });
  expect(await during(groups.describe('g'))).toMatchObject({
    state: 'Stable',
    protocol: 'range',
    members: [{ instanceId: 'i', topics: ['orders'], assignment: [{ partition: 0 }, { partition: 1 }] }],
  });
  const offset = { topic: 'orders', partition: 0, offset: 7 };
  expect(await codeOf(during(groups.commit('g', [offset])))).toBe('NON_EMPTY_GROUP');
  expect(await codeOf(during(groups.delete('g')))).toBe('NON_EMPTY_GROUP');
  expect(await codeOf(during(groups.describe('none')))).toBe('GROUP_ID_NOT_FOUND');
  expect(await during(groups.commit('h', [offset, { ...offset, partition: 9 }]))).toMatchObject([
    undefined,
    { code: 'UNKNOWN_TOPIC_OR_PARTITION' },
  ]);
  expect(await during(groups.offsets('h'))).toMatchObject([offset]);
  expect(await during(groups.deleteOffsets('h', [offset]))).toEqual([undefined]);
  expect(await during(groups.offsets('h'))).toEqual([]);
  await during(groups.commit('h', [offset]));
  await during(groups.delete('h'));
  expect(await codeOf(during(groups.delete('h')))).toBe('GROUP_ID_NOT_FOUND');
});
