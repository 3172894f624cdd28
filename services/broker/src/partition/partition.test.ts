import { expect, test } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { ALONE, batchOf, changesOf, TestPartitions } from '../test-broker.ts';
import type { TailReader } from './partition-parts.ts';

class Reader implements TailReader {
  memberIndex = -1;
  readonly told: string[] = [];

  wake(): void {
    this.told.push('wake');
  }

  ended(why: Refusal): void {
    this.told.push(why.code);
  }
}

test('with flush=commit an append is answered only once its sync has returned', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  expect(partition.append(batchOf(3), 0, broker.waiter, 0)).toBeUndefined();
  broker.clock.endTurns();
  expect(broker.waiter.answers.size).toBe(0);
  expect(partition.highWatermark).toBe(0);
  broker.disk.completeSyncs();
  broker.clock.endTurns();
  expect(broker.waiter.answers.get(0)).toBe(0);
  expect(partition.highWatermark).toBe(3);
  expect(broker.partitions.pendingBytes).toBe(0);
});

test('what comes while a sync is under way goes out together, and is answered in offset order', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  partition.append(batchOf(1), -1, broker.waiter, 0);
  broker.clock.endTurns();
  partition.append(batchOf(2), -1, broker.waiter, 1);
  partition.append(batchOf(3), -1, broker.waiter, 2);
  broker.clock.endTurns();
  expect(broker.disk.pendingSyncs).toBe(1);
  broker.disk.completeSyncs(1);
  broker.clock.endTurns();
  expect([...broker.waiter.answers]).toEqual([[0, 0]]);
  expect(broker.disk.pendingSyncs).toBe(1);
  broker.settle();
  expect([...broker.waiter.answers]).toEqual([
    [0, 0],
    [1, 1],
    [2, 3],
  ]);
});

test('with flush=interval an append is answered at the end of its turn', () => {
  const broker = new TestPartitions().leading({ flush: 'interval' });
  broker.partition().append(batchOf(2), -1, broker.waiter, 0);
  expect(broker.waiter.answers.size).toBe(0);
  broker.clock.endTurns();
  expect(broker.waiter.answers.get(0)).toBe(0);
  expect(broker.partition().highWatermark).toBe(2);
});

test('a batch that is no good is refused with its code, and takes no offset', () => {
  const broker = new TestPartitions().leading({ 'max.message.bytes': '200' });
  const partition = broker.partition();
  const corrupt = batchOf(1);
  corrupt[corrupt.length - 1]! ^= 1;
  expect(partition.append(corrupt, -1, broker.waiter, 0)?.code).toBe('CORRUPT_MESSAGE');
  expect(partition.append(batchOf(1, 'x'.repeat(300)), -1, broker.waiter, 0)?.code).toBe('MESSAGE_TOO_LARGE');
  partition.append(batchOf(1), -1, broker.waiter, 1);
  broker.settle();
  expect([...broker.waiter.answers]).toEqual([[1, 0]]);
});

test('another leader epoch is refused: an older one as fenced, a newer one as unknown', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  partition.lead(leaderEpoch(5), ALONE);
  expect(partition.problem(4)?.code).toBe('FENCED_LEADER_EPOCH');
  expect(partition.problem(6)?.code).toBe('UNKNOWN_LEADER_EPOCH');
  expect(partition.problem(5)).toBeUndefined();
  expect(partition.problem(-1)).toBeUndefined();
});

test('past the budget of what waits for the disk an append is refused as throttled', () => {
  const batch = batchOf(1);
  const broker = new TestPartitions({ appendPendingBytesMax: 2 * batch.length }).leading();
  const partition = broker.partition();
  expect(partition.append(batchOf(1), -1, broker.waiter, 0)).toBeUndefined();
  expect(partition.append(batchOf(1), -1, broker.waiter, 1)).toBeUndefined();
  expect(partition.append(batchOf(1), -1, broker.waiter, 2)?.code).toBe('THROTTLING_QUOTA_EXCEEDED');
  broker.settle();
  expect(partition.append(batchOf(1), -1, broker.waiter, 3)).toBeUndefined();
});

test('a fault of the disk takes that partition offline, and what waits is answered with a storage error', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  const reader = new Reader();
  partition.readers.add(reader);
  partition.readers.park(reader);
  broker.disk.failNextAppend('EIO', 10);
  partition.append(batchOf(1), -1, broker.waiter, 0);
  broker.clock.endTurns();
  expect(broker.waiter.answers.get(0)).toBe('KAFKA_STORAGE_ERROR');
  expect(reader.told).toEqual(['KAFKA_STORAGE_ERROR']);
  expect(broker.serving()).toBe('KAFKA_STORAGE_ERROR');
  expect(partition.append(batchOf(1), -1, broker.waiter, 1)?.message).toContain('writing its log failed');
  expect(broker.events).toContain('offline: orders-0');
  expect(broker.partitions.pendingBytes).toBe(0);
});

test('on a full disk what was taken waits, more is refused, reads go on, and it recovers by itself', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  partition.append(batchOf(1), -1, broker.waiter, 0);
  broker.settle();
  broker.disk.failNextAppend('ENOSPC', 10);
  partition.append(batchOf(1), -1, broker.waiter, 1);
  broker.clock.endTurns();
  expect(partition.append(batchOf(1), -1, broker.waiter, 2)).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' });
  expect(partition.read(offset(0), 1_000).kind).toBe('batches');
  expect(broker.waiter.answers.get(1)).toBeUndefined();
  broker.clock.advance(WRITE_RETRY_MS);
  broker.settle();
  expect(broker.waiter.answers.get(1)).toBe(1);
  expect(partition.append(batchOf(1), -1, broker.waiter, 3)).toBeUndefined();
  expect(broker.events.filter((event) => event.startsWith('offline'))).toEqual([]);
});

test('a partition that cannot begin its epoch on a full disk begins it later', () => {
  const broker = new TestPartitions().recover();
  const topic = { partitions: [{ leader: 1, epoch: 0 }] };
  broker.apply(...changesOf(topic));
  broker.partition().unassign();
  // The leader-epoch file is what the disk has no room for.
  broker.disk.failNextAppend('ENOSPC', 0);
  broker.apply(...changesOf({ partitions: [{ leader: 1, epoch: 1 }] }));
  expect(broker.partitions.counts()).toMatchObject({ leader: 0, offline: 0 });
  broker.clock.advance(WRITE_RETRY_MS);
  broker.clock.endTurns();
  expect(broker.partitions.counts()).toMatchObject({ leader: 1, offline: 0 });
});

test('a failed sync is told as such, and nothing that it should have covered is answered with an offset', () => {
  const broker = new TestPartitions().leading();
  broker.partition().append(batchOf(1), -1, broker.waiter, 0);
  broker.clock.endTurns();
  broker.disk.failNextSync();
  broker.settle();
  expect(broker.events).toContain('sync failed: orders-0');
  expect(broker.waiter.answers.get(0)).toBe('KAFKA_STORAGE_ERROR');
});

test('who loses leadership answers what waits, ends its readers, and names the leader', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  const reader = new Reader();
  partition.readers.add(reader);
  partition.append(batchOf(1), -1, broker.waiter, 0);
  partition.follow(2, 1, -1);
  expect(broker.waiter.answers.get(0)).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(reader.told).toEqual(['NOT_LEADER_OR_FOLLOWER']);
  expect(partition.problem(-1)?.message).toContain('broker 2 leads it');
  broker.settle();
  expect(broker.waiter.answers.size).toBe(1);
});

test('a leader that leads on in a new epoch answers what it took in the old one', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  partition.append(batchOf(1), 0, broker.waiter, 0);
  broker.clock.endTurns();
  partition.lead(leaderEpoch(1), ALONE);
  broker.settle();
  expect(broker.waiter.answers.get(0)).toBe(0);
});

test('metadata with an older epoch than the log takes the replica offline instead of forking the log', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  partition.lead(leaderEpoch(7), ALONE);
  partition.follow(2, 8, -1);
  partition.lead(leaderEpoch(6), ALONE);
  expect(partition.state.kind).toBe('offline');
});

test('a reader sees nothing that does not count yet, and is woken when it does', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  const reader = new Reader();
  partition.readers.add(reader);
  partition.append(batchOf(2), -1, broker.waiter, 0);
  broker.clock.endTurns();
  expect(partition.read(offset(0), 1_000).kind).toBe('atEnd');
  expect(partition.read(offset(2), 1_000).kind).toBe('atEnd');
  expect(partition.read(offset(3), 1_000).kind).toBe('outOfRange');
  partition.readers.park(reader);
  broker.settle();
  expect(reader.told).toEqual(['wake']);
  const read = partition.read(offset(1), 1_000);
  expect(read.kind === 'batches' && read.nextOffset).toBe(2);
});
