import { expect, test, vi } from 'vitest';
import { offset, uuidToBytes } from '@weir/base/ids.ts';
import { APPLY_SLICE_MS, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { refusal } from '@weir/base/errors.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { batchOf, changesOf, TestPartitions, TOPIC_ID } from '../test-broker.ts';

const STOP = refusal('SHUTTING_DOWN', 'stop');
const FOLDER = `${TOPIC_ID}-0`;

test('what the metadata places here is made, named on disk, and then led', () => {
  const broker = new TestPartitions().recover();
  expect(broker.serving()).toBe('UNKNOWN_TOPIC_ID');
  broker.apply(
    ...changesOf({
      partitions: [
        { leader: 1, epoch: 0 },
        { leader: -1, epoch: 0 },
        { leader: 2, epoch: 0, replicas: [2] },
      ],
    }),
  );
  expect(broker.events).toEqual(['recovered: 0', 'created']);
  expect(broker.serving(0)).toBe('served');
  expect(broker.serving(1)).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(broker.serving(2)).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(broker.serving(3)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  expect(broker.serving(0, 1)).toBe('UNKNOWN_LEADER_EPOCH');
  expect(broker.partitions.counts()).toEqual({ leader: 1, follower: 1, unassigned: 0, offline: 0 });
});

test('that all is taken up is told after the last slice of the work, not after the first', () => {
  const broker = new TestPartitions().recover();
  // Each look at the clock finds a slice used up, so that each does one thing.
  vi.spyOn(broker.clock, 'monotonicMs').mockImplementation(() => (broker.clock.nowMs += APPLY_SLICE_MS));
  const partitions = Array.from({ length: 5 }, () => ({ leader: 1, epoch: 0 }));
  broker.apply(...changesOf({ partitions }));
  expect(broker.takenUp).toEqual([5]);
  expect(broker.partitions.toTakeUp).toBe(0);
});

test('a partition that the disk has no room to lead is not taken up until there is room', () => {
  const broker = new TestPartitions().leading();
  expect(broker.takenUp).toEqual([1]);
  broker.disk.failNextAppend('ENOSPC');
  broker.apply(...changesOf({ partitions: [{ leader: 1, epoch: 1 }] }));
  expect([broker.takenUp.length, broker.partitions.toTakeUp]).toEqual([1, 1]);
  broker.clock.advance(WRITE_RETRY_MS);
  expect([broker.takenUp, broker.partitions.toTakeUp]).toEqual([[1, 1], 0]);
  expect(broker.serving(0, 1)).toBe('served');
});

test('a topic id of another length is a bad request', () => {
  const broker = new TestPartitions().leading();
  const found = broker.partitions.serving(Buffer.from('short'), 0, -1);
  expect('code' in found && found.code).toBe('INVALID_REQUEST');
});

test('a topic created again under the same name is another one', () => {
  const broker = new TestPartitions().leading();
  const other = uuidToBytes('0a1b2c3d-0000-4000-8000-000000000002');
  broker.apply(...changesOf({ partitions: [{ leader: 1, epoch: 0 }] }, other));
  expect(broker.serving()).toBe('UNKNOWN_TOPIC_ID');
  // That an image lacks a topic is no proof that it is gone: its records stay.
  expect(broker.disk.list('partitions')).toContain(FOLDER);
});

test('leadership is lost at once and gained again in a later epoch', () => {
  const broker = new TestPartitions().leading();
  broker.apply(...changesOf({ partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  expect(broker.serving()).toBe('NOT_LEADER_OR_FOLLOWER');
  broker.apply(...changesOf({ partitions: [{ leader: 1, epoch: 2, replicas: [1, 2] }] }));
  expect(broker.serving(0, 2)).toBe('served');
});

test('after an orderly stop everything is there and nothing is doubtful', () => {
  const broker = new TestPartitions({ flush: 'interval' }).leading();
  broker.partition().append(batchOf(3), -1, broker.waiter, 0);
  broker.settle();
  expect(broker.partitions.close(STOP, true)).toBe(true);
  const checkpoint = broker.partitions.checkpoint();
  expect(checkpoint.get(FOLDER)).toBe(3);
  broker.disk.kill();
  const again = new TestPartitions({ disk: broker.disk, flush: 'interval' }).recover({
    checkpoint,
    cleanShutdown: true,
  });
  expect(again.partitions.doubtful()).toEqual([]);
  expect(again.serving()).toBe('UNKNOWN_TOPIC_ID');
  again.apply(...changesOf({ partitions: [{ leader: 1, epoch: 1 }] }));
  expect(again.partition().highWatermark).toBe(3);
});

test('after an unclean stop a flush=interval replica is doubtful until it is registered, a flush=commit one is not', () => {
  for (const flush of ['commit', 'interval'] as const) {
    const broker = new TestPartitions({ flush }).leading();
    broker.partition().append(batchOf(3), -1, broker.waiter, 0);
    broker.settle();
    broker.disk.kill();
    // The default has changed since: what counts is how the records were written.
    const options = { disk: broker.disk, flush: flush === 'commit' ? 'interval' : 'commit' } as const;
    const again = new TestPartitions(options).recover();
    const doubts = again.partitions.doubtful().map(({ doubt }) => doubt);
    expect(doubts).toEqual(flush === 'commit' ? [] : ['unsynced']);
    again.partitions.registered();
    expect(again.partitions.doubtful()).toEqual([]);
  }
});

test('an empty log is as doubtful: all that it had may be what was not synced', () => {
  const broker = new TestPartitions({ flush: 'interval' }).leading();
  broker.settle();
  broker.disk.kill();
  const again = new TestPartitions({ disk: broker.disk, flush: 'interval' }).recover();
  expect(again.partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['unsynced']);
});

test('damage below the checkpoint makes a replica doubtful and takes it offline, others go on', () => {
  const broker = new TestPartitions().leading();
  broker.apply(
    ...changesOf({
      partitions: [
        { leader: 1, epoch: 0 },
        { leader: 1, epoch: 0 },
      ],
    }),
  );
  // One after the other: together they would be in the journal, which mends the damage.
  for (const index of [0, 1]) {
    broker.partition(index).append(batchOf(3), -1, broker.waiter, index);
    broker.settle();
  }
  const checkpoint = broker.partitions.checkpoint();
  broker.disk.kill();
  broker.disk.flipBit(`partitions/${FOLDER}/00000000000000000000.log`, 70);
  const again = new TestPartitions({ disk: broker.disk }).recover({ checkpoint, cleanShutdown: false });
  expect(again.partitions.doubtful()).toEqual([{ key: { topicId: TOPIC_ID, index: 0 }, doubt: 'damaged' }]);
  again.apply(
    ...changesOf({
      partitions: [
        { leader: 1, epoch: 1 },
        { leader: 1, epoch: 1 },
      ],
    }),
  );
  expect(again.serving(0)).toBe('KAFKA_STORAGE_ERROR');
  expect(again.serving(1)).toBe('served');
  // The recovery point does not come down: the next start has to find the damage again.
  expect(again.partitions.checkpoint().get(FOLDER)).toBe(3);
  again.partitions.registered();
  expect(again.partitions.doubtful()).toHaveLength(1);
});

test('a folder that the checkpoint knows and that is gone is doubtful, until it is made again to lead', () => {
  const checkpoint = new Map([[FOLDER, offset(9)]]);
  const broker = new TestPartitions().recover({ checkpoint, cleanShutdown: true });
  expect(broker.partitions.doubtful()).toEqual([{ key: { topicId: TOPIC_ID, index: 0 }, doubt: 'missing' }]);
  broker.apply(...changesOf({ partitions: [{ leader: -1, epoch: 3 }] }));
  expect(broker.serving()).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(broker.partitions.checkpoint().get(FOLDER)).toBe(9);
  broker.apply(...changesOf({ partitions: [{ leader: 1, epoch: 4 }] }));
  expect(broker.serving()).toBe('served');
  expect(broker.partitions.doubtful()).toEqual([]);
  expect(broker.partitions.checkpoint().get(FOLDER)).toBe(0);
});

test('a disk that has no room for a new partition leaves that one offline', () => {
  const broker = new TestPartitions().recover();
  broker.disk.failNextAppend('ENOSPC');
  broker.apply(
    ...changesOf({
      partitions: [
        { leader: 1, epoch: 0 },
        { leader: 1, epoch: 0 },
      ],
    }),
  );
  expect(broker.serving(0)).toBe('KAFKA_STORAGE_ERROR');
  expect(broker.serving(1)).toBe('served');
});

test('nothing that was acknowledged is missing after a crash, whatever the disk kept', () => {
  const broker = new TestPartitions({ disk: new SimulatedDisk(seededRandom(1), { blockBytes: 64 }) }).leading();
  let acknowledged = 0;
  for (let round = 0; round < 40; round++) {
    const current = new TestPartitions({ disk: broker.disk }).recover();
    current.apply(...changesOf({ partitions: [{ leader: 1, epoch: round + 1 }] }));
    const partition = current.partition();
    expect(partition.highWatermark).toBeGreaterThanOrEqual(acknowledged);
    for (let i = 0; i < 5; i++) {
      partition.append(batchOf(1 + i, `r${round}`), -1, current.waiter, i);
      current.clock.endTurns();
      if (i < round % 6) current.disk.completeSyncs(1);
    }
    current.clock.endTurns();
    for (const [slot, base] of current.waiter.answers) acknowledged = Math.max(acknowledged, Number(base) + 1 + slot);
    current.disk.crash();
  }
  expect(acknowledged).toBeGreaterThan(40);
});
