import { apiVersions } from '@weir/kafka/apis/api-versions.ts';
import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { listOffsets } from '@weir/kafka/apis/list-offsets.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { expect, test } from 'vitest';
import { batchOf, TestWaiter } from '../test-broker.ts';
import { doorOfGroups, TestConsumer } from './group-test-kit.ts';
import type { TestClient } from './test-client.ts';
import type { TestDoor } from './test-door.ts';

/**
 * The scaler `kafka` of KEDA, as sarama sends what it asks when it is told no version of Kafka (then it takes 1.0): first where the
 * brokers are, then who coordinates the group, what it has committed, which partitions there are, and where these end.
 */
class Keda {
  readonly #client: TestClient;
  readonly #group: string;

  constructor(door: TestDoor, group = 'g') {
    this.#client = door.connect();
    this.#group = group;
  }

  /** Metadata 5: all topics when it connects; those that it wants to know of it asks the controller. */
  async metadata(topics: readonly string[] | null) {
    const named = topics === null ? null : topics.map((name) => ({ name }));
    return this.#client.ask(metadata, 5, { topics: named, allowAutoTopicCreation: topics === null });
  }

  /** FindCoordinator 1. */
  async coordinator() {
    return this.#client.ask(findCoordinator, 1, { key: this.#group, keyType: 0 });
  }

  /** OffsetFetch 3: of all topics of the group, or of these partitions. By "topic-partition", offset and error. */
  async committed(topics: readonly { name: string; partitionIndexes: number[] }[] | null) {
    const answer = await this.#client.ask(offsetFetch, 3, { groupId: this.#group, topics });
    if (answer.errorCode !== 0) throw new Error(`error ${answer.errorCode}`);
    const blocks = answer.topics.flatMap(({ name, partitions }) =>
      partitions.map((one) => [`${name}-${one.partitionIndex}`, [one.committedOffset, one.errorCode]] as const),
    );
    return Object.fromEntries(blocks);
  }

  /** ListOffsets 1, of a leader for all that it leads. By partition, offset and error. */
  async ends(name: string, partitions: readonly number[]) {
    const asked = partitions.map((partitionIndex) => ({ partitionIndex, timestamp: -1 }));
    const { topics } = await this.#client.ask(listOffsets, 1, { replicaId: -1, topics: [{ name, partitions: asked }] });
    const blocks = topics[0]!.partitions.map((one) => [one.partitionIndex, [one.offset, one.errorCode]] as const);
    return Object.fromEntries(blocks);
  }
}

/** Three partitions of "orders", of which broker 1 leads two; ten records in the first, of which "g" has read four. */
async function world(): Promise<TestDoor> {
  const partitions = [
    { leader: 1, epoch: 0 },
    { leader: 1, epoch: 0 },
    { leader: 2, epoch: 0, replicas: [2] },
  ];
  const door = await doorOfGroups({ topic: { partitions } });
  door.broker.partition(0).append(batchOf(10), 0, new TestWaiter(), 0, 'all');
  await door.settle();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  expect(await consumer.commit(door, 4)).toBe(0);
  return door;
}

test('its versions are served, and no higher one is the least', async () => {
  const door = await world();
  const { apiKeys } = await door.connect().ask(apiVersions, 3, { clientSoftwareName: 'sarama' });
  const served = new Map(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]));
  for (const [api, version] of [
    [metadata, 5],
    [findCoordinator, 1],
    [offsetFetch, 3],
    [listOffsets, 1],
  ] as const) {
    const [least, most] = served.get(api.key)!;
    expect(least).toBeLessThanOrEqual(version);
    expect(most).toBeGreaterThanOrEqual(version);
  }
});

test('the controller that it sends to is a broker that is listed', async () => {
  const { brokers, controllerId } = await new Keda(await world()).metadata(null);
  expect(brokers.map(({ nodeId }) => nodeId)).toContain(controllerId);
});

test('a topic is found with its partitions, each with its leader', async () => {
  const { topics } = await new Keda(await world()).metadata(['orders']);
  expect(topics).toMatchObject([{ errorCode: 0, name: 'orders' }]);
  const led = topics[0]!.partitions.map(({ partitionIndex, leaderId }) => [partitionIndex, leaderId]);
  expect(led.toSorted(([a], [b]) => a! - b!)).toEqual([
    [0, 1],
    [1, 1],
    [2, 2],
  ]);
});

test('a topic that is not there is told to be unknown, and not created', async () => {
  const door = await world();
  const { topics } = await new Keda(door).metadata(['bills']);
  expect(topics).toMatchObject([{ errorCode: 3, name: 'bills', partitions: [] }]);
  expect(door.coordinator.calls).toEqual([]);
});

test('the coordinator of the group is a broker that it can reach', async () => {
  const found = await new Keda(await world()).coordinator();
  expect(found).toMatchObject({ errorCode: 0, nodeId: 1, host: 'broker-1', port: 9092 });
});

test('without a topic it is told all that the group has committed', async () => {
  expect(await new Keda(await world()).committed(null)).toEqual({ 'orders-0': [4, 0] });
});

test('each partition that it asks for has a block, with -1 where nothing is committed', async () => {
  const keda = new Keda(await world());
  expect(await keda.committed([{ name: 'orders', partitionIndexes: [0, 1, 2] }])).toEqual({
    'orders-0': [4, 0],
    'orders-1': [-1, 0],
    'orders-2': [-1, 0],
  });
});

test('of a group that nobody has heard of there is nothing, and -1 in each partition', async () => {
  const keda = new Keda(await world(), 'new');
  expect(await keda.committed(null)).toEqual({});
  expect(await keda.committed([{ name: 'orders', partitionIndexes: [0, 1] }])).toEqual({
    'orders-0': [-1, 0],
    'orders-1': [-1, 0],
  });
});

test('a leader tells where its partitions end, of which the lag is what lies above the committed offset', async () => {
  const keda = new Keda(await world());
  const ends = await keda.ends('orders', [0, 1]);
  expect(ends).toEqual({ 0: [10, 0], 1: [0, 0] });
  expect(await keda.committed([{ name: 'orders', partitionIndexes: [0] }])).toEqual({ 'orders-0': [4, 0] });
  // It asks somebody else where it is told so.
  expect(await keda.ends('orders', [2])).toEqual({ 2: [-1, 6] });
});
