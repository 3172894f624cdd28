import { expect, test } from 'vitest';
import { WeirError } from '@weir/base/errors.ts';
import type { RequestToSend, ResponseOf } from '@weir/kafka/api.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import { BrokerState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { changesOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import type { TestClient } from './test-client.ts';
import { brokerOf, microtasks, NO_SUCH_ID_BYTES, OTHER_ID_BYTES, otherTopic, TestDoor } from './test-door.ts';

type Request = RequestToSend<typeof metadata>;
type Response = ResponseOf<typeof metadata>;

const VERSIONS = Array.from({ length: 14 }, (_, version) => version);
const LED = { partitions: [{ leader: 1, epoch: 4 }] };

async function setUp(options: Parameters<typeof TestDoor.open>[0] = {}) {
  const door = await TestDoor.open(options);
  return { door, client: door.connect() };
}

const named = (...names: string[]): Request => ({
  topics: names.map((name) => ({ name })),
  allowAutoTopicCreation: false,
});
const byId = (...ids: Uint8Array[]): Request => ({
  topics: ids.map((topicId) => ({ topicId, name: null })),
  allowAutoTopicCreation: false,
});
/** Each topic as [name, error]. */
const outcomes = ({ topics }: Response): [string | null, number][] =>
  topics.map(({ name, errorCode }) => [name, errorCode]);
const ask = (client: TestClient, request: Request, version = 12): Promise<Response> =>
  client.ask(metadata, version, request);

test('all topics are told, with leaders, replicas and ids', async () => {
  const { door, client } = await setUp({
    topic: { partitions: [{ leader: 1, epoch: 4, replicas: [1, 2], isr: [1, 2] }] },
  });
  door.apply(...otherTopic(LED));
  for (const version of VERSIONS) {
    const { topics } = await ask(client, { topics: version === 0 ? [] : null }, version);
    expect(new Set(topics.map(({ name }) => name))).toEqual(new Set(['orders', 'other']));
    expect(topics.find(({ name }) => name === 'orders')).toMatchObject({
      errorCode: 0,
      topicId: version < 10 ? NO_UUID : Buffer.from(TOPIC_ID_BYTES),
      isInternal: false,
      partitions: [
        {
          errorCode: 0,
          partitionIndex: 0,
          leaderId: 1,
          leaderEpoch: version < 7 ? -1 : 4,
          replicaNodes: [1, 2],
          isrNodes: [1, 2],
          offlineReplicas: [],
        },
      ],
    });
  }
});

test('an empty list asks for no topic, but for all of them in version 0', async () => {
  const { client } = await setUp();
  expect((await ask(client, named(), 0)).topics).toHaveLength(1);
  expect((await ask(client, named(), 1)).topics).toEqual([]);
  expect((await ask(client, named(), 13)).topics).toEqual([]);
});

test('brokers are told by the listener that the client came by, and one of them stands for the controller', async () => {
  const { door, client } = await setUp();
  door.apply(
    brokerOf({ id: 9, kafkaAddress: 'default=broker-9:9092' }),
    brokerOf({ id: 3, kafkaAddress: 'default=[fe80::1]:9092' }),
    brokerOf({ id: 4, kafkaAddress: 'default=gone:9092', state: BrokerState.FENCED }),
    brokerOf({ id: 5, kafkaAddress: '' }),
  );
  const inside = await ask(client, named(), 9);
  expect(inside.brokers).toEqual([
    { nodeId: 1, host: 'broker-1', port: 9092, rack: 'a' },
    { nodeId: 2, host: 'broker-2', port: 9092, rack: null },
    { nodeId: 3, host: 'fe80::1', port: 9092, rack: null },
    { nodeId: 9, host: 'broker-9', port: 9092, rack: null },
  ]);
  expect([inside.controllerId, inside.clusterId]).toEqual([1, 'test-cluster']);
  const outside = await ask(door.connect({ port: 9093 }), named(), 9);
  expect(outside.brokers.map(({ nodeId, host, port }) => [nodeId, host, port])).toEqual([
    [1, 'one.example', 19_092],
    [2, 'two.example', 19_092],
  ]);
  door.apply(brokerOf({ id: 1, kafkaAddress: 'default=broker-1:9092', state: BrokerState.FENCED }));
  expect((await ask(client, named(), 9)).controllerId).toBe(2);
});

test('topics are found by name or by id, each with its own error in the order of the request', async () => {
  const { door, client } = await setUp();
  door.apply(...otherTopic(LED));
  expect(outcomes(await ask(client, named('other', 'nothing', 'orders', 'other')))).toEqual([
    ['other', 0],
    ['nothing', 3],
    ['orders', 0],
  ]);
  const found = await ask(client, byId(OTHER_ID_BYTES, NO_SUCH_ID_BYTES, TOPIC_ID_BYTES));
  expect(outcomes(found)).toEqual([
    ['other', 0],
    [null, 100],
    ['orders', 0],
  ]);
  expect(found.topics[1]!.topicId).toEqual(Buffer.from(NO_SUCH_ID_BYTES));
  expect(door.coordinator.calls).toEqual([]);
});

test('a name that no topic may have is refused, and nobody is asked to create it', async () => {
  const { door, client } = await setUp();
  const request = { ...named('a b', '..', 'x'.repeat(250), ''), allowAutoTopicCreation: true };
  expect(outcomes(await ask(client, request)).map(([, error]) => error)).toEqual([17, 17, 17, 17]);
  expect(outcomes(await ask(client, named('a b'))).map(([, error]) => error)).toEqual([17]);
  expect(door.coordinator.calls).toEqual([]);
});

test('partitions without a leader say so, and replicas on brokers that are away are told', async () => {
  const { door, client } = await setUp({
    topic: {
      partitions: [
        { leader: -1, epoch: 2, replicas: [2, 7] },
        { leader: 1, epoch: 0, replicas: [1, 2], isr: [1, 2] },
      ],
    },
  });
  door.apply(brokerOf({ id: 2, kafkaAddress: 'default=broker-2:9092', state: BrokerState.FENCED }));
  const { topics } = await ask(client, named('orders'));
  expect(topics[0]).toMatchObject({ errorCode: 0 });
  expect(topics[0]!.partitions).toMatchObject([
    { errorCode: 5, leaderId: -1, offlineReplicas: [2, 7] },
    { errorCode: 0, leaderId: 1, offlineReplicas: [2] },
  ]);
});

test("topics that brokers write for themselves are marked as the cluster's own", async () => {
  const { door, client } = await setUp();
  door.apply(...changesOf(LED, OTHER_ID_BYTES, '__consumer_offsets'));
  const { topics } = await ask(client, named('__consumer_offsets', 'orders'));
  expect(topics.map(({ isInternal }) => isInternal)).toEqual([true, false]);
});

test('a topic that is not there is created when the client lets it, and told once this broker knows it', async () => {
  const { door, client } = await setUp();
  const other = changesOf(LED, OTHER_ID_BYTES, 'other');
  door.coordinator.answer = (_method, { topics }) => ({
    results: topics.map(({ name }: { name: string }) => ({
      name,
      code: 'NONE',
      message: '',
      revision: BigInt(door.revision + 1),
    })),
  });
  client.send(metadata, 12, { ...named('other', 'orders', 'other'), allowAutoTopicCreation: true });
  await door.settle();
  await door.pass(50);
  expect(client.take()).toEqual([]);
  door.apply(...other);
  await door.settle();
  // Its partition is taken up, then that is seen.
  await door.pass(2);
  await door.pass(2);
  const [answer] = client.take();
  expect(outcomes(answer!.response as Response)).toEqual([
    ['other', 0],
    ['orders', 0],
  ]);
  expect(door.coordinator.calls).toMatchObject([
    { method: 'CreateTopics', request: { topics: [{ name: 'other' }], autoCreate: true } },
  ]);
});

test('a client that cannot say whether topics may be created is taken to want it, as in Kafka', async () => {
  const { door, client } = await setUp();
  await ask(client, { topics: [{ name: 'new' }] }, 3);
  await ask(client, named('new'), 4);
  expect(door.coordinator.calls).toHaveLength(1);
});

test('a topic that was created and is not known here yet is to be asked for again', async () => {
  const { door, client } = await setUp();
  for (const code of ['NONE', 'TOPIC_ALREADY_EXISTS']) {
    door.coordinator.answer = () => ({ results: [{ name: 'new', code, message: '', revision: 1_000n }] });
    client.send(metadata, 12, { ...named('new'), allowAutoTopicCreation: true });
    await door.settle();
    expect(client.take()).toEqual([]);
    // It does not wait for ever.
    await door.pass(5_000);
    await microtasks();
    await door.settle();
    expect(outcomes(client.take()[0]!.response as Response)).toEqual([['new', 5]]);
  }
});

test('why a topic is not created is told: not allowed, or nobody there to ask', async () => {
  const { door, client } = await setUp();
  const request = { ...named('new', 'orders'), allowAutoTopicCreation: true };
  for (const [answer, error] of [
    [() => ({ results: [{ name: 'new', code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'off', revision: 0n }] }), 3],
    [() => ({ results: [{ name: 'new', code: 'POLICY_VIOLATION', message: '', revision: 0n }] }), 44],
    [() => ({ results: [{ name: 'new', code: 'OF_A_LATER_VERSION', message: '', revision: 0n }] }), -1],
    [
      () => {
        throw new WeirError('COORDINATOR_UNAVAILABLE', 'away');
      },
      5,
    ],
  ] as const) {
    door.coordinator.answer = answer;
    expect(outcomes(await ask(client, request))).toEqual([
      ['new', error],
      ['orders', 0],
    ]);
  }
});

test('a bug while topics are created ends the connection, as every bug does', async () => {
  const { door, client } = await setUp();
  door.coordinator.answer = () => {
    throw new TypeError('a bug');
  };
  client.send(metadata, 12, { ...named('new'), allowAutoTopicCreation: true });
  await door.settle();
  expect([client.socket.isOver, door.server.ended.failed]).toEqual([true, 1]);
});

test('before the coordinator has told anything there is nobody and nothing', async () => {
  const door = await TestDoor.open({ isToldNothing: true });
  const response = await ask(door.connect(), { topics: null }, 9);
  expect(response).toMatchObject({ brokers: [], controllerId: -1, topics: [] });
});
