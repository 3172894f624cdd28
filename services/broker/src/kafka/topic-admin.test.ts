import { expect, test } from 'vitest';
import { createPartitions } from '@weir/kafka/apis/create-partitions.ts';
import { createTopics } from '@weir/kafka/apis/create-topics.ts';
import { OTHER_ID_BYTES, otherTopic, TestDoor } from './test-door.ts';

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

test('a topic that a request has more than once is refused once, and the others are created and grown', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = (_method, { topics }) => ({
    results: topics.map(({ name }: { name: string }) => ({
      name,
      code: 'POLICY_VIOLATION',
      message: 'asked',
      revision: 0n,
    })),
  });
  const outcomes = (answers: readonly { name: string; errorCode: number; errorMessage: string | null }[]) =>
    answers.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage]);
  const expected = [
    ['twice', 42, 'the request has this topic more than once'],
    ['once', 44, 'asked'],
  ];
  const topics = [newTopic('twice'), newTopic('once'), newTopic('twice', { numPartitions: 1 })];
  for (const version of [2, 7]) {
    const created = await client.ask(createTopics, version, { ...SOON, validateOnly: false, topics });
    expect(outcomes(created.topics)).toEqual(expected);
  }
  const growths = topics.map(({ name, numPartitions }) => ({ name, count: numPartitions, assignments: null }));
  const grown = await client.ask(createPartitions, 3, { ...SOON, validateOnly: false, topics: growths });
  expect(outcomes(grown.results)).toEqual(expected);
  const asked = door.coordinator.calls.map(({ request }) => request.topics.map(({ name }: { name: string }) => name));
  expect(asked).toEqual([['once'], ['once'], ['once']]);
  // Nobody is asked about nothing.
  await client.ask(createPartitions, 3, { ...SOON, validateOnly: false, topics: [growths[0]!, growths[2]!] });
  expect(door.coordinator.calls).toHaveLength(3);
});
