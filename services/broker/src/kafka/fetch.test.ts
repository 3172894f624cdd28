import { expect, test, vi } from 'vitest';
import { KAFKA_FETCH_BYTES_SCARCE, KAFKA_FETCH_WAIT_MS_MAX } from '@weir/base/limits.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { batchOf, changesOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import { fetchOf, ledPartitions, openReader, shown, taken, wanting } from './fetch-test-kit.ts';
import { NO_SUCH_ID_BYTES, OTHER_ID_BYTES, otherTopic } from './test-door.ts';

test('a reader gets what is there in every version, by name or by id', async () => {
  const { client, append, ask } = await openReader();
  await append(batchOf(3));
  await append(batchOf(2));
  for (let version = 4; version <= 18; version++) {
    expect(await ask(fetchOf([{}]), version)).toEqual(['0 0-4']);
    const { responses } = await client.ask(fetch, version, fetchOf([{ fetchOffset: 3 }]));
    expect(responses[0]).toMatchObject(version < 13 ? { topic: 'orders' } : { topicId: Buffer.from(TOPIC_ID_BYTES) });
    expect(responses[0]!.partitions[0]).toMatchObject({
      partitionIndex: 0,
      highWatermark: 5,
      lastStableOffset: 5,
      logStartOffset: version < 5 ? -1 : 0,
      preferredReadReplica: -1,
    });
  }
});

test('a partition that is wanted twice is read once, from where it is wanted last', async () => {
  const { append, ask } = await openReader({ topic: ledPartitions(2) });
  await append(batchOf(3));
  await append(batchOf(2));
  await append(batchOf(1), 1);
  const topics = [wanting([{}, { partition: 1 }, { fetchOffset: 5 }]), wanting([{ fetchOffset: 3 }])];
  for (const version of [4, 12, 13, 18]) {
    for (const sessionEpoch of version < 7 ? [-1] : [-1, 0]) {
      expect(await ask(fetchOf([], { topics, sessionEpoch }), version)).toEqual(['0 3-4', '1 0-0']);
    }
  }
});

test('an offset within a batch gets the whole batch', async () => {
  const { append, ask } = await openReader();
  await append(batchOf(3));
  await append(batchOf(3));
  expect(await ask(fetchOf([{ fetchOffset: 4 }]))).toEqual(['0 3-5']);
});

test('aborted transactions are null to who reads what is not committed, and none to who does not', async () => {
  const { client, append } = await openReader();
  await append(batchOf(1));
  for (const [isolationLevel, expected] of [
    [0, null],
    [1, []],
  ] as const) {
    const { responses } = await client.ask(fetch, 11, fetchOf([{}], { isolationLevel }));
    expect(responses[0]!.partitions[0]).toMatchObject({ abortedTransactions: expected, errorCode: 0 });
  }
});

test('what readers are sent is counted for its topic', async () => {
  const { door, append, ask } = await openReader();
  await append(batchOf(3));
  await ask(fetchOf([{}]));
  await ask(fetchOf([{ fetchOffset: 3 }]));
  await ask(fetchOf([{}]));
  expect(door.broker.metrics.forTopic('orders').bytesOut).toBe(2 * batchOf(3).length);
});

test('a partition of which this broker has no replica is led elsewhere', async () => {
  const { ask } = await openReader({ topic: { partitions: [{ leader: 2, epoch: 0, replicas: [2] }] } });
  for (const version of [12, 18]) expect(await ask(fetchOf([{}]), version)).toEqual(['0 error 6']);
});

test('a reader at the end waits, and has what is appended at the end of the turn in which it counts', async () => {
  const { door, client, append } = await openReader();
  await append(batchOf(2));
  client.send(fetch, 12, fetchOf([{ fetchOffset: 2 }], { maxWaitMs: 60_000 }));
  await door.settle();
  expect([taken(client), door.fetch.waiting]).toEqual([[], 1]);
  door.broker.partition().append(batchOf(1), -1, door.broker.waiter, 0);
  door.broker.clock.endTurns();
  expect(client.socket.untaken).toBe(0);
  // The turn in which the sync is back: no further one, and no timer.
  door.broker.disk.completeSyncs();
  door.broker.clock.endTurns();
  expect(client.socket.untaken).toBeGreaterThan(0);
  await door.settle();
  expect([taken(client), door.fetch.waiting]).toEqual([[['0 2-2']], 0]);
});

test('a reader that need not wait is answered with nothing', async () => {
  const { ask } = await openReader();
  expect(await ask(fetchOf([{}]))).toEqual(['0 end']);
  expect(await ask(fetchOf([{}], { minBytes: 0, maxWaitMs: 1_000 }))).toEqual(['0 end']);
  expect(await ask(fetchOf([], { maxWaitMs: 1_000 }))).toEqual([]);
});

test('a reader waits for as many bytes as it wants at least, over all its partitions', async () => {
  const { client, append } = await openReader({ topic: ledPartitions(2) });
  const bytes = batchOf(1, 'x'.repeat(1_000)).length;
  client.send(fetch, 12, fetchOf([{}, { partition: 1 }], { maxWaitMs: 60_000, minBytes: 3 * bytes }));
  await append(batchOf(1, 'x'.repeat(1_000)), 0);
  await append(batchOf(1, 'x'.repeat(1_000)), 1);
  expect(taken(client)).toEqual([]);
  await append(batchOf(1, 'x'.repeat(1_000)), 0);
  expect(taken(client)).toEqual([['0 0-1', '1 0-0']]);
});

test('a reader of a topic that is not there waits at the others, and hears of it with what they bring', async () => {
  const { door, client, append } = await openReader();
  const wanted = [wanting([{}]), wanting([{ partition: 7 }]), wanting([{}], 'never-there', NO_SUCH_ID_BYTES)];
  for (const [version, error, offset] of [
    [12, 3, 0],
    [13, 100, 1],
  ] as const) {
    wanted[0] = wanting([{ fetchOffset: offset }]);
    client.send(fetch, version, fetchOf([], { topics: wanted, maxWaitMs: 60_000 }));
    await door.settle();
    expect([taken(client), door.fetch.waiting]).toEqual([[], 1]);
    await append(batchOf(1));
    expect(taken(client)).toEqual([[`0 ${offset}-${offset}`, '7 error 3', `0 error ${error}`]]);
  }
});

test('when its time is up a reader gets what there is', async () => {
  const { door, client, append } = await openReader();
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 500, minBytes: 1_000_000 }));
  await append(batchOf(1));
  await door.pass(499);
  expect(taken(client)).toEqual([]);
  await door.pass(1);
  expect([taken(client), door.fetch.waiting]).toEqual([[['0 0-0']], 0]);
  client.send(fetch, 12, fetchOf([{ fetchOffset: 1 }], { maxWaitMs: 2 ** 31 - 1 }));
  await door.settle();
  await door.pass(KAFKA_FETCH_WAIT_MS_MAX);
  expect(taken(client)).toEqual([['0 end']]);
});

test('a wait has one timer, and takes it back', async () => {
  const { door, client, append } = await openReader();
  const { clock } = door.broker;
  const cancels: (() => void)[] = [];
  const after = clock.after.bind(clock);
  vi.spyOn(clock, 'after').mockImplementation((delayMs, callback) => {
    const cancel = vi.fn<() => void>(after(delayMs, callback));
    if (delayMs === 12_345) cancels.push(cancel);
    return cancel;
  });
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 12_345, minBytes: 2 * batchOf(1).length }));
  await append(batchOf(1));
  expect([cancels.length, taken(client)]).toEqual([1, []]);
  await append(batchOf(1));
  expect(taken(client)).toEqual([['0 0-1']]);
  expect(cancels).toHaveLength(1);
  expect(cancels[0]).toHaveBeenCalled();
});

test('a wait ends once, whatever happens in that turn', async () => {
  const { door, client, append } = await openReader();
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 500 }));
  await door.settle();
  door.broker.partition().append(batchOf(1), -1, door.broker.waiter, 0);
  door.broker.clock.endTurns();
  door.broker.disk.completeSyncs();
  door.broker.clock.advance(500);
  door.fetch.stop();
  await door.settle();
  expect(taken(client)).toEqual([['0 0-0']]);
  await append(batchOf(1));
  await door.pass(10_000);
  expect(taken(client)).toEqual([]);
});

test('no more is sent than a partition and the request allow, and the first batch goes whole', async () => {
  const { fill, ask } = await openReader({ topic: ledPartitions(2) });
  await fill(5, 1_000, 0);
  await fill(5, 1_000, 1);
  const both = [{}, { partition: 1 }];
  expect(await ask(fetchOf([{ partitionMaxBytes: 2_500 }, { partition: 1 }]))).toEqual(['0 0-1', '1 0-4']);
  expect(await ask(fetchOf(both, { maxBytes: 7_000 }))).toEqual(['0 0-4', '1 0-0']);
  // Alone, where it is larger than what is wanted: a reader would never get past it.
  expect(await ask(fetchOf(both, { maxBytes: 10 }))).toEqual(['0 0-0', '1 end']);
  expect(await ask(fetchOf(both, { maxBytes: 0 }))).toEqual(['0 0-0', '1 end']);
  const tight = [{ partitionMaxBytes: 1 }, { partition: 1, partitionMaxBytes: 1 }];
  expect(await ask(fetchOf(tight))).toEqual(['0 0-0', '1 end']);
  expect(
    await ask(
      fetchOf([
        { fetchOffset: 5, partitionMaxBytes: -1 },
        { partition: 1, partitionMaxBytes: -1 },
      ]),
    ),
  ).toEqual(['0 end', '1 0-0']);
});

test('a reader whose limits let no more through is not kept waiting for more', async () => {
  const { fill, ask } = await openReader({ topic: ledPartitions(2) });
  await fill(5, 1_000);
  await fill(5, 1_000, 1);
  expect(await ask(fetchOf([{ partitionMaxBytes: 2_500 }], { maxWaitMs: 60_000, minBytes: 4_000 }))).toEqual(['0 0-1']);
  expect(await ask(fetchOf([{}], { maxWaitMs: 60_000, minBytes: 4_000, maxBytes: 2_500 }))).toEqual(['0 0-1']);
  // The second one's batch does not fit behind the first one's.
  const both = [{ fetchOffset: 4 }, { partition: 1, fetchOffset: 4 }];
  expect(await ask(fetchOf(both, { maxWaitMs: 60_000, minBytes: 4_000, maxBytes: 1_500 }))).toEqual(['0 4-4', '1 end']);
});

test('while payload memory is scarce an answer brings little, at once', async () => {
  const { door, fill, ask } = await openReader();
  await fill(20, 20_000);
  vi.spyOn(door.broker.slabs, 'scarce', 'get').mockReturnValue(true);
  const most = Math.floor(KAFKA_FETCH_BYTES_SCARCE / 20_100);
  expect(await ask(fetchOf([{}], { maxWaitMs: 60_000, minBytes: 300_000 }))).toEqual([`0 0-${most - 1}`]);
});

test('partitions come in the order in which they are wanted, topics as they are named', async () => {
  const { door, client, append } = await openReader({ topic: ledPartitions(3) });
  door.apply(...otherTopic({ partitions: [{ leader: 1, epoch: 0 }] }));
  await door.settle();
  await append(batchOf(1), 2);
  await append(batchOf(2), 0);
  const topics = [
    wanting([{ partition: 2 }, { partition: 0 }]),
    wanting([{}], 'other', OTHER_ID_BYTES),
    wanting([{ partition: 1 }]),
  ];
  for (const version of [12, 18]) {
    const response = await client.ask(fetch, version, fetchOf([], { topics }));
    expect(shown(response)).toEqual(['2 0-0', '0 0-1', '0 end', '1 end']);
    const [orders, other] =
      version === 12 ? ['orders', 'other'] : [Buffer.from(TOPIC_ID_BYTES), Buffer.from(OTHER_ID_BYTES)];
    expect(response.responses.map(({ topic, topicId }) => (version === 12 ? topic : topicId))).toEqual([
      orders,
      other,
      orders,
    ]);
  }
});

test('offsets that are not there are out of range; those that do not count yet are waited for', async () => {
  const { door, client, append, ask } = await openReader();
  await append(batchOf(5));
  door.broker.partition().deleteRecords(2);
  await door.settle();
  for (const fetchOffset of [1, 0, 6, 1_000, -1, 2 ** 60]) {
    expect(await ask(fetchOf([{ fetchOffset }], { maxWaitMs: 60_000 }))).toEqual(['0 error 1']);
  }
  expect(await ask(fetchOf([{ fetchOffset: 5 }]))).toEqual(['0 end']);
  door.broker.partition().append(batchOf(3), -1, door.broker.waiter, 0);
  client.send(fetch, 12, fetchOf([{ fetchOffset: 7 }], { maxWaitMs: 60_000 }));
  await door.settleWithoutDisk();
  expect([taken(client), door.fetch.waiting]).toEqual([[], 1]);
  await door.settle();
  expect(taken(client)).toEqual([['0 5-7']]);
});

test('topics and partitions that are not there are told beside those that are, and end nobody’s wait', async () => {
  const { append, ask } = await openReader();
  await append(batchOf(1));
  const topics = [wanting([{ fetchOffset: 1 }, { partition: 7 }]), wanting([{}], 'nothing', NO_SUCH_ID_BYTES)];
  expect(await ask(fetchOf([], { topics, maxWaitMs: 0 }), 12)).toEqual(['0 end', '7 error 3', '0 error 3']);
  expect(await ask(fetchOf([], { topics, maxWaitMs: 0 }), 13)).toEqual(['0 end', '7 error 3', '0 error 100']);
  // Nothing is there that could be waited for.
  const gone = [wanting([{ partition: 7 }])];
  expect(await ask(fetchOf([], { topics: gone, maxWaitMs: 60_000 }), 12)).toEqual(['7 error 3']);
});

test('leader epochs that are not the current one are fenced or unknown', async () => {
  const { ask, append } = await openReader({ topic: { partitions: [{ leader: 1, epoch: 5 }] } });
  await append(batchOf(1));
  expect(await ask(fetchOf([{ currentLeaderEpoch: 4 }]))).toEqual(['0 error 74']);
  expect(await ask(fetchOf([{ currentLeaderEpoch: 6 }]))).toEqual(['0 error 75']);
  expect(await ask(fetchOf([{ currentLeaderEpoch: 5 }]))).toEqual(['0 0-0']);
  expect(await ask(fetchOf([{ currentLeaderEpoch: 4 }]), 8)).toEqual(['0 0-0']);
});

test('who leads, and where, is told with the refusal', async () => {
  const { door, client } = await openReader({ topic: { partitions: [{ leader: 2, epoch: 9, replicas: [2, 1] }] } });
  const leader = { leaderId: 2, leaderEpoch: 9 };
  const endpoint = { nodeId: 2, host: 'broker-2', port: 9092, rack: null };
  for (const version of [16, 18]) {
    const { responses, nodeEndpoints } = await client.ask(fetch, version, fetchOf([{}]));
    expect(responses[0]!.partitions[0]).toMatchObject({ errorCode: 6, currentLeader: leader });
    expect(nodeEndpoints).toContainEqual(endpoint);
  }
  const { responses } = await client.ask(fetch, 12, fetchOf([{}]));
  expect(responses[0]!.partitions[0]).toMatchObject({ errorCode: 6, currentLeader: leader });
  door.apply(...changesOf({ partitions: [{ leader: -1, epoch: 10, replicas: [2, 1] }] }));
  const after = await client.ask(fetch, 18, fetchOf([{}]));
  expect(after.responses[0]!.partitions[0]).toMatchObject({ errorCode: 6, currentLeader: { leaderId: -1 } });
  expect(after.nodeEndpoints).toEqual([]);
});

test('a reader whose log has parted from this one is told where', async () => {
  const { door, client, append, ask } = await openReader({ topic: { partitions: [{ leader: 1, epoch: 2 }] } });
  await append(batchOf(4));
  door.apply(...changesOf({ partitions: [{ leader: 1, epoch: 5 }] }));
  await door.settle();
  await append(batchOf(4));
  for (const [lastFetchedEpoch, fetchOffset, expected] of [
    // It has read in epoch 2 beyond its end, within this log or past all of it; then in an epoch that never was here.
    [2, 6, { epoch: 2, endOffset: 4 }],
    [2, 20, { epoch: 2, endOffset: 4 }],
    [4, 4, { epoch: 2, endOffset: 4 }],
    [5, 9, { epoch: 5, endOffset: 8 }],
  ] as const) {
    const request = fetchOf([{ fetchOffset, lastFetchedEpoch }], { maxWaitMs: 60_000 });
    const { responses } = await client.ask(fetch, 12, request);
    expect(responses[0]!.partitions[0]).toMatchObject({
      errorCode: 0,
      divergingEpoch: expected,
      records: Buffer.alloc(0),
    });
  }
  expect(await ask(fetchOf([{ fetchOffset: 4, lastFetchedEpoch: 2 }]))).toEqual(['0 4-7']);
  expect(await ask(fetchOf([{ fetchOffset: 8, lastFetchedEpoch: 5 }]))).toEqual(['0 end']);
  // Later than any that this leader knows.
  expect(await ask(fetchOf([{ fetchOffset: 8, lastFetchedEpoch: 6 }]))).toEqual(['0 error 1']);
});

test('a partition that is led elsewhere, or deleted, ends the wait at once', async () => {
  const { door, client } = await openReader({ topic: { partitions: [{ leader: 1, epoch: 0, replicas: [1, 2] }] } });
  client.send(fetch, 16, fetchOf([{}], { maxWaitMs: 60_000 }));
  await door.settle();
  door.apply(...changesOf({ partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  await door.settle();
  const [answer] = client.take();
  expect(answer!.response.responses[0].partitions[0]).toMatchObject({ errorCode: 6, currentLeader: { leaderId: 2 } });
  door.apply(...changesOf({ partitions: [{ leader: 1, epoch: 2, replicas: [1, 2] }] }));
  await door.settle();
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 60_000 }));
  await door.settle();
  expect([taken(client), door.fetch.waiting]).toEqual([[], 1]);
  await door.leakedBytes();
  expect([taken(client), door.fetch.waiting]).toEqual([[['0 error 3']], 0]);
});

test('a reader that goes while it waits is parked nowhere any more', async () => {
  const { door, client, append } = await openReader();
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 60_000 }));
  await door.settle();
  const removed = vi.spyOn(door.broker.partition().readers, 'remove');
  client.leave();
  await door.settle();
  expect([door.fetch.waiting, removed.mock.calls.length]).toEqual([0, 1]);
  await append(batchOf(1));
  await door.pass(60_000);
  expect(await door.leakedBytes()).toBe(0);
});

test('a stop answers all that wait with what there is', async () => {
  const { door, client, append } = await openReader();
  const other = door.connect();
  client.send(fetch, 12, fetchOf([{}], { maxWaitMs: 60_000, minBytes: 1_000_000 }));
  other.send(fetch, 12, fetchOf([{ fetchOffset: 1 }], { maxWaitMs: 60_000 }));
  await append(batchOf(1));
  door.fetch.stop();
  await door.settle();
  expect([taken(client), taken(other), door.fetch.waiting]).toEqual([[['0 0-0']], [['0 end']], 0]);
});

test('a broker that has not been told of any topic yet refuses, and does not stop', async () => {
  const { door, ask } = await openReader({ topic: { partitions: [] } });
  expect(await ask(fetchOf([{}]), 12)).toEqual(['0 error 3']);
  expect(await ask(fetchOf([{}]), 13)).toEqual(['0 error 3']);
  expect(door.server.ended.failed).toBe(0);
});
