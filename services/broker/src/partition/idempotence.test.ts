import { expect, test } from 'vitest';
import { asProducers } from '@weir/log/test-kit.ts';
import { leaderEpoch } from '@weir/base/ids.ts';
import { PRODUCER_ID_EXPIRATION_MS } from '@weir/base/limits.ts';
import { ALONE, batchOf, TestPartitions } from '../test-broker.ts';

/** A batch of so many records of producer 7, from a sequence number on. */
function send(broker: TestPartitions, slot: number, sequence: number, count = 1, epoch = 0): string | undefined {
  const batch = asProducers(batchOf(count), { producerId: 7, epoch, sequence });
  return broker.partition().append(batch, -1, broker.waiter, slot)?.code;
}

test('a batch that comes again while the first is still unsynced is answered together with it', () => {
  const broker = new TestPartitions().leading();
  send(broker, 0, 0, 2);
  expect(send(broker, 1, 0, 2)).toBeUndefined();
  broker.clock.endTurns();
  expect(send(broker, 2, 0, 2)).toBeUndefined();
  send(broker, 3, 2, 3);
  expect(send(broker, 4, 0, 2)).toBeUndefined();
  broker.clock.endTurns();
  expect([...broker.waiter.answers]).toEqual([]);
  broker.disk.completeSyncs(1);
  broker.clock.endTurns();
  expect([...broker.waiter.answers]).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
    [4, 0],
  ]);
  broker.settle();
  expect(broker.waiter.answers.get(3)).toBe(2);
  expect(broker.partition().highWatermark).toBe(5);
  expect(broker.partitions.pendingBytes).toBe(0);
});

test('a batch that counts already is answered at the end of the turn in which it comes again, and is not counted twice', () => {
  const broker = new TestPartitions().leading();
  send(broker, 0, 0, 2);
  send(broker, 1, 2, 2);
  broker.settle();
  const { counters } = broker.partition().topic;
  const before = { ...counters };
  // One that waits behind it does not wait less.
  send(broker, 2, 4);
  const pending = broker.partitions.pendingBytes;
  expect(send(broker, 3, 0, 2)).toBeUndefined();
  expect(broker.waiter.answers.get(3)).toBeUndefined();
  expect(broker.partitions.pendingBytes).toBe(pending);
  broker.clock.endTurns();
  expect([broker.waiter.answers.get(3), broker.waiter.answers.get(2)]).toEqual([0, undefined]);
  broker.settle();
  expect(broker.waiter.answers.get(2)).toBe(4);
  expect([counters.batchesIn - before.batchesIn, counters.recordsIn - before.recordsIn]).toEqual([1, 1]);
});

test('with flush=interval a batch and the one that repeats it are answered at the end of the turn', () => {
  const broker = new TestPartitions().leading({ flush: 'interval' });
  send(broker, 0, 0);
  send(broker, 1, 0);
  expect(broker.waiter.answers.size).toBe(0);
  broker.clock.endTurns();
  expect([...broker.waiter.answers]).toEqual([
    [0, 0],
    [1, 0],
  ]);
});

test('a repeated batch needs no room: it is answered while further ones are refused', () => {
  const bytes = batchOf(1).length;
  const broker = new TestPartitions({ appendPendingBytesMax: bytes }).leading();
  send(broker, 0, 0);
  expect(send(broker, 1, 1)).toBe('THROTTLING_QUOTA_EXCEEDED');
  expect(send(broker, 2, 0)).toBeUndefined();
  broker.settle();
  expect(broker.waiter.answers.get(2)).toBe(0);
  // What was refused has not been seen.
  expect(send(broker, 3, 1)).toBeUndefined();
});

test('what does not follow, or comes from a producer that was replaced, is refused', () => {
  const broker = new TestPartitions().leading();
  send(broker, 0, 0, 1, 1);
  expect(send(broker, 1, 2, 1, 1)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
  expect(send(broker, 2, 1, 1, 0)).toBe('INVALID_PRODUCER_EPOCH');
  expect(send(broker, 3, 1, 1, 2)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
  broker.settle();
  expect([...broker.waiter.answers]).toEqual([[0, 0]]);
});

test('who loses leadership answers a repeated batch as it answers the first', () => {
  const broker = new TestPartitions().leading();
  send(broker, 0, 0);
  send(broker, 1, 0);
  broker.partition().follow(2, 1, -1);
  expect([...broker.waiter.answers.values()]).toEqual(['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER']);
  broker.settle();
  expect(broker.partitions.pendingBytes).toBe(0);
});

test('a broker that starts again knows the batches of the one before it', () => {
  const before = new TestPartitions().leading();
  send(before, 0, 0);
  send(before, 1, 1);
  before.settle();
  before.disk.kill();
  const broker = new TestPartitions({ disk: before.disk }).leading();
  expect(send(broker, 0, 1)).toBeUndefined();
  expect(send(broker, 1, 3)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
  broker.settle();
  expect(broker.waiter.answers.get(0)).toBe(1);
});

test('the look at retention forgets producers that are silent, where the broker leads and where it does not', () => {
  const broker = new TestPartitions().leading();
  const partition = broker.partition();
  send(broker, 0, 0);
  broker.settle();
  partition.retain(1_000);
  partition.unassign();
  partition.retain(1_000 + PRODUCER_ID_EXPIRATION_MS);
  partition.lead(leaderEpoch(1), ALONE);
  expect(send(broker, 1, 9)).toBeUndefined();
});
