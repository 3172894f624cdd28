import { expect, test } from 'vitest';
import { WeirError } from '@weir/base/errors.ts';
import { initProducerId } from '@weir/kafka/apis/init-producer-id.ts';
import type { TestClient } from './test-client.ts';
import { TestDoor } from './test-door.ts';

const NEW = { transactionalId: null, transactionTimeoutMs: 60_000 };

/** A coordinator that gives blocks of so many ids, each behind the last. */
async function setUp(count: number) {
  const door = await TestDoor.open();
  let next = 1_000;
  door.coordinator.answer = () => {
    next += count;
    return { firstId: BigInt(next - count), count };
  };
  return { door, client: door.connect() };
}

const take = (client: TestClient): [number, number][] =>
  client.take().map(({ response }) => [response.errorCode, response.producerId]);

test('every producer gets an id of its own in epoch 0, in every version', async () => {
  const { door, client } = await setUp(3);
  const ids: number[] = [];
  for (let version = 0; version <= 5; version++) {
    const response = await client.ask(initProducerId, version, NEW);
    expect(response).toMatchObject({ errorCode: 0, producerEpoch: 0 });
    ids.push(response.producerId);
  }
  expect(ids).toEqual([1_000, 1_001, 1_002, 1_003, 1_004, 1_005]);
  expect(door.coordinator.calls).toMatchObject([
    { method: 'AllocateProducerIds', request: { brokerId: 1, brokerEpoch: 7n } },
    { method: 'AllocateProducerIds' },
  ]);
});

test('who had an id and asks for the next epoch gets a new id', async () => {
  const { client } = await setUp(3);
  const { producerId } = await client.ask(initProducerId, 5, NEW);
  const again = await client.ask(initProducerId, 5, { ...NEW, producerId, producerEpoch: 0 });
  expect(again).toMatchObject({ errorCode: 0, producerId: producerId + 1, producerEpoch: 0 });
});

test('all who ask while a block is on its way share it, and ask for no more than they need', async () => {
  const { door } = await setUp(4);
  const answers: ((block: object) => void)[] = [];
  door.coordinator.answer = () => new Promise<object>((resolve) => answers.push(resolve));
  const clients = Array.from({ length: 6 }, () => door.connect());
  for (const client of clients) client.send(initProducerId, 4, NEW);
  await door.settle();
  expect(answers).toHaveLength(1);
  answers[0]!({ firstId: 100n, count: 4 });
  await door.settle();
  expect(answers).toHaveLength(2);
  answers[1]!({ firstId: 500n, count: 4 });
  await door.settle();
  const ids = clients.flatMap(take).map(([error, id]) => (error === 0 ? id : -error));
  expect(ids.toSorted((a, b) => a - b)).toEqual([100, 101, 102, 103, 500, 501]);
});

test('while the coordinator is away producers are told to try again, and the next one asks anew', async () => {
  const { door, client } = await setUp(2);
  const { answer } = door.coordinator;
  const other = door.connect();
  door.coordinator.answer = () => {
    throw new WeirError('COORDINATOR_UNAVAILABLE', 'away');
  };
  client.send(initProducerId, 4, NEW);
  other.send(initProducerId, 4, NEW);
  await door.settle();
  expect([take(client), take(other)]).toEqual([[[7, -1]], [[7, -1]]]);
  door.coordinator.answer = () => {
    throw new WeirError('STALE_BROKER_EPOCH', 'another one is registered');
  };
  expect(await client.ask(initProducerId, 4, NEW)).toMatchObject({ errorCode: 77, producerId: -1 });
  door.coordinator.answer = answer;
  expect(await client.ask(initProducerId, 4, NEW)).toMatchObject({ errorCode: 0, producerId: 1_000 });
});

test('transactional producers are refused, and nobody is asked for an id', async () => {
  const { door, client } = await setUp(2);
  expect(await client.ask(initProducerId, 5, { ...NEW, transactionalId: 't' })).toMatchObject({
    errorCode: 42,
    producerId: -1,
    producerEpoch: -1,
  });
  expect(door.coordinator.calls).toEqual([]);
});

test('who has an id without its epoch, or an epoch without an id, is refused, and nobody is asked for another', async () => {
  const { door, client } = await setUp(2);
  for (const [producerId, producerEpoch] of [
    [5, -1],
    [0, -1],
    [-2, -1],
    [-1, 3],
    [-1, 0],
    [-1, -2],
  ] as const) {
    for (const version of [3, 5]) {
      const response = await client.ask(initProducerId, version, { ...NEW, producerId, producerEpoch });
      expect(response).toMatchObject({ errorCode: 42, producerId: -1, producerEpoch: -1 });
    }
  }
  expect(door.coordinator.calls).toEqual([]);
});
