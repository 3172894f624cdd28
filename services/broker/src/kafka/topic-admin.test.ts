import { expect, test } from 'vitest';
import { createPartitions } from '@weir/kafka/apis/create-partitions.ts';
import { createTopics } from '@weir/kafka/apis/create-topics.ts';
import { deleteTopics } from '@weir/kafka/apis/delete-topics.ts';
import { TOPIC_ID_BYTES } from '../test-broker.ts';
import { NO_SUCH_ID_BYTES, OTHER_ID_BYTES, otherTopic, TestDoor } from './test-door.ts';

const SOON = { timeoutMs: 1_000 };

function newTopic(name: string, more: object = {}) {
  return { name, numPartitions: 3, replicationFactor: 1, assignments: [], configs: [], ...more };
}

test('topics are created by the coordinator, and answered once this broker knows them', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  const topic = { name: 'other', id: OTHER_ID_BYTES, partitionCount: 2, configs: { 'retention.ms': '5' } };
  door.coordinator.answer = () => ({
    results: [
      { name: 'other', code: 'NONE', message: '', topic, replicationFactor: 1, revision: BigInt(door.revision + 1) },
    ],
  });
  client.send(createTopics, 7, { ...SOON, validateOnly: false, topics: [newTopic('other')] });
  await door.settle();
  expect(client.take()).toEqual([]);
  door.apply(...otherTopic({ partitions: [{ leader: 2, epoch: 0 }] }));
  await door.pass(10);
  await door.pass(10);
  const [{ response }] = client.take() as unknown as [{ response: any }];
  expect(response.topics[0]).toMatchObject({ name: 'other', errorCode: 0, numPartitions: 2, replicationFactor: 1 });
  expect(Buffer.from(response.topics[0].topicId)).toEqual(Buffer.from(OTHER_ID_BYTES));
  expect(response.topics[0].configs.find(({ name }: { name: string }) => name === 'retention.ms')).toMatchObject({
    value: '5',
    configSource: 1,
  });
});

test('defaults, assignments and configs are passed on as they are meant', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = (_method, { topics }) => ({
    results: topics.map(({ name }: { name: string }) => ({
      name,
      code: 'TOPIC_ALREADY_EXISTS',
      message: `topic ${name} exists already`,
      replicationFactor: 0,
      revision: 0n,
    })),
  });
  const { topics } = await client.ask(createTopics, 5, {
    ...SOON,
    validateOnly: true,
    topics: [
      newTopic('a', { numPartitions: -1, replicationFactor: -1, configs: [{ name: 'flush', value: 'interval' }] }),
      newTopic('b', { numPartitions: -1, replicationFactor: -1, assignments: [{ partitionIndex: 0, brokerIds: [2] }] }),
    ],
  });
  expect(topics).toMatchObject([
    { name: 'a', errorCode: 36, errorMessage: 'topic a exists already', numPartitions: -1, configs: null },
    { name: 'b', errorCode: 36 },
  ]);
  expect(door.coordinator.calls[0]!.request).toMatchObject({
    validateOnly: true,
    topics: [
      { name: 'a', partitionCount: 0, replicationFactor: 0, configs: { flush: 'interval' } },
      { name: 'b', assignments: [{ partition: 0, brokerIds: [2] }] },
    ],
  });
});

test('counts that nobody can mean are refused here, each topic on its own', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  const { topics } = await client.ask(createTopics, 7, {
    ...SOON,
    validateOnly: false,
    topics: [
      newTopic('none', { numPartitions: 0 }),
      newTopic('few', { replicationFactor: 0 }),
      newTopic('null', { configs: [{ name: 'flush', value: null }] }),
      newTopic('both', { assignments: [{ partitionIndex: 0, brokerIds: [1] }] }),
      newTopic('away'),
    ],
  });
  // The last one is sound, and the coordinator is away.
  expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['none', 37],
    ['few', 38],
    ['null', 40],
    ['both', 42],
    ['away', 7],
  ]);
  expect(door.coordinator.calls).toHaveLength(1);
});

test('topics are deleted by name and by id', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = (_method, { topics }) => ({
    results: topics.map(({ name }: { name: string }) =>
      name === 'orders'
        ? { name, code: 'NONE', message: '', topicId: TOPIC_ID_BYTES, revision: 0n }
        : { name, code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'no', topicId: new Uint8Array(), revision: 0n },
    ),
  });
  const byName = await client.ask(deleteTopics, 5, { ...SOON, topicNames: ['orders', 'never-there'] });
  expect(byName.responses).toMatchObject([
    { name: 'orders', errorCode: 0, errorMessage: null },
    { name: 'never-there', errorCode: 3, errorMessage: 'no' },
  ]);
  const none = new Uint8Array(16);
  const { responses } = await client.ask(deleteTopics, 6, {
    ...SOON,
    topics: [
      { name: null, topicId: TOPIC_ID_BYTES },
      { name: null, topicId: NO_SUCH_ID_BYTES },
      { name: 'never-there', topicId: none },
    ],
  });
  expect(responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['orders', 0],
    [null, 100],
    ['never-there', 3],
  ]);
  expect(Buffer.from(responses[0]!.topicId)).toEqual(Buffer.from(TOPIC_ID_BYTES));
  expect(door.coordinator.calls.at(-1)!.request.topics).toMatchObject([
    { name: 'orders', id: Buffer.from(TOPIC_ID_BYTES) },
    { name: 'never-there' },
  ]);
});

test('a topic to delete that is named twice, or both by name and id, or not at all, is refused, and deletes nothing', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = () => ({ results: [] });
  const byName = await client.ask(deleteTopics, 5, { ...SOON, topicNames: ['orders', 'orders'] });
  expect(byName.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['orders', 42],
    ['orders', 42],
  ]);
  const none = new Uint8Array(16);
  const codes = async (...topics: { name: string | null; topicId: Uint8Array }[]): Promise<number[]> => {
    const { responses } = await client.ask(deleteTopics, 6, { ...SOON, topics });
    return responses.map(({ errorCode }) => errorCode);
  };
  expect(await codes({ name: 'orders', topicId: none }, { name: null, topicId: TOPIC_ID_BYTES })).toEqual([42, 42]);
  expect(await codes({ name: 'orders', topicId: TOPIC_ID_BYTES })).toEqual([42]);
  expect(await codes({ name: null, topicId: none })).toEqual([42]);
  expect(door.coordinator.calls).toEqual([]);
});

test('partitions are added, or it is said why not', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  const request = {
    ...SOON,
    validateOnly: false,
    topics: [
      { name: 'orders', count: 4, assignments: [{ brokerIds: [2] }] },
      { name: 'other', count: 1, assignments: null },
    ],
  };
  expect((await client.ask(createPartitions, 3, request)).results.map(({ errorCode }) => errorCode)).toEqual([7, 7]);
  door.coordinator.answer = () => ({
    results: [
      { name: 'orders', code: 'NONE', message: '', revision: BigInt(door.revision) },
      { name: 'other', code: 'INVALID_PARTITIONS', message: 'it has 2 already', revision: 0n },
    ],
  });
  expect((await client.ask(createPartitions, 0, request)).results).toMatchObject([
    { name: 'orders', errorCode: 0, errorMessage: null },
    { name: 'other', errorCode: 37, errorMessage: 'it has 2 already' },
  ]);
  expect(door.coordinator.calls.at(-1)!.request.topics).toMatchObject([
    { name: 'orders', totalCount: 4, assignments: [{ brokerIds: [2] }] },
    { name: 'other', totalCount: 1, assignments: [] },
  ]);
});
