import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ResponseOf } from '@weir/kafka/api.ts';
import { describeCluster } from '@weir/kafka/apis/describe-cluster.ts';
import { describeTopicPartitions } from '@weir/kafka/apis/describe-topic-partitions.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import { BrokerState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { changesOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import { brokerOf, TestDoor } from './test-door.ts';

type Response = ResponseOf<typeof describeTopicPartitions>;
type Cursor = Response['nextCursor'];

/** So many partitions that another broker leads: nothing is opened for them. */
function elsewhere(count: number): { partitions: { leader: number; epoch: number; replicas: number[] }[] } {
  return { partitions: Array.from({ length: count }, () => ({ leader: 2, epoch: 3, replicas: [2] })) };
}

/** A door whose topics have so many partitions each, and a way to ask for one page. */
async function setUp(topics: Readonly<Record<string, number>>) {
  const door = await TestDoor.open();
  Object.entries(topics).forEach(([name, count], i) => {
    const id = uuidToBytes(`0a1b2c3d-0000-4000-8000-0000000001${i.toString(16).padStart(2, '0')}`);
    door.apply(...changesOf(elsewhere(count), id, name));
  });
  const client = door.connect();
  const page = (names: readonly string[], limit = 2_000, cursor: Cursor = null): Promise<Response> =>
    client.ask(describeTopicPartitions, 0, {
      topics: names.map((name) => ({ name })),
      responsePartitionLimit: limit,
      cursor,
    });
  return { door, client, page };
}

/** Each topic as "name: indexes", or "name error N". */
function shown({ topics }: Response): string[] {
  return topics.map(({ name, errorCode, partitions }) =>
    errorCode === 0
      ? `${name}: ${partitions.map(({ partitionIndex }) => partitionIndex).join(' ')}`
      : `${name} error ${errorCode}`,
  );
}

test('a topic is described with all of its partitions', async () => {
  const { door, page } = await setUp({});
  door.apply(
    brokerOf({ id: 2, kafkaAddress: 'default=broker-2:9092', state: BrokerState.FENCED }),
    ...changesOf({
      partitions: [
        { leader: 1, epoch: 3, replicas: [1, 2], isr: [1, 2] },
        { leader: -1, epoch: 4, replicas: [2] },
      ],
    }),
  );
  const { topics, nextCursor } = await page(['orders']);
  expect(nextCursor).toBeNull();
  expect(topics).toMatchObject([
    {
      errorCode: 0,
      name: 'orders',
      topicId: Buffer.from(TOPIC_ID_BYTES),
      isInternal: false,
      partitions: [
        {
          errorCode: 0,
          partitionIndex: 0,
          leaderId: 1,
          leaderEpoch: 3,
          replicaNodes: [1, 2],
          isrNodes: [1, 2],
          offlineReplicas: [2],
        },
        { errorCode: 5, partitionIndex: 1, leaderId: -1, leaderEpoch: 4, replicaNodes: [2], offlineReplicas: [2] },
      ],
    },
  ]);
});

test('topics come in the order of their names, once each, and those that are not there with an error', async () => {
  const { page } = await setUp({ b: 1, a: 2 });
  expect(shown(await page(['b', 'nothing', 'a', 'b']))).toEqual(['a: 0 1', 'b: 0', 'nothing error 3']);
  // No names: all of them.
  expect(shown(await page([]))).toEqual(['a: 0 1', 'b: 0', 'orders: 0']);
});

test('what does not fit a page begins at its cursor', async () => {
  const { page } = await setUp({ a: 3, b: 3 });
  const first = await page(['a', 'b'], 2);
  expect([shown(first), first.nextCursor]).toEqual([['a: 0 1'], { topicName: 'a', partitionIndex: 2 }]);
  const second = await page(['a', 'b'], 2, first.nextCursor);
  expect([shown(second), second.nextCursor]).toEqual([['a: 2', 'b: 0'], { topicName: 'b', partitionIndex: 1 }]);
  const third = await page(['a', 'b'], 2, second.nextCursor);
  expect([shown(third), third.nextCursor]).toEqual([['b: 1 2'], null]);
});

test('a page that ends with a topic points to the next one', async () => {
  const { page } = await setUp({ a: 2, b: 1 });
  const first = await page(['a', 'b'], 2);
  expect([shown(first), first.nextCursor]).toEqual([['a: 0 1'], { topicName: 'b', partitionIndex: 0 }]);
  expect((await page(['a'], 2)).nextCursor).toBeNull();
});

test('a cursor whose topic is gone, or has fewer partitions, goes on behind it', async () => {
  const { page } = await setUp({ a: 1, c: 1 });
  expect(shown(await page(['a', 'c'], 10, { topicName: 'b', partitionIndex: 7 }))).toEqual(['c: 0']);
  expect(shown(await page(['a', 'c'], 10, { topicName: 'a', partitionIndex: 7 }))).toEqual(['a: ', 'c: 0']);
  expect(shown(await page(['a', 'c'], 10, { topicName: 'z', partitionIndex: 0 }))).toEqual([]);
});

test('a cursor below zero is refused, and a limit that makes no sense is one that does', async () => {
  const { page } = await setUp({ a: 3, many: 2_001 });
  expect(shown(await page(['a'], 10, { topicName: 'a', partitionIndex: -1 }))).toEqual(['a error 42']);
  for (const limit of [0, -5]) expect(shown(await page(['a'], limit))).toEqual(['a: 0']);
  const { topics, nextCursor } = await page(['many'], 2 ** 31 - 1);
  expect([topics[0]!.partitions.length, nextCursor]).toEqual([2_000, { topicName: 'many', partitionIndex: 2_000 }]);
});

test('whatever the size of a page, all pages together are everything, once and in order', async () => {
  const counts = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'B', 'long-name', 'é1'), fc.integer({ min: 1, max: 5 }));
  await fc.assert(
    fc.asyncProperty(counts, fc.integer({ min: 1, max: 7 }), async (topics, limit) => {
      const { page } = await setUp(topics);
      const all = await page([]);
      const pages: string[] = [];
      let cursor: Cursor = null;
      do {
        const { topics: some, nextCursor } = await page([], limit, cursor);
        const found = some.flatMap(({ name, partitions }) => partitions.map((one) => `${name}-${one.partitionIndex}`));
        expect(found.length).toBeLessThanOrEqual(limit);
        expect(found.length).toBeGreaterThan(0);
        pages.push(...found);
        cursor = nextCursor;
      } while (cursor !== null);
      expect(pages).toEqual(
        all.topics.flatMap(({ name, partitions }) => partitions.map((one) => `${name}-${one.partitionIndex}`)),
      );
      expect(all.topics).toHaveLength(Object.keys(topics).length + 1);
    }),
    { numRuns: 40 },
  );
});

test('the cluster is described by its brokers, as the caller reaches them', async () => {
  const { door } = await setUp({});
  for (const version of [0, 1, 2]) {
    const request = { includeClusterAuthorizedOperations: false };
    expect(await door.connect({ port: 9093 }).ask(describeCluster, version, request)).toMatchObject({
      errorCode: 0,
      clusterId: 'test-cluster',
      controllerId: 1,
      brokers: [
        { brokerId: 1, host: 'one.example', port: 19_092, rack: 'a', isFenced: false },
        { brokerId: 2, host: 'two.example', port: 19_092, rack: null, isFenced: false },
      ],
    });
  }
});

test('who asks a broker for the controllers is told that he asks the wrong one', async () => {
  const { client } = await setUp({});
  const request = { includeClusterAuthorizedOperations: false, endpointType: 2 };
  const response = await client.ask(describeCluster, 1, request);
  expect(response).toMatchObject({ errorCode: 114, controllerId: -1, brokers: [] });
  expect(response.errorMessage).toContain('endpoint type 1');
});
