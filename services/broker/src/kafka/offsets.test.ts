import { expect, test } from 'vitest';
import { WeirError } from '@weir/base/errors.ts';
import type { RequestToSend } from '@weir/kafka/api.ts';
import { deleteRecords } from '@weir/kafka/apis/delete-records.ts';
import { describeLogDirs } from '@weir/kafka/apis/describe-log-dirs.ts';
import { listOffsets } from '@weir/kafka/apis/list-offsets.ts';
import { offsetForLeaderEpoch } from '@weir/kafka/apis/offset-for-leader-epoch.ts';
import { batchOf, changesOf } from '../test-broker.ts';
import { ledPartitions, openReader } from './fetch-test-kit.ts';
import { otherTopic } from './test-door.ts';

const [LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING] = [-1, -2, -3, -4, -5, -6];

/** A reader that asks for offsets of one topic, and what comes: [error] or [offset, timestamp, epoch]. */
async function openAsker(options: Parameters<typeof openReader>[0] = {}) {
  const opened = await openReader(options);
  const askOf = async (
    name: string,
    asked: readonly { at: number; partition?: number; epoch?: number }[],
    version = 11,
    parts: Partial<RequestToSend<typeof listOffsets>> = {},
  ): Promise<number[][]> => {
    const partitions = asked.map(({ at, partition = 0, epoch = -1 }) => ({
      partitionIndex: partition,
      currentLeaderEpoch: epoch,
      timestamp: at,
    }));
    const request = { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions }], ...parts };
    const { topics } = await opened.client.ask(listOffsets, version, request);
    return topics.flatMap(({ partitions: answers }) =>
      answers.map(({ errorCode, offset, timestamp, leaderEpoch }) =>
        errorCode === 0 ? [offset, timestamp, leaderEpoch] : [errorCode],
      ),
    );
  };
  return {
    ...opened,
    askOf,
    /** Each in a request of its own, as one may not have a partition twice. */
    at: async (...timestamps: number[]): Promise<number[][]> => {
      const found: number[][] = [];
      for (const at of timestamps) found.push(...(await askOf('orders', [{ at }])));
      return found;
    },
  };
}

test('each special timestamp stands for its offset', async () => {
  const { door, append, at } = await openAsker({ topic: { partitions: [{ leader: 1, epoch: 3 }] } });
  await append(batchOf(4, 'v', 5_000));
  await append(batchOf(2, 'v', 1_000));
  door.broker.partition().deleteRecords(1);
  await door.settle();
  expect(await at(LATEST, EARLIEST, EARLIEST_LOCAL, MAX_TIMESTAMP, LATEST_TIERED, EARLIEST_PENDING)).toEqual([
    [6, -1, 3],
    [1, -1, 3],
    [1, -1, 3],
    [3, 5_003, 3],
    [-1, -1, -1],
    [-1, -1, -1],
  ]);
});

test('the record with the latest timestamp is one that is there: not deleted, and not still to count', async () => {
  const { door, append, at } = await openAsker();
  await append(batchOf(2, 'v', 9_000));
  await append(batchOf(2, 'v', 5_000));
  await append(batchOf(2, 'v', 1_000));
  expect(await at(MAX_TIMESTAMP)).toEqual([[1, 9_001, 0]]);
  door.broker.partition().deleteRecords(2);
  await door.settle();
  expect(await at(MAX_TIMESTAMP)).toEqual([[3, 5_001, 0]]);
  door.broker.partition().deleteRecords(4);
  await door.settle();
  expect(await at(MAX_TIMESTAMP)).toEqual([[5, 1_001, 0]]);
});

test('an empty partition begins and ends at 0, and has no record of any time', async () => {
  const { at } = await openAsker();
  expect(await at(LATEST, EARLIEST, MAX_TIMESTAMP, 0, 1_000)).toEqual([
    [0, -1, 0],
    [0, -1, 0],
    [-1, -1, -1],
    [-1, -1, -1],
    [-1, -1, -1],
  ]);
});

test('a timestamp stands for the first record that is not earlier, whichever batch it is in', async () => {
  const { append, at } = await openAsker();
  await append(batchOf(3, 'v', 1_000));
  await append(batchOf(3, 'v', 2_000));
  expect(await at(0, 1_000, 1_001, 1_003, 2_000, 2_002, 2_003)).toEqual([
    [0, 1_000, 0],
    [0, 1_000, 0],
    [1, 1_001, 0],
    [3, 2_000, 0],
    [3, 2_000, 0],
    [5, 2_002, 0],
    [-1, -1, -1],
  ]);
});

test('all versions tell the same offset', async () => {
  const { append, askOf } = await openAsker();
  await append(batchOf(3));
  for (let version = 1; version <= 11; version++) {
    expect(await askOf('orders', [{ at: LATEST }], version)).toEqual([[3, -1, version < 4 ? -1 : 0]]);
    expect(await askOf('orders', [{ at: LATEST }], version, { isolationLevel: 1 })).toEqual([
      [3, -1, version < 4 ? -1 : 0],
    ]);
  }
});

test('what does not count yet is not told, not even by its timestamp', async () => {
  const { door, append, client } = await openAsker();
  await append(batchOf(1, 'v', 1_000));
  door.broker.partition().append(batchOf(1, 'v', 2_000), -1, door.broker.waiter, 0);
  for (const timestamp of [LATEST, 1_500]) {
    const partitions = [{ partitionIndex: 0, timestamp }];
    client.send(listOffsets, 5, { replicaId: -1, topics: [{ name: 'orders', partitions }] });
  }
  await door.settleWithoutDisk();
  for (let i = 0; i < 5; i++) {
    door.broker.disk.completeReads();
    await door.settleWithoutDisk();
  }
  const offsets = client.take().map(({ response }) => response.topics[0].partitions[0].offset as number);
  expect(offsets).toEqual([1, -1]);
});

test('wrong timestamps, epochs, partitions and topics each have their error, beside the others', async () => {
  const partitions = Array.from({ length: 5 }, () => ({ leader: 1, epoch: 5 }));
  const { append, askOf } = await openAsker({ topic: { partitions } });
  await append(batchOf(1), 4);
  const asked = [
    { at: -7 },
    { at: 2 ** 60, partition: 1 },
    { at: LATEST, epoch: 4, partition: 2 },
    { at: LATEST, epoch: 6, partition: 3 },
    { at: LATEST, epoch: 5, partition: 4 },
    { at: LATEST, partition: 9 },
  ];
  expect(await askOf('orders', asked)).toEqual([[35], [42], [74], [75], [1, -1, 5], [3]]);
  expect(await askOf('nothing', [{ at: LATEST }, { at: 5, partition: 1 }])).toEqual([[3], [3]]);
});

test('a partition that is led elsewhere, and one whose topic is being deleted, are refused', async () => {
  const { door, at } = await openAsker();
  door.apply(...changesOf({ partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  expect(await at(LATEST, 5)).toEqual([[6], [6]]);
  await door.leakedBytes();
  expect(await at(LATEST)).toEqual([[3]]);
});

test('a look-up that fails at the disk is told for its partition alone', async () => {
  const { door, append, client, at } = await openAsker({ tailCacheBytes: 1_000, topic: ledPartitions(2) });
  await append(batchOf(1, 'x'.repeat(10_000), 1_000));
  await append(batchOf(1, 'x'.repeat(10_000), 2_000));
  const partitions = [500, LATEST].map((timestamp, partitionIndex) => ({ partitionIndex, timestamp }));
  client.send(listOffsets, 5, { replicaId: -1, topics: [{ name: 'orders', partitions }] });
  await door.settleWithoutDisk();
  door.broker.disk.failNextRead();
  await door.settle();
  const [answer] = client.take();
  expect(answer!.response.topics[0].partitions).toMatchObject([{ errorCode: 56 }, { errorCode: 0 }]);
  expect(await at(LATEST)).toEqual([[56]]);
});

test('a client that goes in the middle of a look-up harms nobody', async () => {
  const { door, append, client } = await openAsker({ tailCacheBytes: 1_000 });
  await append(batchOf(1, 'x'.repeat(10_000), 1_000));
  client.send(listOffsets, 5, {
    replicaId: -1,
    topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: 500 }] }],
  });
  await door.settleWithoutDisk();
  client.leave();
  await door.settle();
  expect([door.server.ended.failed, await door.leakedBytes()]).toEqual([0, 0]);
});

test('where a leader epoch ended is told in all versions', async () => {
  const { door, append, client } = await openReader({ topic: { partitions: [{ leader: 1, epoch: 2 }] } });
  await append(batchOf(3));
  door.apply(...changesOf({ partitions: [{ leader: 1, epoch: 5 }] }));
  await door.settle();
  await append(batchOf(4));
  const asked = [
    [2, -1],
    [3, -1],
    [4, 5],
    [5, 5],
    [6, -1],
    [1, -1],
    [-1, -1],
    [5, 4],
    [5, 6],
  ].map(([leaderEpoch, currentLeaderEpoch]) => ({
    partition: 0,
    leaderEpoch: leaderEpoch!,
    currentLeaderEpoch: currentLeaderEpoch!,
  }));
  for (const version of [2, 3, 4]) {
    const topics = [
      { topic: 'orders', partitions: [...asked, { partition: 3, leaderEpoch: 5 }] },
      { topic: 'nothing', partitions: [{ partition: 0, leaderEpoch: 5 }] },
    ];
    const response = await client.ask(offsetForLeaderEpoch, version, { replicaId: -1, topics });
    const answers = response.topics.flatMap(({ partitions }) =>
      partitions.map(({ errorCode, leaderEpoch, endOffset }) => [errorCode, leaderEpoch, endOffset]),
    );
    expect(answers).toEqual([
      [0, 2, 3],
      [0, 2, 3],
      [0, 2, 3],
      [0, 5, 7],
      [0, -1, -1],
      [0, 1, 0],
      [0, -1, -1],
      [74, -1, -1],
      [75, -1, -1],
      [3, -1, -1],
      [3, -1, -1],
    ]);
  }
});

test('records are deleted up to an offset, or all of them, each partition with its own answer', async () => {
  const { door, append, client } = await openReader({ topic: ledPartitions(2) });
  await append(batchOf(5), 0);
  await append(batchOf(5), 1);
  for (const version of [0, 1, 2]) {
    const ask = async (...asked: readonly [name: string, partition: number, offset: number][]): Promise<unknown[]> => {
      const topics = asked.map(([name, partitionIndex, offset]) => ({
        name,
        partitions: [{ partitionIndex, offset }],
      }));
      const response = await client.ask(deleteRecords, version, { topics, timeoutMs: 1_000 });
      return response.topics.flatMap(({ partitions }) =>
        partitions.map(({ errorCode, lowWatermark }) => [errorCode, lowWatermark]),
      );
    };
    expect(await ask(['orders', 0, 3], ['orders', 1, -1], ['orders', 4, 0], ['nothing', 0, 0])).toEqual([
      [0, 3],
      [0, 5],
      [3, -1],
      [3, -1],
    ]);
    expect(await ask(['orders', 0, 1])).toEqual([[0, 3]]);
    expect(await ask(['orders', 0, 6], ['orders', 1, -2])).toEqual([
      [1, -1],
      [1, -1],
    ]);
  }
  expect([0, 1].map((index) => door.broker.partition(index).logStartOffset)).toEqual([3, 5]);
});

test('records that a replica in sync has not deleted in time are answered with a timeout, and are deleted here', async () => {
  const { door, append, client } = await openReader({ topic: ledPartitions(2) });
  await append(batchOf(5), 0);
  await append(batchOf(5), 1);
  const replicated = { leader: 1, epoch: 0, replicas: [1, 2], isr: [1, 2], partitionEpoch: 1 };
  door.apply(...changesOf({ partitions: [replicated, { leader: 1, epoch: 0 }] }));
  const topics = [
    {
      name: 'orders',
      partitions: [
        { partitionIndex: 0, offset: 2 },
        { partitionIndex: 1, offset: 3 },
      ],
    },
  ];
  client.send(deleteRecords, 2, { topics, timeoutMs: 1_000 });
  await door.settle();
  await door.pass(900);
  expect(client.take()).toEqual([]);
  await door.pass(100);
  await door.settle();
  expect(client.take()[0]!.response.topics[0].partitions).toMatchObject([
    { partitionIndex: 0, lowWatermark: -1, errorCode: 7 },
    { partitionIndex: 1, lowWatermark: 3, errorCode: 0 },
  ]);
  expect(door.broker.partition(0).logStartOffset).toBe(2);
});

test('nobody waits for replicas once the client is gone, nor for ever', async () => {
  for (const isGone of [true, false]) {
    const { door, append, client } = await openReader();
    await append(batchOf(5));
    door.apply(
      ...changesOf({ partitions: [{ leader: 1, epoch: 0, replicas: [1, 2], isr: [1, 2], partitionEpoch: 1 }] }),
    );
    let waiting = 0;
    const leadership = door.broker.partition().leadership!;
    const whenDeleted = leadership.whenDeleted.bind(leadership);
    leadership.whenDeleted = (...words) => {
      const forget = whenDeleted(...words);
      waiting++;
      return () => {
        waiting--;
        forget();
      };
    };
    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: 2 }] }];
    client.send(deleteRecords, 2, { topics, timeoutMs: 2 ** 31 - 1 });
    await door.settle();
    expect(waiting).toBe(1);
    if (isGone) client.leave();
    else await door.pass(60_000);
    await door.settle();
    expect(waiting).toBe(0);
  }
});

test('of a partition whose records are to be deleted twice the last offset counts, and it is answered once', async () => {
  const { door, append, client } = await openReader({ topic: ledPartitions(2) });
  await append(batchOf(5));
  const part = (partitionIndex: number, offset: number) => ({ partitionIndex, offset });
  const topics = [
    { name: 'orders', partitions: [part(0, 4), part(0, 3)] },
    { name: 'orders', partitions: [part(1, 0), part(0, 2)] },
  ];
  const response = await client.ask(deleteRecords, 2, { topics, timeoutMs: 1_000 });
  expect(response.topics).toMatchObject([
    {
      name: 'orders',
      partitions: [
        { partitionIndex: 0, lowWatermark: 2, errorCode: 0 },
        { partitionIndex: 1, lowWatermark: 0, errorCode: 0 },
      ],
    },
  ]);
  expect(door.broker.partition().logStartOffset).toBe(2);
});

test('log directories tell how large the replicas here are: all, or those that are asked for', async () => {
  const { door, append, client } = await openReader({
    topic: {
      partitions: [
        { leader: 1, epoch: 0 },
        { leader: 2, epoch: 0, replicas: [2, 1] },
        { leader: 2, epoch: 0, replicas: [2] },
      ],
    },
  });
  door.apply(...otherTopic({ partitions: [{ leader: 1, epoch: 0 }] }));
  await door.settle();
  await append(batchOf(1, 'x'.repeat(500)));
  door.room.look();
  const ask = async (topics: { topic: string; partitions: number[] }[] | null, version = 5) => {
    const { results, errorCode } = await client.ask(describeLogDirs, version, { topics });
    expect([errorCode, results.length]).toEqual([0, 1]);
    const [directory] = results;
    const sizes = directory!.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, partitionSize }) => `${name}-${partitionIndex} ${partitionSize}`),
    );
    return { sizes: sizes.toSorted(), directory: directory! };
  };
  const bytes = batchOf(1, 'x'.repeat(500)).length;
  for (const version of [1, 2, 3, 4, 5]) {
    const { sizes, directory } = await ask(null, version);
    expect(sizes).toEqual([`orders-0 ${bytes}`, 'orders-1 0', 'other-0 0']);
    expect(directory).toMatchObject({ errorCode: 0, logDir: '/data' });
    const { freeBytes, totalBytes } = door.broker.disk.space();
    expect([directory.usableBytes, directory.totalBytes]).toEqual(version < 4 ? [-1, -1] : [freeBytes, totalBytes]);
  }
  expect((await ask([{ topic: 'orders', partitions: [0, 9] }])).sizes).toEqual([`orders-0 ${bytes}`]);
  expect((await ask([{ topic: 'nothing', partitions: [0] }])).sizes).toEqual([]);
  expect((await ask([])).sizes).toEqual([]);
});

test('a partition whose offset is asked for twice in one request is refused, once', async () => {
  const { append, client } = await openAsker({ topic: ledPartitions(2) });
  await append(batchOf(1));
  const ask = (partitionIndex: number) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: LATEST });
  const topics = [
    { name: 'orders', partitions: [ask(0), ask(1)] },
    { name: 'orders', partitions: [ask(0)] },
  ];
  for (const version of [1, 11]) {
    const answer = await client.ask(listOffsets, version, { replicaId: -1, isolationLevel: 0, topics });
    expect(answer.topics).toMatchObject([
      {
        name: 'orders',
        partitions: [
          { partitionIndex: 0, errorCode: 42, offset: -1 },
          { partitionIndex: 1, errorCode: 0, offset: 0 },
        ],
      },
    ]);
  }
});

test('none of these asks the coordinator for anything', async () => {
  const { door, at } = await openAsker();
  door.coordinator.answer = () => {
    throw new WeirError('COORDINATOR_UNAVAILABLE', 'away');
  };
  await at(LATEST, EARLIEST, 5);
  expect(door.coordinator.calls).toEqual([]);
});
