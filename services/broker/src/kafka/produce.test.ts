import { expect, test } from 'vitest';
import { KAFKA_SWEEP_MS, MESSAGE_BYTES_MAX, SLAB_BYTES } from '@weir/base/limits.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import type { RequestToSend } from '@weir/kafka/api.ts';
import { asProducers } from '@weir/log/test-kit.ts';
import { BATCH_CRC_FROM, writeCrc } from '@weir/records/batch-header.ts';
import { BatchBuilder, singleRecordBatchBytes } from '@weir/records/batch-builder.ts';
import { crc32c } from '@weir/records/crc32c.ts';
import { batchOf, changesOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import type { TestTopic } from '../test-broker.ts';
import type { TestClient } from './test-client.ts';
import { NO_SUCH_ID_BYTES, OTHER_ID_BYTES, otherTopic, TestDoor, topicData } from './test-door.ts';
import type { TestDoorOptions } from './test-door.ts';

type Request = RequestToSend<typeof produce>;
type Asked = Partial<Request>;

async function setUp(options: TestDoorOptions = {}) {
  const door = await TestDoor.open(options);
  return { door, client: door.connect() };
}

/** A request for the topic's first partition, unless it is said otherwise. */
function requestOf(records: Buffer | null, asked: Asked = {}): Request {
  const topics = [topicData([{ index: 0, records: records === null ? null : [records] }])];
  return { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData: topics, ...asked };
}

/** Each partition's outcome in the order of the request: its base offset, or "error N". */
async function send(client: TestClient, request: Request, version = 9): Promise<(number | string)[]> {
  const { responses } = await client.ask(produce, version, request);
  return responses.flatMap(({ partitionResponses }) =>
    partitionResponses.map(({ errorCode, baseOffset }) => (errorCode === 0 ? baseOffset : `error ${errorCode}`)),
  );
}

/** The error of the only partition of each answer that came since. */
function codesOf(client: TestClient): number[] {
  return client.take().map(({ response }) => response.responses[0].partitionResponses[0].errorCode as number);
}

function withBrokenCrc(batch: Buffer): Buffer {
  batch[batch.length - 1]! ^= 1;
  return batch;
}

function twoPartitions(): TestTopic {
  return { partitions: [0, 1].map(() => ({ leader: 1, epoch: 0 })) };
}

/** A batch with a byte changed and its CRC as it should be. */
function patched(batch: Buffer, at: number, value: number): Buffer {
  batch[at] = value;
  writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
  return batch;
}

/** A batch of one record that takes exactly so much. */
function batchOfBytes(bytes: number): Buffer {
  const builder = new BatchBuilder({ maxBytes: 2 * bytes });
  const value = Buffer.alloc(bytes - 100);
  const left = bytes - singleRecordBatchBytes({ key: null, value });
  builder.append({ key: null, value: Buffer.alloc(value.length + left), timestampMs: 1 });
  return builder.build();
}

function zstdBatch(): Buffer {
  const builder = new BatchBuilder({ maxBytes: 100_000, compression: 'zstd' });
  builder.append({ key: null, value: Buffer.alloc(10_000), timestampMs: 1 });
  return builder.build();
}

test('batches get their offsets, by name in older versions and by id in version 13', async () => {
  const { client } = await setUp();
  let next = 0;
  for (let version = 3; version <= 13; version++) {
    expect(await send(client, requestOf(batchOf(3)), version)).toEqual([next]);
    next += 3;
  }
  const response = await client.ask(produce, 13, requestOf(batchOf(1)));
  expect(response.responses[0]).toMatchObject({ name: '', topicId: Buffer.from(TOPIC_ID_BYTES) });
  expect(response.responses[0]!.partitionResponses[0]).toMatchObject({
    index: 0,
    logStartOffset: 0,
    logAppendTimeMs: -1,
  });
});

test('it is answered when it is durable, and not before', async () => {
  const { door, client } = await setUp();
  for (const acks of [-1, 1]) {
    client.send(produce, 9, requestOf(batchOf(1), { acks }));
    await door.settleWithoutDisk();
    expect(client.take()).toEqual([]);
    await door.settle();
    expect(client.take()).toHaveLength(1);
  }
});

test('what was sent is what is there, byte for byte but for offset and epoch', async () => {
  const { door, client } = await setUp();
  const batch = batchOf(2, 'hello');
  await send(client, requestOf(Buffer.from(batch)));
  const read = door.broker.partition().read(0 as never, 1_000);
  if (read.kind !== 'batches') throw new Error(read.kind);
  expect(Buffer.concat(read.buffers).subarray(17)).toEqual(batch.subarray(17));
});

test('topics and partitions that are not there have error 3, and ids that no topic has error 100', async () => {
  const { client } = await setUp();
  const records = [batchOf(1)];
  const of = (name: string, id: Uint8Array, index: number): Asked => ({
    topicData: [topicData([{ index, records }], name, id)],
  });
  expect(await send(client, requestOf(null, of('nothing', NO_SUCH_ID_BYTES, 0)))).toEqual(['error 3']);
  expect(await send(client, requestOf(null, of('orders', TOPIC_ID_BYTES, 1)))).toEqual(['error 3']);
  expect(await send(client, requestOf(null, of('orders', TOPIC_ID_BYTES, -1)))).toEqual(['error 3']);
  const { responses } = await client.ask(produce, 13, requestOf(null, of('nothing', NO_SUCH_ID_BYTES, 0)));
  expect(responses[0]).toMatchObject({
    topicId: Buffer.from(NO_SUCH_ID_BYTES),
    partitionResponses: [{ errorCode: 100 }],
  });
  expect(await send(client, requestOf(null, of('', TOPIC_ID_BYTES, 1)), 13)).toEqual(['error 3']);
  // That comes before what is wrong with the records.
  const nothing = [topicData([{ index: 1, records: null }])];
  expect(await send(client, requestOf(null, { topicData: nothing }))).toEqual(['error 3']);
});

test('what is no batch of a producer is refused with the error that says why', async () => {
  const { door, client } = await setUp({ appendPendingBytesMax: 4 * MESSAGE_BYTES_MAX });
  for (const [records, error, version] of [
    [batchOfBytes(MESSAGE_BYTES_MAX + 1), 10, 9],
    [withBrokenCrc(batchOf(1)), 2, 9],
    [batchOf(1).subarray(0, 40), 87, 9],
    [batchOf(1).subarray(0, -1), 87, 9],
    [Buffer.alloc(0), 87, 9],
    [patched(batchOf(1), 16, 0), 87, 9],
    [patched(batchOf(1), 16, 1), 87, 9],
    [patched(batchOf(1), 16, 3), 2, 9],
    [Buffer.concat([batchOf(1), batchOf(1)]), 87, 9],
    [null, 87, 9],
    [zstdBatch(), 76, 6],
  ] as const) {
    expect(await send(client, requestOf(records), version)).toEqual([`error ${error}`]);
  }
  expect(await send(client, requestOf(zstdBatch()), 7)).toEqual([0]);
  expect(await send(client, requestOf(zstdBatch()), 13)).toEqual([1]);
  expect(await send(client, requestOf(batchOfBytes(MESSAGE_BYTES_MAX)))).toEqual([2]);
  expect(door.broker.partition().highWatermark).toBe(3);
});

test('errors come with words from version 8 on', async () => {
  const { client } = await setUp();
  const { responses } = await client.ask(produce, 8, requestOf(null));
  expect(responses[0]!.partitionResponses[0]!.errorMessage).toBe('there is no batch; send one per partition');
});

test('acks that do not exist, and transactions, are refused for every partition of the request', async () => {
  const { door, client } = await setUp();
  const twice = [topicData([0, 7].map((index) => ({ index, records: [batchOf(1)] })))];
  for (const acks of [2, -2, 32_000]) {
    expect(await send(client, requestOf(null, { acks, topicData: twice }))).toEqual(['error 21', 'error 21']);
  }
  expect(await send(client, requestOf(batchOf(1), { transactionalId: 't' }))).toEqual(['error 42']);
  expect(door.broker.partition().highWatermark).toBe(0);
});

test('acks=0 that is fine has no answer, and the record is there', async () => {
  const { door, client } = await setUp();
  client.send(produce, 9, requestOf(batchOf(2), { acks: 0 }));
  const next = client.send(metadata, 9, { topics: [] });
  await door.settle();
  expect(client.take().map(({ correlationId }) => correlationId)).toEqual([next]);
  expect([door.broker.partition().highWatermark, client.socket.isOver]).toEqual([2, false]);
});

test('acks=0 that is refused ends the connection, as nothing else would tell', async () => {
  const { door, client } = await setUp();
  client.send(produce, 9, requestOf(withBrokenCrc(batchOf(2)), { acks: 0 }));
  await door.settle();
  expect([client.take(), client.socket.isOver]).toEqual([[], true]);
  expect(door.logged.at(-1)).toContain('a batch with acks=0 was refused: CORRUPT_MESSAGE');
});

test('several partitions of several topics each have their own outcome', async () => {
  const { door, client } = await setUp({
    topic: {
      partitions: [
        { leader: 1, epoch: 0 },
        { leader: 2, epoch: 3, replicas: [2, 1] },
        { leader: 1, epoch: 0 },
      ],
    },
  });
  door.apply(...otherTopic({ partitions: [{ leader: 1, epoch: 0 }] }));
  await door.settle();
  const topics = [
    topicData([
      { index: 2, records: [batchOf(1)] },
      { index: 1, records: [batchOf(1)] },
      { index: 0, records: [withBrokenCrc(batchOf(1))] },
    ]),
    topicData([{ index: 0, records: [batchOf(1)] }], 'other', OTHER_ID_BYTES),
  ];
  for (const version of [9, 13]) {
    const first = version === 9 ? 0 : 1;
    const { responses } = await client.ask(produce, version, requestOf(null, { topicData: topics }));
    const outcomes = responses.map(({ partitionResponses }) =>
      partitionResponses.map(({ index, errorCode, baseOffset }) => [index, errorCode, baseOffset]),
    );
    expect(outcomes).toEqual([
      [
        [2, 0, first],
        [1, 6, -1],
        [0, 2, -1],
      ],
      [[0, 0, first]],
    ]);
  }
});

test('a partition that a request has more than once gets the last of its batches, and is answered once', async () => {
  const { door, client } = await setUp({ topic: twoPartitions() });
  const [one, two, bad] = [[batchOf(1)], [batchOf(2)], [withBrokenCrc(batchOf(1))]];
  for (const version of [9, 13]) {
    const before = door.broker.partition().highWatermark;
    const topics = [
      topicData([
        { index: 0, records: bad },
        { index: 1, records: one },
        { index: 0, records: one },
      ]),
      topicData([{ index: 0, records: two }]),
    ];
    const { responses } = await client.ask(produce, version, requestOf(null, { topicData: topics }));
    const outcomes = responses.map(({ partitionResponses }) =>
      partitionResponses.map(({ index, errorCode, baseOffset }) => [index, errorCode, baseOffset]),
    );
    const base = version === 9 ? 0 : 1;
    expect(outcomes).toEqual([
      [
        [0, 0, before],
        [1, 0, base],
      ],
    ]);
    expect(door.broker.partition().highWatermark).toBe(before + 2);
  }
  const last = [topicData([0, 0].map((index, i) => ({ index, records: i === 0 ? one : bad })))];
  expect(await send(client, requestOf(null, { topicData: last }))).toEqual(['error 2']);
  expect(door.broker.partition().highWatermark).toBe(4);
});

test('who asks the wrong broker is told who leads and where that is, from version 10 on', async () => {
  const { door } = await setUp({ topic: { partitions: [{ leader: 2, epoch: 5, replicas: [2, 1] }] } });
  const client = door.connect({ port: 9093 });
  for (const version of [10, 13]) {
    const { responses, nodeEndpoints } = await client.ask(produce, version, requestOf(batchOf(1)));
    expect(responses[0]!.partitionResponses[0]).toMatchObject({
      errorCode: 6,
      currentLeader: { leaderId: 2, leaderEpoch: 5 },
    });
    expect(nodeEndpoints).toEqual([
      { nodeId: 1, host: 'one.example', port: 19_092, rack: 'a' },
      { nodeId: 2, host: 'two.example', port: 19_092, rack: null },
    ]);
  }
  expect(await send(client, requestOf(batchOf(1)), 9)).toEqual(['error 6']);
  // No other error says anything of leaders.
  const refused = await client.ask(produce, 10, requestOf(batchOf(1), { acks: 5 }));
  expect(refused.responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 21, currentLeader: { leaderId: -1 } });
  expect(refused.nodeEndpoints).toEqual([]);
  door.apply(...changesOf({ partitions: [{ leader: -1, epoch: 6, replicas: [2, 1] }] }));
  const { responses, nodeEndpoints } = await client.ask(produce, 10, requestOf(batchOf(1)));
  expect(responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 6, currentLeader: { leaderId: -1 } });
  expect(nodeEndpoints).toEqual([]);
});

test('a partition that is led elsewhere while its batch waits is answered so', async () => {
  const { door, client } = await setUp({ topic: { partitions: [{ leader: 1, epoch: 0, replicas: [1, 2] }] } });
  client.send(produce, 10, requestOf(batchOf(1)));
  await door.settleWithoutDisk();
  door.apply(...changesOf({ partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  await door.settleWithoutDisk();
  const [answer] = client.take();
  expect(answer!.response.responses[0].partitionResponses[0]).toMatchObject({
    errorCode: 6,
    currentLeader: { leaderId: 2, leaderEpoch: 1 },
  });
});

test('what does not count in time has error 7, and what did count keeps its offset', async () => {
  const { door, client } = await setUp({
    topic: {
      partitions: [
        { leader: 1, epoch: 0 },
        { leader: 1, epoch: 0 },
      ],
    },
  });
  const both = [
    topicData([0, 1].map((index) => ({ index, records: [index === 1 ? batchOf(1) : withBrokenCrc(batchOf(1))] }))),
  ];
  client.send(produce, 9, requestOf(null, { timeoutMs: 1_000, topicData: both }));
  await door.settleWithoutDisk();
  door.broker.disk.stalled = true;
  door.broker.clock.advance(999);
  door.produce.sweep(door.broker.clock.nowMs);
  await door.settleWithoutDisk();
  expect(client.take()).toEqual([]);
  door.broker.clock.advance(1);
  door.produce.sweep(door.broker.clock.nowMs);
  await door.settleWithoutDisk();
  const [answer] = client.take();
  const codes = answer!.response.responses[0].partitionResponses.map(
    ({ errorCode }: { errorCode: number }) => errorCode,
  );
  expect(codes).toEqual([2, 7]);
  // It counts later all the same, and nobody is answered twice.
  door.broker.disk.stalled = false;
  await door.settle();
  expect(client.take()).toEqual([]);
  expect(door.broker.partition(1).highWatermark).toBe(1);
});

test('the server looks at deadlines by itself; a wrong one has passed, and acks=0 has none', async () => {
  const { door, client } = await setUp();
  const silent = door.connect();
  client.send(produce, 9, requestOf(batchOf(1), { timeoutMs: -5 }));
  silent.send(produce, 9, requestOf(batchOf(1), { timeoutMs: 0, acks: 0 }));
  await door.settleWithoutDisk();
  expect(client.take()).toEqual([]);
  await door.pass(KAFKA_SWEEP_MS);
  expect(codesOf(client)).toEqual([7]);
  expect([silent.socket.isOver, door.broker.partition().highWatermark]).toEqual([false, 2]);
});

test('a producer that is gone is not answered, and what it sent counts', async () => {
  const { door, client } = await setUp();
  client.send(produce, 9, requestOf(batchOf(1), { timeoutMs: 10 }));
  await door.settleWithoutDisk();
  client.leave();
  await door.settleWithoutDisk();
  let isIdle = false;
  door.produce.stop(() => (isIdle = true));
  expect([isIdle, door.broker.partition().highWatermark]).toEqual([true, 0]);
  await door.pass(1_000);
  expect(door.broker.partition().highWatermark).toBe(1);
  expect(await door.leakedBytes()).toBe(0);
});

test('a stop refuses what comes, answers what was taken, and tells when it is idle', async () => {
  const { door, client } = await setUp();
  client.send(produce, 9, requestOf(batchOf(1)));
  await door.settleWithoutDisk();
  let isIdle = false;
  door.produce.stop(() => (isIdle = true));
  client.send(produce, 9, requestOf(batchOf(1)));
  await door.settleWithoutDisk();
  expect([client.take(), isIdle]).toEqual([[], false]);
  await door.settle();
  expect([codesOf(client), isIdle]).toEqual([[0, 6], true]);
});

test('past half of what may wait for the disk further requests are held back, and begun when there is room', async () => {
  const { door, client } = await setUp({ appendPendingBytesMax: 100_000 });
  const other = door.connect();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 5; i++) client.send(produce, 9, requestOf(batchOf(1, 'x'.repeat(20_000))));
    await door.settleWithoutDisk();
    other.send(produce, 9, requestOf(batchOf(1)));
    await door.settleWithoutDisk();
    const { pendingBytes } = door.broker.partitions;
    expect(pendingBytes).toBeGreaterThan(50_000);
    expect(pendingBytes).toBeLessThan(75_000);
    await door.settle();
    // Nothing of its own comes back, and it asks for nothing more: it is told that there is room.
    expect(other.take()).toEqual([]);
    await door.pass(2);
    expect(codesOf(other)).toEqual([0]);
    expect(codesOf(client)).toEqual([0, 0, 0, 0, 0]);
  }
});

test('a small batch out of a large request does not keep the request in memory', async () => {
  const { door, client } = await setUp({ topic: twoPartitions() });
  const large = withBrokenCrc(batchOf(1, 'x'.repeat(900_000)));
  const partitionData = [large, large, batchOf(1)].map((records, i) => ({ index: 2 - i, records: [records] }));
  const { responses } = await client.ask(produce, 13, requestOf(null, { topicData: [topicData(partitionData)] }));
  expect(responses[0]!.partitionResponses.map(({ errorCode }) => errorCode)).toEqual([3, 2, 0]);
  // The request is overwritten by the time of the answer.
  expect(responses[0]!.topicId).toEqual(Buffer.from(TOPIC_ID_BYTES));
  expect(door.broker.slabs.usedBytes).toBeLessThanOrEqual(SLAB_BYTES);
  const read = door.broker.partition().read(0 as never, 1_000);
  expect(read.kind === 'batches' && read.buffers[0]!.length).toBe(batchOf(1).length);
  expect(await door.leakedBytes()).toBe(0);
});

test('a batch that an idempotent producer sends again has the offset of the first time', async () => {
  const { door, client } = await setUp();
  const batch = (sequence: number, epoch = 0): Buffer => asProducers(batchOf(2), { producerId: 7, epoch, sequence });
  expect(await send(client, requestOf(batch(0)))).toEqual([0]);
  expect(await send(client, requestOf(batch(2)))).toEqual([2]);
  expect(await send(client, requestOf(batch(0)))).toEqual([0]);
  expect(await send(client, requestOf(batch(6)))).toEqual(['error 45']);
  expect(await send(client, requestOf(batch(0, 1)))).toEqual([4]);
  expect(await send(client, requestOf(batch(4, 0)))).toEqual(['error 47']);
  // Again while the first is on its way: both wait for the disk.
  client.send(produce, 9, requestOf(batch(2, 1)));
  client.send(produce, 9, requestOf(batch(2, 1)));
  await door.settleWithoutDisk();
  expect(client.take()).toEqual([]);
  await door.settle();
  const offsets = client.take().map(({ response }) => response.responses[0].partitionResponses[0].baseOffset as number);
  expect([offsets, door.broker.partition().highWatermark]).toEqual([[6, 6], 8]);
});

test('a request without topics, and a topic without partitions, are answered as such', async () => {
  const { client } = await setUp();
  expect(await client.ask(produce, 9, requestOf(null, { topicData: [] }))).toMatchObject({ responses: [] });
  expect(await send(client, requestOf(null, { topicData: [topicData([])] }))).toEqual([]);
});

test('a disk that fails takes the partition offline, and its producers are told error 56', async () => {
  const { door, client } = await setUp();
  await send(client, requestOf(batchOf(1)));
  door.broker.disk.failNextAppend('EIO');
  door.broker.disk.failNextSync('EIO');
  expect(await send(client, requestOf(batchOf(1, 'x'.repeat(300_000))))).toEqual(['error 56']);
  expect(await send(client, requestOf(batchOf(1)))).toEqual(['error 56']);
});

test('a topic’s name that is as long as a name can be on the wire is refused like any other, and ends nothing', async () => {
  const { door, client } = await setUp();
  const partitionData = [{ index: 0, records: [batchOf(1)] }];
  const name = 'x'.repeat(0x7fff);
  const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData: [{ name, partitionData }] };
  const { responses } = await client.ask(produce, 8, request);
  expect(responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 3 });
  expect(responses[0]!.partitionResponses[0]!.errorMessage).toMatch(/^there is no topic x+$/);
  expect([client.socket.isOver, door.server.ended.failed]).toEqual([false, 0]);
});

test('a batch whose topic is deleted before it counts is answered in the words of its request: a name, or an id', async () => {
  for (const [version, code] of [
    [9, 3],
    [13, 100],
  ] as const) {
    const { door, client } = await setUp();
    client.send(produce, version, requestOf(batchOf(1)));
    await door.settleWithoutDisk();
    expect(client.take()).toEqual([]);
    expect(await door.leakedBytes()).toBe(0);
    expect(codesOf(client)).toEqual([code]);
  }
});
