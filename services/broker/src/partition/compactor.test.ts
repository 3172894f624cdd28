import { expect, test } from 'vitest';
import {
  COMPACTION_PAUSE_MS,
  COMPACTION_RETRY_MS,
  REPLICA_LAG_TIME_MAX_MS,
  WATERMARK_TOLD_MS,
} from '@weir/base/limits.ts';
import { offset } from '@weir/base/ids.ts';
import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { readRecords } from '@weir/records/read-records.ts';
import { batchOf, changesOf, keyedBatchOf, TestPartitions, TestWaiter } from '../test-broker.ts';
import { TestCluster } from '../test-cluster.ts';
import { Compactor } from './compactor.ts';
import type { Partition } from './partition.ts';
import { topicSettings } from './topic-settings.ts';

const COMPACTED = { 'cleanup.policy': 'compact', 'segment.bytes': '300', 'delete.retention.ms': '1000' };

interface Bed {
  readonly broker: TestPartitions;
  readonly compactor: Compactor;
  readonly told: string[];
  /** What the disk has. */
  readonly room: { bytes: number };
}

function bed(configs: Record<string, string> = {}): Bed {
  const broker = new TestPartitions({ tailCacheBytes: 0 }).leading({ ...COMPACTED, ...configs });
  const told: string[] = [];
  const room = { bytes: 300 };
  const compactor = new Compactor({
    clock: broker.clock,
    partitions: () => broker.partitions.all(),
    mapBytes: 10_000,
    hasRoom: (bytes) => bytes <= room.bytes,
    compacted: ({ name }, { end }) => told.push(`${name} up to ${end}`),
    failed: ({ name }, error) => told.push(`${name}: ${error.message}`),
  });
  return { broker, compactor, told, room };
}

function append({ broker }: Pick<Bed, 'broker'>, ...records: readonly (readonly [string, string | null])[]): void {
  for (const [key, value] of records) {
    const now = broker.clock.wallMs();
    expect(broker.partition().append(keyedBatchOf(key, value, now), -1, broker.waiter, 0)).toBeUndefined();
    broker.settle();
  }
}

function pass({ broker, compactor }: Bed, times = 100): void {
  compactor.look();
  for (let i = 0; i < times; i++) {
    broker.settle();
    broker.clock.advance(COMPACTION_PAUSE_MS);
  }
}

/** What a reader gets of a partition from its start on. */
function read(partition: Partition, disk: SimulatedDisk): string[] {
  const records: string[] = [];
  let next = partition.logStartOffset;
  for (let reads = 0; next < partition.highWatermark && reads < 1_000; reads++) {
    const found = partition.read(next, 10_000);
    const take = (buffers: readonly Buffer[], nextOffset: typeof next): void => {
      for (const buffer of buffers) {
        readRecords(buffer, ({ offset: at, key, value }) => void records.push(`${at} ${key}=${value}`));
      }
      next = nextOffset;
    };
    if (found.kind === 'batches') take(found.buffers, found.nextOffset);
    if (found.kind === 'cold') {
      partition.readCold(found.plan, (_, buffers, nextOffset) => take(buffers, nextOffset));
      disk.settle();
    }
  }
  return records;
}

test("a topic's configs say whether and how it is compacted, with Kafka's defaults", () => {
  expect(topicSettings({}, 'commit')).toMatchObject({
    compacts: false,
    deletes: true,
    deleteRetentionMs: 86_400_000,
    minCompactionLagMs: 0,
    maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
    minDirtyRatio: 0.5,
  });
  const both = { 'cleanup.policy': 'delete, compact', 'min.cleanable.dirty.ratio': '0', 'max.compaction.lag.ms': '7' };
  expect(topicSettings(both, 'commit')).toMatchObject({
    compacts: true,
    deletes: true,
    minDirtyRatio: 0,
    maxCompactionLagMs: 7,
  });
  expect(topicSettings({ 'cleanup.policy': 'compact' }, 'commit')).toMatchObject({ compacts: true, deletes: false });
});

test('a log is compacted once enough of it is dirty, and read as it is then', () => {
  const all = bed({ 'min.cleanable.dirty.ratio': '0.7' });
  append(all, ['a', '1'], ['b', '1'], ['a', '2'], ['a', '3'], ['a', '4'], ['a', '5'], ['a', '6'], ['c', '1']);
  pass(all);
  expect(all.told).toEqual(['orders-0 up to 4']);
  expect(all.compactor.dirtyRatioMax).toBe(0);
  const records = read(all.broker.partition(), all.broker.disk);
  expect(records).toEqual(['1 b=1', '3 a=3', '4 a=4', '5 a=5', '6 a=6', '7 c=1']);
  // What is left is much, and what came is little.
  append(all, ['d', '1'], ['e', '1']);
  pass(all);
  expect(all.told).toHaveLength(1);
});

test('a log that is little dirty is compacted once that has waited for too long', () => {
  const all = bed({ 'min.cleanable.dirty.ratio': '1', 'max.compaction.lag.ms': '5000' });
  append(all, ['a', '1'], ['a', '2'], ['a', '3'], ['a', '4']);
  pass(all, 10);
  expect(all.told).toEqual([]);
  all.broker.clock.advance(5_001);
  // The segment that grows is sealed for it.
  expect(all.broker.partition().retain(all.broker.clock.wallMs())).toEqual({ segments: 0, bytes: 0 });
  pass(all);
  expect(all.told).toEqual(['orders-0 up to 4']);
  expect(read(all.broker.partition(), all.broker.disk)).toEqual(['3 a=4']);
});

test('records are not deleted for their age where they are compacted alone, and are where both is asked for', () => {
  for (const [policy, segments] of [
    ['compact', 0],
    ['compact,delete', 1],
  ] as const) {
    const all = bed({ 'cleanup.policy': policy, 'retention.ms': '1000' });
    append(all, ['a', '1'], ['b', '2'], ['c', '3'], ['d', '4']);
    all.broker.clock.advance(10_000);
    expect(all.broker.partition().retain(all.broker.clock.wallMs()).segments).toBeGreaterThanOrEqual(segments);
    expect(all.broker.partition().logStartOffset > 0).toBe(segments > 0);
  }
});

test('a record without a key is refused by a compacted topic alone', () => {
  const { broker } = bed();
  const refused = broker.partition().append(batchOf(2), -1, broker.waiter, 0);
  expect(refused).toMatchObject({ code: 'INVALID_RECORD' });
  broker.change(...changesOf({ configs: { 'cleanup.policy': 'delete' }, partitions: [{ leader: 1, epoch: 0 }] }));
  expect(broker.partition().append(batchOf(2), -1, broker.waiter, 1)).toBeUndefined();
});

test('a log whose compaction fails is put aside for a while, and goes on serving', () => {
  const all = bed();
  append(all, ['a', '1'], ['a', '2'], ['a', '3'], ['a', '4'], ['a', '5']);
  all.broker.disk.failNextRead('EIO');
  pass(all);
  expect(all.told).toEqual([expect.stringContaining('read of')]);
  append(all, ['a', '6']);
  pass(all);
  expect(all.told).toHaveLength(1);
  all.broker.clock.advance(COMPACTION_RETRY_MS);
  pass(all);
  expect(all.told.slice(1)).toEqual(['orders-0 up to 4']);
});

test('a disk that is nearly full is not filled by what is written anew', () => {
  const all = bed();
  append(all, ['a', '1'], ['a', '2'], ['a', '3'], ['a', '4'], ['a', '5']);
  all.room.bytes = 100;
  pass(all);
  expect(all.told).toEqual([]);
  all.room.bytes = 300;
  pass(all);
  expect(all.told).toEqual(['orders-0 up to 4']);
});

test('followers take over what a compacted leader has left, also from within what it has removed, and compact for themselves', async () => {
  const three = [1, 2, 3];
  const cluster = new TestCluster(3, COMPACTED, { tailCacheBytes: 0 });
  cluster.place([{ leader: 1, epoch: 0, replicas: three, isr: three }]).settle();
  const write = (key: string, value: string): void => {
    expect(cluster.replica(1).append(keyedBatchOf(key, value), -1, new TestWaiter(), 0)).toBeUndefined();
    cluster.settle();
  };
  const compactOn = (id: number): void => {
    const { compaction, highWatermark: upTo } = cluster.replica(id);
    const rules = { nowMs: 0, minLagMs: 0, deleteRetentionMs: 1_000, upTo };
    const kinds: string[] = [];
    const cleanable = compaction!.cleanable(rules)!;
    compaction!.begin({ cleanable, rules, mapBytes: 10_000 }, ({ kind }) => kinds.push(kind));
    for (let i = 0; i < 100 && compaction!.isUnderWay; i++) cluster.settle().pass(COMPACTION_PAUSE_MS);
    expect(kinds).toEqual(['cleaned']);
  };
  write('a', '0');
  write('b', '0');
  for (let i = 0; i < 20; i++) cluster.pass(WATERMARK_TOLD_MS);
  cluster.network.silent.add('broker-3');
  for (let i = 1; i <= 8; i++) write(i % 4 === 0 ? 'b' : 'a', `${i}`);
  // In the same epoch: else a placeholder would end where the follower does.
  cluster.pass(REPLICA_LAG_TIME_MAX_MS + 2_000);
  const leader = cluster.brokers.get(1)!;
  expect(cluster.replica(1).lookAtFollowers(0)).toBe(true);
  leader.replication.mayAlterIsr(cluster.replica(1));
  cluster.settle();
  await cluster.grantIsr();
  cluster.settle().pass(WATERMARK_TOLD_MS);
  expect(cluster.replica(3).endOffset).toBe(2);
  compactOn(1);
  cluster.network.silent.delete('broker-3');
  cluster.place([{ leader: 1, epoch: 1, replicas: three, isr: [1, 2], partitionEpoch: 9 }]).settle();
  cluster.pass(WATERMARK_TOLD_MS);
  expect(cluster.replica(3).endOffset).toBe(10);
  const diskOf = (id: number): SimulatedDisk => cluster.brokers.get(id)!.partitions.disk;
  const leaders = read(cluster.replica(1), diskOf(1));
  // It has what it had before, and from there on what its leader has left.
  expect(read(cluster.replica(3), diskOf(3))).toEqual([
    '0 a=0',
    '1 b=0',
    ...leaders.filter((one) => !/^[01] /.test(one)),
  ]);
  expect(read(cluster.replica(2), diskOf(2))).toHaveLength(10);
  for (const id of [2, 3]) {
    compactOn(id);
    expect(read(cluster.replica(id), diskOf(id)).slice(-2)).toEqual(leaders.slice(-2));
  }
  expect(cluster.replica(3).epochEnd(0)).toEqual(cluster.replica(1).epochEnd(0));
  expect(cluster.replica(3).logStartOffset).toBe(offset(0));
});
