import { expect, test } from 'vitest';
import {
  KAFKA_ANSWER_BYTES_QUEUED_MAX,
  KAFKA_IDLE_MS,
  KAFKA_SMALL_REQUEST_BYTES,
  KAFKA_STALL_MS,
  KAFKA_SWEEP_MS,
} from '@weir/base/limits.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { on } from './exchange.ts';
import type { Exchange, Handler } from './exchange.ts';
import type { TestClient } from './test-client.ts';
import { TestDoor, topicData } from './test-door.ts';

const NO_FETCH = { maxWaitMs: 0, minBytes: 0, isolationLevel: 0, topics: [] };

/** A door behind which the test itself answers Fetch. */
async function setUp() {
  const fetches: Exchange<typeof fetch>[] = [];
  const handlers = new Map<number, Handler>([
    [fetch.key, on(fetch, (exchange) => void fetches.push(exchange))],
    [produce.key, on(produce, () => {})],
  ]);
  const door = await TestDoor.open({ handlers });
  return { door, client: door.connect(), fetches };
}

const askFetch = (client: TestClient): number => client.send(fetch, 11, NO_FETCH);
const answerFetch = (exchange: Exchange<typeof fetch>, records: readonly Uint8Array[] = []): void =>
  exchange.answer({
    throttleTimeMs: 0,
    responses: [
      {
        topic: 'orders',
        partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 1, abortedTransactions: null, records }],
      },
    ],
  });
const numbers = (client: TestClient): number[] => client.take().map(({ correlationId }) => correlationId);

test('a reader that takes no answers has no further requests begun, and is ended after a while', async () => {
  const { door, client, fetches } = await setUp();
  client.socket.isStuck = true;
  askFetch(client);
  askFetch(client);
  await door.settle();
  answerFetch(fetches[0]!, [Buffer.alloc(KAFKA_ANSWER_BYTES_QUEUED_MAX)]);
  await door.settle();
  expect(fetches).toHaveLength(1);
  // Nor is anything read.
  askFetch(client);
  await door.settle();
  expect(client.socket.paused).toBe(true);
  await door.pass(KAFKA_STALL_MS - 1);
  expect(client.socket.destroyed).toBe(false);
  await door.pass(1);
  expect([client.socket.destroyed, door.server.connections, door.server.ended.idle]).toEqual([true, 0, 1]);
  expect(door.logged.join()).toContain('it does not take its answers');
});

test('a reader that was slow and takes its answers after all goes on', async () => {
  const { door, client, fetches } = await setUp();
  client.socket.isStuck = true;
  const asked = [askFetch(client), askFetch(client)];
  await door.settle();
  answerFetch(fetches[0]!, [Buffer.alloc(KAFKA_ANSWER_BYTES_QUEUED_MAX)]);
  await door.settle();
  await door.pass(KAFKA_STALL_MS - 1);
  client.socket.isStuck = false;
  await door.settle();
  expect(fetches).toHaveLength(2);
  answerFetch(fetches[1]!);
  await door.pass(KAFKA_STALL_MS - 1);
  expect(numbers(client)).toEqual(asked);
  expect(client.socket.destroyed).toBe(false);
});

test('a reader that has taken its answers is read from again, and is not idle since they were written', async () => {
  const { door, client, fetches } = await setUp();
  client.socket.isStuck = true;
  askFetch(client);
  await door.settle();
  answerFetch(fetches[0]!, [Buffer.alloc(KAFKA_ANSWER_BYTES_QUEUED_MAX)]);
  await door.settle();
  await door.pass(KAFKA_STALL_MS - 1);
  client.socket.isStuck = false;
  await door.pass(0);
  await door.pass(KAFKA_IDLE_MS - 1);
  expect(client.socket.destroyed).toBe(false);
  client.socket.isStuck = true;
  askFetch(client);
  await door.settle();
  answerFetch(fetches[1]!, [Buffer.alloc(KAFKA_ANSWER_BYTES_QUEUED_MAX)]);
  await door.settle();
  askFetch(client);
  await door.settle();
  expect([fetches.length, client.socket.paused]).toEqual([2, true]);
  client.socket.isStuck = false;
  await door.settle();
  expect([fetches.length, client.socket.paused]).toEqual([3, false]);
});

test('a reader that takes a large answer slowly is not ended, however long that takes, until it takes nothing', async () => {
  const { door, client, fetches } = await setUp();
  client.socket.isStuck = true;
  askFetch(client);
  await door.settle();
  answerFetch(fetches[0]!, [Buffer.alloc(4 * KAFKA_ANSWER_BYTES_QUEUED_MAX)]);
  await door.settle();
  await door.pass(KAFKA_SWEEP_MS);
  for (let i = 0; i < 10; i++) {
    client.socket.trickle(100_000);
    await door.pass(KAFKA_STALL_MS - 1);
  }
  expect(client.socket.destroyed).toBe(false);
  await door.pass(KAFKA_STALL_MS - 1);
  expect(client.socket.destroyed).toBe(false);
  await door.pass(1);
  expect(client.socket.destroyed).toBe(true);
});

test('a request that begins and does not arrive ends the connection, and its memory is given back', async () => {
  const { door, client } = await setUp();
  const beginning = Buffer.alloc(80_000);
  beginning.writeInt32BE(90_000);
  client.socket.send(beginning);
  await door.settle();
  expect(door.server.frameBytes).toBeGreaterThan(0);
  await door.pass(KAFKA_STALL_MS - 1);
  expect(client.socket.destroyed).toBe(false);
  await door.pass(1);
  expect([client.socket.destroyed, door.server.frameBytes]).toEqual([true, 0]);
  expect(door.logged.join()).toContain('its request does not arrive');
});

test('who asks for nothing is ended after long, and who waits for an answer is not', async () => {
  const { door, client, fetches } = await setUp();
  const silent = door.connect();
  askFetch(client);
  await door.settle();
  await door.pass(KAFKA_IDLE_MS - 1);
  expect(silent.socket.destroyed).toBe(false);
  await door.pass(1);
  expect([silent.socket.destroyed, client.socket.destroyed]).toEqual([true, false]);
  answerFetch(fetches[0]!);
  await door.settle();
  expect(numbers(client)).toHaveLength(1);
  await door.pass(KAFKA_IDLE_MS);
  expect(client.socket.destroyed).toBe(true);
});

test('behind a request that waits, small ones are read, and a large one holds no memory until they are answered', async () => {
  const { door, client, fetches } = await setUp();
  const large = Buffer.alloc(2 * KAFKA_SMALL_REQUEST_BYTES, 1);
  const asked = [askFetch(client), askFetch(client)];
  const topics = [topicData([{ index: 0, records: [large] }])];
  client.send(produce, 9, { transactionalId: null, acks: 0, timeoutMs: 1_000, topicData: topics });
  await door.settle();
  expect([fetches.length, client.socket.paused]).toEqual([1, true]);
  expect(door.server.frameBytes).toBeLessThan(KAFKA_SMALL_REQUEST_BYTES);
  answerFetch(fetches[0]!);
  await door.settle();
  expect([fetches.length, client.socket.paused]).toEqual([2, true]);
  answerFetch(fetches[1]!);
  await door.settle();
  expect(numbers(client)).toEqual(asked);
  expect([client.socket.paused, client.socket.unread]).toEqual([false, 0]);
  expect(door.measured.get('Fetch')).toBe(2);
});
