import { expect, test } from 'vitest';
import { KAFKA_FETCH_COLD_BYTES_MAX } from '@weir/base/limits.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { batchOf, changesOf } from '../test-broker.ts';
import { fetchOf, ledPartitions, openReader, taken } from './fetch-test-kit.ts';

/** No batch stays in the cache. */
const COLD = { tailCacheBytes: 1_000 };

test('records that left the cache come from disk, whole and in order', async () => {
  const { fill, ask, door } = await openReader({ tailCacheBytes: 60_000 });
  await fill(20, 10_000);
  const seen: string[] = [];
  for (let next = 0; next < 20;) {
    const [line] = await ask(fetchOf([{ fetchOffset: next, partitionMaxBytes: 35_000 }]));
    seen.push(line!);
    next = Number(line!.split('-')[1]) + 1;
  }
  expect(seen.at(0)).toBe('0 0-2');
  expect(seen.at(-1)).toMatch(/-19$/);
  const { cache, disk } = door.broker.metrics.reads;
  expect(cache).toBeGreaterThan(0);
  expect(disk).toBeGreaterThan(3);
  expect(await door.leakedBytes()).toBe(0);
});

test('several partitions are read from disk together, within what is wanted in all', async () => {
  const { door, client, fill, ask } = await openReader({ ...COLD, topic: ledPartitions(3) });
  for (const index of [0, 1, 2]) await fill(5, 10_000, index);
  const all = [{}, { partition: 1 }, { partition: 2 }];
  client.send(fetch, 12, fetchOf(all));
  await door.settleWithoutDisk();
  expect(door.broker.disk.pendingReads).toBe(3);
  await door.settle();
  expect(taken(client)).toEqual([['0 0-4', '1 0-4', '2 0-4']]);
  // What the second may take is planned before it is known how little the first has.
  expect(await ask(fetchOf(all, { maxBytes: 71_000 }))).toEqual(['0 0-4', '1 end', '2 end']);
  expect(await ask(fetchOf([{ partitionMaxBytes: 30_000 }, { partition: 1 }], { maxBytes: 71_000 }))).toEqual([
    '0 0-1',
    '1 0-3',
  ]);
  expect(await ask(fetchOf(all, { maxBytes: 1 }))).toEqual(['0 0-0', '1 end', '2 end']);
});

test('an answer brings no more from disk than it may, however much is wanted', async () => {
  const { door, client, fill } = await openReader({
    ...COLD,
    topic: ledPartitions(8),
    appendPendingBytesMax: 4_000_000,
  });
  for (let index = 0; index < 8; index++) await fill(1, 900_000, index);
  const all = Array.from({ length: 8 }, (_, partition) => ({ partition }));
  client.send(fetch, 12, fetchOf(all, { maxBytes: 2 ** 31 - 1 }));
  await door.settle();
  const [lines] = taken(client);
  const withRecords = lines!.filter((line) => line.endsWith('0-0'));
  // A batch that does not fit any more is read whole, once.
  expect(withRecords).toHaveLength(Math.ceil(KAFKA_FETCH_COLD_BYTES_MAX / 1_000_000));
});

test('however little is wanted of each, no more is read from disk than an answer brings, and a few at a time', async () => {
  const partitions = 12;
  const { door, client, fill } = await openReader({
    ...COLD,
    topic: ledPartitions(partitions),
    appendPendingBytesMax: 4_000_000,
  });
  for (let index = 0; index < partitions; index++) await fill(1, 900_000, index);
  // Each batch comes whole, however small the part of it that was asked for.
  const all = Array.from({ length: partitions }, (_, partition) => ({ partition, partitionMaxBytes: 1 }));
  client.send(fetch, 12, fetchOf(all, { maxBytes: 2 ** 31 - 1 }));
  await door.settleWithoutDisk();
  expect(door.broker.disk.pendingReads).toBe(4);
  await door.settle();
  const most = Math.ceil(KAFKA_FETCH_COLD_BYTES_MAX / 900_000) + 3;
  expect(door.broker.metrics.reads.disk).toBeLessThanOrEqual(most);
  expect(most).toBeLessThan(partitions);
  expect(taken(client)[0]![0]).toBe('0 0-0');
});

test('who wants much at least is answered with what the disk had, as long as there is more of it', async () => {
  const { door, client, fill, ask } = await openReader(COLD);
  await fill(5, 10_000);
  const patient = { maxWaitMs: 60_000, minBytes: 40_000 };
  expect(await ask(fetchOf([{ partitionMaxBytes: 25_000 }], patient))).toEqual(['0 0-1']);
  // That is all there is: now it waits, and reads again when there is more.
  client.send(fetch, 12, fetchOf([{ fetchOffset: 3 }], patient));
  await door.settle();
  expect([taken(client), door.fetch.waiting, door.broker.slabs.usedBytes]).toEqual([[], 1, 0]);
  await fill(2, 10_000);
  expect(taken(client)).toEqual([['0 3-6']]);
});

test('a reader whose time is up while it reads from disk gets what it reads', async () => {
  const { door, client, fill } = await openReader(COLD);
  await fill(2, 10_000);
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 100, minBytes: 1_000_000 }));
  await door.settle();
  expect(taken(client)).toEqual([]);
  await door.pass(100);
  expect(taken(client)).toEqual([['0 0-1']]);
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 100, minBytes: 1_000_000 }));
  await door.settleWithoutDisk();
  const { disk } = door.broker.metrics.reads;
  door.broker.clock.advance(100);
  door.fetch.stop();
  await door.settleWithoutDisk();
  expect(taken(client)).toEqual([]);
  await door.settle();
  expect([taken(client), door.broker.metrics.reads.disk]).toEqual([[['0 0-1']], disk]);
});

test('a reader that waited, and whose time is up in the middle of its read, reads once', async () => {
  const { door, client } = await openReader(COLD);
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 100 }));
  await door.settle();
  door.broker.partition().append(batchOf(1, 'x'.repeat(10_000)), -1, door.broker.waiter, 0);
  door.broker.clock.endTurns();
  door.broker.disk.completeSyncs();
  await door.settleWithoutDisk();
  expect(door.broker.disk.pendingReads).toBe(1);
  door.broker.clock.advance(100);
  await door.settleWithoutDisk();
  expect([door.broker.disk.pendingReads, taken(client)]).toEqual([1, []]);
  await door.settle();
  expect(taken(client)).toEqual([['0 0-0']]);
});

test('so many reads are at the disk at a time, and the others have their turn', async () => {
  const { door, fill } = await openReader({ ...COLD, coldReadsMax: 2 });
  await fill(1, 10_000);
  const clients = Array.from({ length: 5 }, () => door.connect());
  for (const client of clients) client.send(fetch, 12, fetchOf([{}]));
  await door.settleWithoutDisk();
  expect(door.broker.disk.pendingReads).toBe(2);
  await door.settle();
  expect(clients.map(taken)).toEqual(Array.from({ length: 5 }, () => [['0 0-0']]));
});

test('who goes before or while a read is under way gets nothing, frees its place and leaves no memory behind', async () => {
  const { door, fill } = await openReader({ ...COLD, coldReadsMax: 1 });
  await fill(1, 10_000);
  const [reading, waiting, staying] = [door.connect(), door.connect(), door.connect()];
  for (const client of [reading, waiting, staying]) client.send(fetch, 12, fetchOf([{}]));
  await door.settleWithoutDisk();
  reading.leave();
  waiting.leave();
  await door.settleWithoutDisk();
  expect(door.fetch.waiting).toBe(1);
  const { disk } = door.broker.metrics.reads;
  await door.settle();
  expect([taken(staying), door.broker.metrics.reads.disk - disk]).toEqual([[['0 0-0']], 1]);
  expect([door.fetch.waiting, await door.leakedBytes()]).toEqual([0, 0]);
});

test('a read that fails is told for its partition, beside what the others have', async () => {
  const { door, client, fill } = await openReader({ ...COLD, topic: ledPartitions(2) });
  await fill(1, 10_000, 0);
  await fill(1, 10_000, 1);
  client.send(fetch, 12, fetchOf([{}, { partition: 1 }], { maxWaitMs: 60_000, minBytes: 1_000_000 }));
  await door.settleWithoutDisk();
  door.broker.disk.failNextRead();
  await door.settle();
  expect(taken(client)).toEqual([['0 error 56', '1 0-0']]);
  expect(await door.leakedBytes()).toBe(0);
});

test('a partition that is led elsewhere while it is read is refused when the read is back', async () => {
  const { door, client, fill } = await openReader({
    ...COLD,
    topic: { partitions: [{ leader: 1, epoch: 0, replicas: [1, 2] }] },
  });
  await fill(1, 10_000);
  client.send(fetch, 12, fetchOf([{}]));
  await door.settleWithoutDisk();
  door.apply(...changesOf({ partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  await door.settle();
  expect(taken(client)).toEqual([['0 error 6']]);
  expect(await door.leakedBytes()).toBe(0);
});

test('records that are deleted while they are read are out of range', async () => {
  const { door, client, fill } = await openReader(COLD);
  await fill(3, 10_000);
  client.send(fetch, 12, fetchOf([{}]));
  await door.settleWithoutDisk();
  door.broker.partition().deleteRecords(2);
  await door.settle();
  expect(taken(client)).toEqual([['0 error 1']]);
});

test('what comes from the cache is sent beside what comes from disk', async () => {
  const { door, client, fill, append } = await openReader({ tailCacheBytes: 30_000, topic: ledPartitions(2) });
  await fill(3, 20_000, 0);
  await append(batchOf(2), 1);
  client.send(fetch, 12, fetchOf([{ partition: 1 }, { partition: 0 }]));
  await door.settle();
  expect(taken(client)).toEqual([['1 0-1', '0 0-2']]);
  expect(door.broker.metrics.reads.disk).toBe(1);
});

test('payload from disk is let go once it is sent, however slow its reader is', async () => {
  const { door, client, fill } = await openReader(COLD);
  await fill(3, 10_000);
  client.socket.isStuck = true;
  client.send(fetch, 12, fetchOf([{}]));
  await door.settle();
  expect(door.broker.slabs.usedBytes).toBeGreaterThan(0);
  client.socket.isStuck = false;
  await door.settle();
  expect(taken(client)).toEqual([['0 0-2']]);
  expect(await door.leakedBytes()).toBe(0);
});
