import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import { asProducers } from '@weir/log/test-kit.ts';
import {
  CATCH_UP_LOADED_BYTES_PER_SECOND,
  CATCH_UP_SLICE_MS,
  REPLICA_LAG_TIME_MAX_MS,
  WATERMARK_TOLD_MS,
} from '@weir/base/limits.ts';
import { deleteRecords } from '../delete-records.ts';
import { batchOf, TestWaiter } from '../test-broker.ts';
import { TestCluster } from '../test-cluster.ts';

const THREE = [1, 2, 3];

/** Three replicas, led by broker 1, all of them in sync. */
function inSync(configs: Record<string, string> = {}): TestCluster {
  const cluster = new TestCluster(3, configs);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: THREE }]).settle();
  return cluster;
}

test('a batch is acknowledged and shown once every in-sync replica has it durably', () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  const leader = cluster.replica(1);
  leader.append(batchOf(3), 0, waiter, 0);
  leader.append(batchOf(1), 0, waiter, 1, 'leader');
  // To the followers and to all disks but one.
  for (let i = 0; i < 20; i++) {
    cluster.clock.endTurns();
    cluster.network.deliver();
    for (const id of [1, 2]) cluster.brokers.get(id)!.partitions.disk.completeSyncs();
  }
  expect(cluster.ends(1, 2, 3)).toEqual([
    [4, 4, 0],
    [4, 4, 0],
    [4, 0, 0],
  ]);
  expect([...waiter.answers]).toEqual([[1, 3]]);
  cluster.settle();
  expect([...waiter.answers]).toEqual([
    [1, 3],
    [0, 0],
  ]);
  cluster.pass(WATERMARK_TOLD_MS);
  expect(cluster.ends(1, 2, 3)).toEqual([
    [4, 4, 4],
    [4, 4, 4],
    [4, 4, 4],
  ]);
});

test('a follower gets what its leader has no memory for, as soon as that is durable there', () => {
  const cluster = new TestCluster(3, {}, { tailCacheBytes: 0 });
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: THREE }]).settle();
  const waiter = new TestWaiter();
  cluster.replica(1).append(batchOf(2), 0, waiter, 0);
  cluster.settle();
  expect(waiter.answers.get(0)).toBe(0);
  expect(cluster.ends(2)[0]!.slice(0, 2)).toEqual([2, 2]);
});

test('replicas hold the same bytes', () => {
  const cluster = inSync();
  for (let i = 0; i < 5; i++) cluster.replica(1).append(batchOf(2, `value ${i}`), 0, new TestWaiter(), 0);
  cluster.settle().pass(WATERMARK_TOLD_MS);
  const bytesOf = (id: number): Buffer => {
    const read = cluster.replica(id).read(cluster.replica(id).logStartOffset, 1_000_000);
    if (read.kind !== 'batches') throw new Error(read.kind);
    return Buffer.concat(read.buffers);
  };
  expect(bytesOf(2).equals(bytesOf(1))).toBe(true);
  expect(bytesOf(3).equals(bytesOf(1))).toBe(true);
});

test('a follower that is silent for too long leaves the ISR, and what waited for it is acknowledged', async () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  cluster.network.silent.add('broker-3');
  cluster.replica(1).append(batchOf(1), 0, waiter, 0);
  cluster.pass(REPLICA_LAG_TIME_MAX_MS - 1_000);
  expect([cluster.asked.length, waiter.answers.size]).toEqual([0, 0]);
  lookAtFollowers(cluster, 3_000);
  expect(cluster.asked[0]!.request.partitions[0]!.isr.map((m) => m.brokerId)).toEqual([1, 2]);
  expect(waiter.answers.size).toBe(0);
  await cluster.grantIsr();
  cluster.settle();
  expect(waiter.answers.get(0)).toBe(0);
});

test('with too few in sync writes are refused, and those that wait are told that they may count later', async () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  cluster.network.silent.add('broker-2');
  cluster.network.silent.add('broker-3');
  const leader = cluster.replica(1);
  leader.append(batchOf(1), 0, waiter, 0);
  cluster.pass(100);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1], partitionEpoch: 1 }]).settle();
  expect(waiter.answers.get(0)).toBe('NOT_ENOUGH_REPLICAS_AFTER_APPEND');
  expect(leader.append(batchOf(1), 0, waiter, 1)?.code).toBe('NOT_ENOUGH_REPLICAS');
  expect(leader.append(batchOf(1), 0, waiter, 2, 'leader')).toBeUndefined();
  cluster.settle();
  expect([waiter.answers.get(2), leader.highWatermark]).toEqual([1, 0]);
  // They come back, and join: both hold all that is committed.
  cluster.network.silent.clear();
  for (const id of [2, 3]) cluster.brokers.get(id)!.replication.registered();
  cluster.pass(100);
  expect(cluster.asked[0]!.request.partitions[0]!.isr.map((m) => m.brokerId)).toEqual([1, 2, 3]);
  await cluster.grantIsr();
  cluster.pass(100);
  expect(leader.highWatermark).toBe(2);
  expect(leader.append(batchOf(1), 0, waiter, 3)).toBeUndefined();
  cluster.settle();
  expect(waiter.answers.get(3)).toBe(2);
});

test('a leader that comes back as a follower cuts what its successor does not have', () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  const old = cluster.replica(1);
  old.append(batchOf(2), 0, waiter, 0);
  cluster.pass(100);
  cluster.network.silent.add('broker-1');
  old.append(batchOf(3, 'nobody else has it'), 0, waiter, 1);
  cluster.settle();
  const moved = [{ leader: 2, epoch: 1, replicas: THREE, isr: [2, 3] }];
  cluster.place(moved, 2, 3).settle();
  cluster.replica(2).append(batchOf(1, 'of the new leader'), 1, waiter, 2);
  cluster.pass(100);
  expect(cluster.ends(1, 2, 3)).toEqual([
    [5, 5, 2],
    [3, 3, 3],
    [3, 3, 3],
  ]);
  cluster.network.silent.delete('broker-1');
  cluster.place(moved).pass(200);
  expect(waiter.answers.get(1)).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(cluster.ends(1)).toEqual([[3, 3, 3]]);
  expect(cluster.asked[0]!.request.partitions[0]!.isr.map((m) => m.brokerId)).toEqual([2, 3, 1]);
});

test('a follower that was killed goes on where its disk ends, and joins again', async () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  cluster.replica(1).append(batchOf(2), 0, waiter, 0);
  cluster.pass(100);
  const disk = cluster.kill(3);
  const without = { leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 };
  cluster.place([without]).settle();
  for (let i = 1; i < 20; i++) cluster.replica(1).append(batchOf(10, 'x'.repeat(500)), 0, waiter, i);
  cluster.pass(100);
  cluster.start(3, disk);
  cluster.place([without]).pass(200);
  expect(cluster.ends(3)).toEqual([[192, 192, 192]]);
  await cluster.grantIsr();
  cluster.pass(100);
  expect(cluster.brokers.get(3)!.replication.followed).toEqual({ inSync: 1, catchingUp: 0 });
});

test('a follower behind the start of its leader’s log begins anew there', () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  cluster.replica(1).append(batchOf(2), 0, waiter, 0);
  cluster.pass(100);
  const disk = cluster.kill(3);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).settle();
  for (let i = 1; i < 5; i++) cluster.replica(1).append(batchOf(10), 0, waiter, i);
  cluster.pass(100);
  expect(cluster.replica(1).deleteRecords(30)).toBe(30);
  cluster.start(3, disk);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(300);
  const replica = cluster.replica(3);
  expect([replica.logStartOffset, ...cluster.ends(3)[0]!]).toEqual([30, 42, 42, 42]);
});

test('a follower whose last record its leader has deleted begins anew there: it may be another one', () => {
  const cluster = inSync({ 'min.insync.replicas': '1' });
  const waiter = new TestWaiter();
  const send = (to: number, sequence: number, id: number): void => {
    expect(
      cluster.replica(to).append(asProducers(batchOf(1), { producerId: 7, sequence }), -1, waiter, id),
    ).toBeUndefined();
  };
  send(1, 0, 0);
  cluster.pass(100);
  // Broker 1 alone has what comes now: it is away, and broker 2 leads without it.
  cluster.network.silent.add('broker-1');
  send(1, 1, 1);
  cluster.settle();
  expect(cluster.ends(1)).toEqual([[2, 2, 1]]);
  const disk = cluster.kill(1);
  cluster.network.silent.clear();
  const without = [{ leader: 2, epoch: 1, replicas: THREE, isr: [2, 3], partitionEpoch: 1 }];
  cluster.place(without).pass(100);
  cluster.replica(2).append(batchOf(1, 'in its place'), 1, waiter, 2);
  cluster.pass(100);
  expect(cluster.replica(2).deleteRecords(2)).toBe(2);
  cluster.start(1, disk);
  cluster.place(without).pass(300);
  expect([cluster.replica(1).logStartOffset, ...cluster.ends(1)[0]!]).toEqual([2, 2, 2, 2]);
  // What was never committed is not taken for a repetition.
  cluster.place([{ leader: 1, epoch: 2, replicas: THREE, isr: [1], partitionEpoch: 2 }]).settle();
  send(1, 1, 3);
  cluster.pass(100);
  expect(waiter.answers.get(3)).toBe(2);
});

test('followers take over the start of their leader’s log', () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  for (let i = 0; i < 5; i++) cluster.replica(1).append(batchOf(10), 0, waiter, i);
  cluster.pass(100);
  cluster.replica(1).deleteRecords(20);
  cluster.replica(1).append(batchOf(1), 0, waiter, 5);
  cluster.pass(100);
  expect([2, 3].map((id) => cluster.replica(id).logStartOffset)).toEqual([20, 20]);
});

test('records count as deleted once those who may lead next have deleted them, which they are told without new data', async () => {
  const cluster = inSync();
  cluster.replica(1).append(batchOf(10), 0, new TestWaiter(), 0);
  cluster.pass(100);
  cluster.network.silent.add('broker-3');
  const { clock } = cluster;
  const asked = [{ partition: cluster.replica(1), before: 4 }];
  const outcomes: unknown[] = [];
  const ask = (timeoutMs: number): void =>
    void deleteRecords(asked, { clock, timeoutMs }).then((results) => outcomes.push(...results));
  const settled = async (ms: number): Promise<unknown[]> => {
    cluster.pass(ms);
    await setImmediate();
    return outcomes.splice(0);
  };
  ask(500);
  expect(await settled(400)).toEqual([]);
  expect([1, 2, 3].map((id) => cluster.replica(id).logStartOffset)).toEqual([4, 4, 0]);
  expect(await settled(100)).toMatchObject([
    { code: 'REQUEST_TIMED_OUT', message: expect.stringContaining('a replica in sync has not deleted them in time') },
  ]);
  // Broker 3 is in sync no more.
  ask(500);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]);
  expect(await settled(10)).toEqual([4]);
  cluster.network.silent.clear();
  cluster.brokers.get(3)!.replication.metadataChanged([{ kind: 'all' }]);
  ask(0);
  expect(await settled(100)).toEqual([4]);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1], partitionEpoch: 2 }]);
  ask(500);
  expect(await settled(500)).toMatchObject([
    { code: 'REQUEST_TIMED_OUT', message: expect.stringContaining('1 in sync are fewer than the 2 that are needed') },
  ]);
  ask(500);
  cluster.place([{ leader: 2, epoch: 1, replicas: THREE, isr: THREE, partitionEpoch: 3 }]);
  expect(await settled(10)).toMatchObject([{ code: 'NOT_LEADER_OR_FOLLOWER' }]);
});

test('a follower that finds no room to move its start tries again', () => {
  const cluster = inSync();
  cluster.replica(1).append(batchOf(10), 0, new TestWaiter(), 0);
  cluster.pass(100);
  cluster.brokers.get(3)!.partitions.disk.failNextAppend('ENOSPC');
  cluster.replica(1).deleteRecords(4);
  cluster.pass(30);
  expect([2, 3].map((id) => cluster.replica(id).logStartOffset)).toEqual([4, 0]);
  cluster.pass(200);
  expect([2, 3].map((id) => cluster.replica(id).logStartOffset)).toEqual([4, 4]);
});

test('so does one whose start was due no sooner than what it took was durable', () => {
  const cluster = inSync();
  const { disk, slabs } = cluster.brokers.get(3)!.partitions;
  cluster.network.silent.add('broker-3');
  cluster.replica(1).append(batchOf(10), 0, new TestWaiter(), 0);
  cluster.pass(REPLICA_LAG_TIME_MAX_MS + 2_000);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(50);
  const read = cluster.replica(1).leadership!.read(offset(0), 1_000_000);
  const frame = {
    records: Buffer.concat(read.kind === 'batches' ? read.buffers : []),
    producers: undefined,
    highWatermark: 10,
    logStartOffset: 4,
  };
  expect(cluster.replica(1).deleteRecords(4)).toBe(4);
  // Its leader has told all that it has to tell.
  cluster.pass(2 * WATERMARK_TOLD_MS);
  cluster.replica(3).asFollower('taking', (followership) => followership.take(frame, slabs), undefined);
  // It is written by then.
  cluster.clock.endTurns();
  disk.failNextAppend('ENOSPC');
  cluster.network.silent.clear();
  cluster.settle();
  expect([cluster.replica(3).logStartOffset, cluster.replica(3).durableEnd]).toEqual([0, 10]);
  cluster.pass(200);
  expect(cluster.replica(3).logStartOffset).toBe(4);
});

test('a new leader does not tell an end that it does not know', () => {
  const cluster = inSync();
  cluster.replica(1).append(batchOf(2), 0, new TestWaiter(), 0);
  cluster.settle();
  // The watermark has not been told to broker 2.
  cluster.network.silent.add('broker-3');
  cluster.place([{ leader: 2, epoch: 1, replicas: THREE, isr: THREE }], 2);
  expect([cluster.replica(2).highWatermark, cluster.replica(2).isEndKnown]).toEqual([0, false]);
  cluster.place([{ leader: 2, epoch: 1, replicas: THREE, isr: [1, 2], partitionEpoch: 2 }]).pass(200);
  expect([cluster.replica(2).highWatermark, cluster.replica(2).isEndKnown]).toEqual([2, true]);
});

test('who follows in another epoch than its leader leads in is refused, and what it has counts for nothing', () => {
  const cluster = inSync();
  const next = [{ leader: 1, epoch: 1, replicas: THREE, isr: THREE, partitionEpoch: 1 }];
  cluster.place(next, 1).pass(2_000);
  const { replicas } = cluster.replica(1).leadership!;
  expect([2, 3].map((id) => replicas.durableEndOf(id))).toEqual([undefined, undefined]);
  cluster.place(next).pass(2_000);
  expect([2, 3].map((id) => replicas.durableEndOf(id))).toEqual([0, 0]);
});

test('a leader that goes out of service asks that another in-sync replica leads', () => {
  const cluster = inSync();
  cluster.replica(1).goOffline('an invariant does not hold');
  cluster.settle();
  const { leaderEpoch, isr } = cluster.asked[0]!.request.partitions[0]!;
  expect([leaderEpoch, isr.map((m) => m.brokerId)]).toEqual([0, [2, 3]]);
});

test('one that is elected while its replica is out of service resigns at once, and again in every epoch', () => {
  const cluster = inSync();
  cluster.replica(2).goOffline('an invariant does not hold');
  cluster.place([{ leader: 2, epoch: 1, replicas: THREE, isr: [2, 3] }]).settle();
  const { leaderEpoch, isr } = cluster.asked[0]!.request.partitions[0]!;
  expect([leaderEpoch, isr.map((m) => m.brokerId)]).toEqual([1, [3]]);
});

test('one whose disk fails over the epoch that it is elected for resigns at once', () => {
  const cluster = inSync();
  cluster.brokers.get(2)!.partitions.disk.failNextAppend();
  cluster.place([{ leader: 2, epoch: 1, replicas: THREE, isr: [2, 3] }]).settle();
  expect(cluster.replica(2).state.kind).toBe('offline');
  const asked = cluster.asked.map(({ request }) => request.partitions[0]!);
  expect(asked.map(({ leaderEpoch, isr }) => [leaderEpoch, isr.map((m) => m.brokerId)])).toEqual([[1, [3]]]);
});

test('a broker that stalls resigns what it leads, and serves it until another one does', () => {
  const cluster = inSync();
  cluster.brokers.get(1)!.replication.stalls('the disk stalls');
  cluster.settle();
  expect(cluster.asked[0]!.request.partitions[0]!.isr.map((m) => m.brokerId)).toEqual([2, 3]);
  const waiter = new TestWaiter();
  cluster.replica(1).append(batchOf(1), 0, waiter, 0);
  cluster.settle();
  expect(waiter.answers.get(0)).toBe(0);
});

test('a damaged replica begins anew once the metadata counts on it no more', () => {
  const cluster = inSync();
  const waiter = new TestWaiter();
  for (let i = 0; i < 3; i++) {
    cluster.replica(1).append(batchOf(5, `value ${i}`), 0, waiter, i);
    cluster.pass(50);
  }
  const { folder } = cluster.replica(3);
  const checkpoint = cluster.brokers.get(3)!.partitions.partitions.checkpoint();
  const disk = cluster.kill(3);
  disk.flipBit(`partitions/${folder}/00000000000000000000.log`, 100);
  const { partitions } = cluster.start(3, disk, { checkpoint });
  expect(partitions.partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['damaged']);
  // An older copy of the metadata, from before the registration that told of the damage.
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: THREE }]).pass(100);
  expect(cluster.replica(3).state.kind).toBe('offline');
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(200);
  expect([partitions.partitions.doubtful(), cluster.ends(3)]).toEqual([[], [[15, 15, 15]]]);
});

test('committed records are not cut, whatever a leader says, unless an unclean election has dropped them', () => {
  const cluster = inSync();
  cluster.replica(1).append(batchOf(5), 0, new TestWaiter(), 0);
  cluster.pass(100);
  // A broker that never had them leads, as no clean election would have it.
  const disk = cluster.kill(2);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 3], partitionEpoch: 1 }]).settle();
  expect(disk).toBeDefined();
  cluster.start(2);
  cluster.place([{ leader: 2, epoch: 1, replicas: THREE, isr: [2] }]).pass(200);
  expect(cluster.replica(1).state).toMatchObject({
    kind: 'offline',
    reason: expect.stringContaining('lacks committed'),
  });
  expect(cluster.replica(3).state.kind).toBe('offline');
});

/** The keeper's timer, which the test's clock has none of. */
function lookAtFollowers(cluster: TestCluster, afterMs: number): void {
  cluster.pass(afterMs);
  for (const { partitions, replication } of cluster.brokers.values()) {
    for (const partition of partitions.partitions.all()) {
      if (partition.lookAtFollowers(0)) replication.mayAlterIsr(partition);
    }
  }
  cluster.settle();
}

test('a follower that begins anew knows of deleted batches that an idempotent producer repeats, also once it leads and has restarted', () => {
  // The second time the leader's log begins within a batch.
  for (const deletedEnd of [4, 5]) {
    const cluster = inSync({ 'min.insync.replicas': '1' });
    const send = (to: number, sequence: number, count: number, waiter = new TestWaiter()): TestWaiter => {
      const batch = asProducers(batchOf(count), { producerId: 7, sequence });
      expect(cluster.replica(to).append(batch, -1, waiter, 0)).toBeUndefined();
      cluster.pass(100);
      return waiter;
    };
    cluster.kill(3);
    const without = [{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }];
    cluster.place(without).settle();
    send(1, 0, 2);
    send(1, 2, 2);
    send(1, 4, 2);
    cluster.replica(1).deleteRecords(deletedEnd);
    cluster.start(3);
    cluster.place(without).pass(300);
    expect(cluster.ends(3)).toEqual([[6, 6, 6]]);
    const disk = cluster.kill(3);
    cluster.start(3, disk);
    cluster.place([{ leader: 3, epoch: 1, replicas: THREE, isr: [3], partitionEpoch: 2 }], 3).settle();
    expect([...send(3, 2, 2).answers]).toEqual([[0, 2]]);
    expect([...send(3, 6, 1).answers]).toEqual([[0, 6]]);
    expect(cluster.replica(3).endOffset).toBe(7);
  }
});

test('beside writers a replica that is behind is served in slices of time, from memory and from the disk', () => {
  const batch = batchOf(1, 'x'.repeat(100_000));
  const sliceBytes = (CATCH_UP_LOADED_BYTES_PER_SECOND * CATCH_UP_SLICE_MS) / 1_000;
  for (const tailCacheBytes of [undefined, 0]) {
    const memory = tailCacheBytes === undefined ? {} : { tailCacheBytes };
    const cluster = new TestCluster(3, { 'min.insync.replicas': '1' }, memory);
    const twelve = Array.from({ length: 12 }, () => ({ leader: 1, epoch: 0, replicas: [1, 3], isr: [1] }));
    cluster.kill(3);
    cluster.place(twelve).settle();
    for (let round = 0; round < 10; round++) {
      for (let index = 0; index < twelve.length; index++)
        cluster.replica(1, index).append(Buffer.from(batch), -1, new TestWaiter(), 0);
      cluster.pass(10);
    }
    cluster.start(3);
    cluster.place(twelve);
    const bytesAt3 = (): number =>
      [...cluster.brokers.get(3)!.partitions.partitions.all()].reduce((sum, partition) => sum + partition.sizeBytes, 0);
    let [most, before] = [0, 0];
    for (let i = 0; i < 100; i++) {
      cluster.replica(1).append(batchOf(1, 'y'.repeat(1_000)), -1, new TestWaiter(), 0);
      cluster.pass(10);
      const now = bytesAt3();
      most = Math.max(most, now - before);
      before = now;
    }
    // A slice, and what is over it: one batch, as batches go whole.
    expect(most).toBeGreaterThan(batch.length);
    expect(most).toBeLessThanOrEqual(2 * sliceBytes + batch.length);
  }
});
