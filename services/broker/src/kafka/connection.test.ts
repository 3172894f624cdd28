import { expect, test, vi } from 'vitest';
import { SLAB_BYTES } from '@weir/base/limits.ts';
import {
  KAFKA_CONNECTIONS_PER_ADDRESS_MAX,
  KAFKA_IN_FLIGHT_BYTES_MAX,
  KAFKA_REQUESTS_IN_FLIGHT_MAX,
} from '@weir/base/limits.ts';
import { apiVersions } from '@weir/kafka/apis/api-versions.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { on, onPipelined } from './exchange.ts';
import type { Exchange, Handler } from './exchange.ts';
import type { TestClient } from './test-client.ts';
import { microtasks, TestDoor, topicData } from './test-door.ts';

const NO_DATA = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData: [] };
const NO_FETCH = { maxWaitMs: 0, minBytes: 0, isolationLevel: 0, topics: [] };
/** Version 9 of it, with a body that nobody here can read. */
const UNKNOWN_API_VERSIONS = Buffer.from('001200090000007b00046c61746500', 'hex');
const NONE = { responses: [], throttleTimeMs: 0 };

/** A door behind which the test itself answers: Produce (pipelined), Fetch and ApiVersions. */
async function setUp(options: { frameBytesMax?: number } = {}) {
  const produces: Exchange<typeof produce>[] = [];
  const fetches: Exchange<typeof fetch>[] = [];
  const gate = { admits: true, room: Number.POSITIVE_INFINITY };
  const handlers = new Map<number, Handler>();
  const all = [
    onPipelined(
      produce,
      (exchange) => {
        produces.push(exchange);
        gate.room--;
      },
      () => gate.admits && gate.room > 0,
    ),
    on(fetch, (exchange) => void fetches.push(exchange)),
    on(apiVersions, (exchange) => exchange.answer({ errorCode: 0, apiKeys: [] })),
  ];
  for (const handler of all) handlers.set(handler.api.key, handler);
  const door = await TestDoor.open({ ...options, handlers });
  const client = door.connect();
  return { door, client, produces, fetches, gate };
}

const askProduce = (client: TestClient, bytes = 0): number =>
  client.send(produce, 9, { ...NO_DATA, topicData: [topicData([{ index: 0, records: [Buffer.alloc(bytes, 1)] }])] });
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

test('pipelined requests are all begun at once, and answered in their order whichever is done first', async () => {
  const { door, client, produces } = await setUp();
  const asked = [askProduce(client), askProduce(client), askProduce(client)];
  await door.settle();
  expect(produces).toHaveLength(3);
  produces[2]!.answer(NONE);
  produces[1]!.answer(NONE);
  await door.settle();
  expect(numbers(client)).toEqual([]);
  produces[0]!.answer(NONE);
  await door.settle();
  expect(numbers(client)).toEqual(asked);
  expect(door.measured.get('Produce')).toBe(3);
});

test('a request that is not pipelined waits for all before it, and those behind it wait for it', async () => {
  const { door, client, produces, fetches } = await setUp();
  const asked = [askProduce(client), askFetch(client), askFetch(client), askProduce(client)];
  await door.settle();
  expect([produces.length, fetches.length]).toEqual([1, 0]);
  produces[0]!.answer(NONE);
  await door.settle();
  expect([produces.length, fetches.length]).toEqual([1, 1]);
  answerFetch(fetches[0]!);
  await door.settle();
  expect([produces.length, fetches.length]).toEqual([1, 2]);
  answerFetch(fetches[1]!);
  await door.settle();
  expect([produces.length, fetches.length]).toEqual([2, 2]);
  produces[1]!.answer(NONE);
  await door.settle();
  expect(numbers(client)).toEqual(asked);
});

test('answers of one turn go out in one write', async () => {
  const { door, client, produces } = await setUp();
  for (let i = 0; i < 5; i++) askProduce(client);
  await door.settle();
  const write = vi.spyOn(client.socket, 'write');
  for (const exchange of produces) exchange.answer(NONE);
  await door.settle();
  expect(write).toHaveBeenCalledTimes(1);
  expect(numbers(client)).toHaveLength(5);
});

test('a request is answered once: what comes after the answer is nothing', async () => {
  const { door, client, produces } = await setUp();
  const asked = askProduce(client);
  await door.settle();
  produces[0]!.answer(NONE);
  produces[0]!.answer({ ...NONE, throttleTimeMs: 5 });
  produces[0]!.finish();
  await door.settle();
  expect(client.take()).toMatchObject([{ correlationId: asked, response: { throttleTimeMs: 0 } }]);
  produces[0]!.answer(NONE);
  await door.settle();
  expect(numbers(client)).toEqual([]);
});

test('a request that has no answer leaves nothing, and those behind it are answered', async () => {
  const { door, client, produces, fetches } = await setUp();
  askProduce(client);
  const second = askProduce(client);
  await door.settle();
  produces[1]!.answer(NONE);
  produces[0]!.finish();
  await door.settle();
  expect(numbers(client)).toEqual([second]);
  askProduce(client);
  askFetch(client);
  await door.settle();
  produces[2]!.finish();
  await door.settle();
  expect(fetches).toHaveLength(1);
});

test('so many requests may be in flight; then nothing is read until one is answered', async () => {
  const { door, client, produces } = await setUp();
  for (let i = 0; i < KAFKA_REQUESTS_IN_FLIGHT_MAX + 10; i++) askProduce(client);
  await door.settle();
  expect(produces).toHaveLength(KAFKA_REQUESTS_IN_FLIGHT_MAX);
  expect(client.socket.paused).toBe(true);
  produces[1]!.answer(NONE);
  await door.settle();
  expect(produces).toHaveLength(KAFKA_REQUESTS_IN_FLIGHT_MAX);
  produces[0]!.answer(NONE);
  await door.settle();
  expect(produces).toHaveLength(KAFKA_REQUESTS_IN_FLIGHT_MAX + 2);
  for (const exchange of produces) exchange.answer(NONE);
  await door.settle();
  for (const exchange of produces) exchange.answer(NONE);
  await door.settle();
  expect(numbers(client)).toHaveLength(KAFKA_REQUESTS_IN_FLIGHT_MAX + 10);
  expect([client.socket.paused, client.socket.unread]).toEqual([false, 0]);
});

test('so many bytes of requests may be in flight; then nothing is read until one is answered', async () => {
  const { door, client, produces } = await setUp();
  const bytes = KAFKA_IN_FLIGHT_BYTES_MAX / 4;
  for (let i = 0; i < 6; i++) askProduce(client, bytes);
  await door.settle();
  expect(produces).toHaveLength(4);
  expect(client.socket.paused).toBe(true);
  for (let i = 0; i < 6; i++) {
    produces[i]!.answer(NONE);
    await door.settle();
  }
  expect(numbers(client)).toHaveLength(6);
  expect(client.socket.unread).toBe(0);
});

test('memory that runs out for all connections pauses the next, and it goes on when there is some again', async () => {
  const { door, client, produces, gate } = await setUp({ frameBytesMax: 2 * SLAB_BYTES });
  const other = door.connect({ host: '10.0.0.2' });
  gate.admits = false;
  askProduce(client, 1.5 * SLAB_BYTES);
  await door.settle();
  askProduce(other, SLAB_BYTES);
  await door.settle();
  expect([client.socket.paused, other.socket.paused, produces.length]).toEqual([false, true, 0]);
  expect(door.server.frameBytes).toBeLessThanOrEqual(2 * SLAB_BYTES);
  gate.admits = true;
  door.server.resume();
  await door.settle();
  expect([other.socket.paused, produces.length, door.server.frameBytes]).toEqual([false, 2, 0]);
  expect(produces.map(({ request }) => request.topicData[0]!.partitionData[0]!.index)).toEqual([0, 0]);
});

test('a request that is not admitted waits, with those behind it, until the server says that there is room', async () => {
  const { door, client, produces, gate } = await setUp();
  gate.admits = false;
  const asked = [askProduce(client), askProduce(client)];
  await door.settle();
  expect(produces).toHaveLength(0);
  gate.admits = true;
  door.server.resume();
  expect(produces).toHaveLength(2);
  for (const exchange of produces) exchange.answer(NONE);
  await door.settle();
  expect(numbers(client)).toEqual(asked);
});

test('room that is not enough for all goes round, so that the oldest connection does not have it each time', async () => {
  const { door, produces, gate } = await setUp();
  const clients = [0, 1, 2].map((i) => door.connect({ host: `10.0.0.${2 + i}` }));
  const broken = door.connect();
  gate.room = 0;
  for (const client of clients) for (let i = 0; i < 4; i++) askProduce(client, 10);
  await door.settle();
  const resume = (room: number): number[] => {
    gate.room = room;
    door.server.resume();
    return produces.splice(0).map(({ caller }) => clients.findIndex(({ socket }) => socket.peer === caller.peer));
  };
  expect(resume(2)).toEqual([0, 0]);
  expect(resume(2)).toEqual([1, 1]);
  // What it has is less than there is room for: the next one has the rest.
  expect(resume(5)).toEqual([2, 2, 2, 2, 0]);
  expect(resume(1)).toEqual([1]);
  // Who is sent away as his request is begun does not come back to the end.
  broken.sendFrame(Buffer.from('000000090000007b000000', 'hex'));
  await door.settle();
  expect(door.server.connections).toBe(5);
  expect(resume(9)).toEqual([0, 1]);
  expect([door.server.connections, door.server.ended.refused_request]).toEqual([4, 1]);
});

test('a version of ApiVersions that is not served gets what is, in the oldest form', async () => {
  const { door, client } = await setUp();
  client.sendFrame(UNKNOWN_API_VERSIONS, { correlationId: 0x7b, api: apiVersions, version: 0 });
  await door.settle();
  const [answer] = client.take();
  expect(answer).toMatchObject({ correlationId: 0x7b, response: { errorCode: 35 } });
  expect(answer!.response.apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 });
  const request = { clientSoftwareName: 'a', clientSoftwareVersion: '1' };
  expect(await client.ask(apiVersions, 3, request)).toMatchObject({ errorCode: 0 });
});

test('that answer, too, goes out in its turn', async () => {
  const { door, client, produces, fetches } = await setUp();
  const first = [askProduce(client), askFetch(client)];
  client.sendFrame(UNKNOWN_API_VERSIONS, { correlationId: 0x7b, api: apiVersions, version: 0 });
  const last = askProduce(client);
  await door.settle();
  produces[0]!.answer(NONE);
  await door.settle();
  answerFetch(fetches[0]!);
  await door.settle();
  expect(numbers(client)).toEqual([...first, 0x7b]);
  produces[1]!.answer(NONE);
  await door.settle();
  expect(numbers(client)).toEqual([last]);
});

test('an API or a version that is not served ends the connection, and says so', async () => {
  const { door } = await setUp();
  for (const [ask, said] of [
    [(client: TestClient) => client.send(findCoordinator, 1, { key: 'g' }), 'API key 10'],
    [(client: TestClient) => client.sendFrame(Buffer.from('000000020000000100000000', 'hex')), 'Produce v2'],
    [(client: TestClient) => client.sendFrame(Buffer.from('0000000e0000000100000000', 'hex')), 'Produce v14'],
    [(client: TestClient) => client.sendFrame(Buffer.from('ffffffff0000000100000000', 'hex')), 'API key -1'],
  ] as const) {
    const client = door.connect();
    ask(client);
    await door.settle();
    expect(client.socket.isOver).toBe(true);
    expect(door.logged.at(-1)).toBe(
      `warn: ended the connection of a Kafka client: it asks for ${said}, which is not served`,
    );
  }
  expect([door.server.ended.refused_request, door.server.connections, door.server.frameBytes]).toEqual([4, 1, 0]);
});

test('bytes that are no message end the connection with a reason, and the requests before them are let go', async () => {
  const { door, client, produces } = await setUp();
  const gone = vi.fn<() => void>();
  askProduce(client);
  await door.settle();
  produces[0]!.onGone = gone;
  // An array of 2^31 topics; then a client's name that is longer than the request.
  for (const hex of ['000000030000000100000000ffff0000000a7fffffff', '00120000000000010005']) {
    const other = door.connect();
    other.sendFrame(Buffer.from(hex, 'hex'));
    await door.settle();
    expect(other.socket.isOver).toBe(true);
    expect(door.logged.at(-1)).toMatch(/warn: ended the connection of a Kafka client: (Produce v3|ApiVersions v0): /);
  }
  client.sendFrame(Buffer.alloc(20));
  await door.settle();
  expect([client.socket.isOver, gone.mock.calls.length]).toEqual([true, 1]);
  const browser = door.connect();
  browser.socket.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  await door.settle();
  expect(door.logged.at(-1)).toContain('this one says 1195725856');
  expect([door.server.ended.failed, door.server.connections, await door.leakedBytes()]).toEqual([0, 0, 0]);
});

test('a handler that throws or rejects ends its connection, is logged as an error, and harms no other', async () => {
  for (const handle of [
    (): void => {
      throw new Error('a bug');
    },
    async (): Promise<void> => {
      await Promise.resolve();
      throw new Error('a bug');
    },
  ]) {
    const handlers = new Map<number, Handler>([
      [produce.key, onPipelined(produce, handle, () => true)],
      [fetch.key, on(fetch, handle)],
      [apiVersions.key, on(apiVersions, (exchange) => exchange.answer({ errorCode: 0, apiKeys: [] }))],
    ]);
    const door = await TestDoor.open({ handlers });
    const [producer, reader, other] = [door.connect(), door.connect(), door.connect()];
    askProduce(producer);
    askFetch(reader);
    await door.settle();
    expect([producer.socket.isOver, reader.socket.isOver]).toEqual([true, true]);
    expect(door.logged.filter((line) => line.startsWith('error: '))).toEqual([
      'error: a Kafka request could not be answered: Produce v9 of 10.0.0.1:40000 failed: a bug',
      'error: a Kafka request could not be answered: Fetch v11 of 10.0.0.1:40000 failed: a bug',
    ]);
    expect(await other.ask(apiVersions, 0, {})).toMatchObject({ errorCode: 0 });
    expect([door.server.ended.failed, door.server.frameBytes, await door.leakedBytes()]).toEqual([2, 0, 0]);
  }
});

test('who hangs up while requests are under way is forgotten, and late answers go nowhere', async () => {
  const { door, client, produces, fetches } = await setUp();
  const gone = vi.fn<() => void>();
  askProduce(client, 100_000);
  askProduce(client, 100_000);
  askFetch(client);
  await door.settle();
  for (const exchange of produces) exchange.onGone = gone;
  produces[1]!.answer(NONE);
  client.leave();
  await door.settle();
  // The one that is answered has nothing to be told.
  expect([gone.mock.calls.length, fetches.length, door.server.connections]).toEqual([1, 0, 0]);
  const piece = door.broker.slabs.allocate(1_000);
  produces[0]!.answer(NONE);
  produces[0]!.finish();
  produces[0]!.hangUp('too late');
  door.broker.slabs.release(piece);
  await microtasks();
  expect([door.server.frameBytes, door.server.ended.refused_request, await door.leakedBytes()]).toEqual([0, 0, 0]);
});

test('payload in an answer is held until the client has it, and no longer', async () => {
  const { door, client, fetches } = await setUp();
  askFetch(client);
  await door.settle();
  client.socket.isStuck = true;
  const { slabs } = door.broker;
  const payload = slabs.allocate(10_000);
  payload.fill(7);
  answerFetch(fetches[0]!, [payload]);
  slabs.release(payload);
  await door.settle();
  expect(slabs.usedBytes).toBeGreaterThan(0);
  client.socket.isStuck = false;
  await door.settle();
  // It would be overwritten by now, had it been let go too early.
  const { responses } = client.take()[0]!.response;
  expect(responses[0].partitions[0].records.equals(Buffer.alloc(10_000, 7))).toBe(true);
  expect(slabs.usedBytes).toBe(0);
  // And who leaves before it is sent does not keep it.
  askFetch(client);
  await door.settle();
  const other = slabs.allocate(10_000);
  answerFetch(fetches[1]!, [other]);
  slabs.release(other);
  client.leave();
  await door.settle();
  expect(await door.leakedBytes()).toBe(0);
});

test('more connections than one address may have are refused, and others are not', async () => {
  const { door } = await setUp();
  for (let i = 1; i < KAFKA_CONNECTIONS_PER_ADDRESS_MAX; i++) door.connect();
  const refused = door.connect();
  const other = door.connect({ host: '10.0.0.2' });
  expect([refused.socket.destroyed, other.socket.destroyed, door.server.ended.too_many]).toEqual([true, false, 1]);
  expect(door.logged.at(-1)).toContain('no more connections are taken');
  other.leave();
  await door.settle();
  expect(door.server.connections).toBe(KAFKA_CONNECTIONS_PER_ADDRESS_MAX);
});

test('a place of an address is free again when a connection of it ends', async () => {
  const { door, client } = await setUp();
  const all = [client];
  while (all.length < KAFKA_CONNECTIONS_PER_ADDRESS_MAX) all.push(door.connect());
  all[5]!.leave();
  await door.settle();
  expect(door.connect().socket.destroyed).toBe(false);
  expect(door.connect().socket.destroyed).toBe(true);
});

test('closing ends idle connections at once, busy ones when they are answered or when the time is up', async () => {
  const { door, client, produces } = await setUp();
  const [idle, never] = [door.connect(), door.connect()];
  askProduce(client);
  askProduce(never);
  await door.settle();
  let isClosed = false;
  const closing = door.server.close(1_000).then(() => (isClosed = true));
  await door.settle();
  expect([idle, client, never].map(({ socket }) => socket.isOver)).toEqual([true, false, false]);
  expect(door.connect().socket.destroyed).toBe(true);
  produces[0]!.answer(NONE);
  await door.settle();
  await door.pass(10);
  expect(numbers(client)).toHaveLength(1);
  expect([client.socket.isOver, never.socket.isOver, isClosed]).toEqual([true, false, false]);
  await door.pass(1_000);
  await closing;
  await door.settle();
  expect([never.socket.isOver, door.server.connections]).toEqual([true, 0]);
});
