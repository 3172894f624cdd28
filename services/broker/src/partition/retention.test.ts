import { expect, test } from 'vitest';
import { RETENTION_MS, SEGMENT_BYTES, SEGMENT_MS } from '@weir/base/limits.ts';
import type { Change } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { batchOf, changesOf, configsChange, TestPartitions } from '../test-broker.ts';
import type { Partition } from './partition.ts';
import { Retention } from './retention.ts';
import { topicSettings } from './topic-settings.ts';

const LARGE = 'x'.repeat(400_000);

/** Leads a partition with segments of 1 MiB, in which there are so many batches of 400 kB. */
function withBatches(count: number, configs: Record<string, string>): { broker: TestPartitions; partition: Partition } {
  const broker = new TestPartitions().leading({ 'segment.bytes': '1048576', ...configs });
  const partition = broker.partition();
  for (let i = 0; i < count; i++) {
    expect(partition.append(batchOf(1, LARGE, 1_000 + i), -1, broker.waiter, i)).toBeUndefined();
    broker.settle();
  }
  return { broker, partition };
}

test("a topic's configs say what is kept, with Kafka's defaults", () => {
  expect(topicSettings({}, 'commit')).toMatchObject({
    segmentBytes: SEGMENT_BYTES,
    segmentMs: SEGMENT_MS,
    retentionMs: RETENTION_MS,
    retentionBytes: -1,
  });
  const configs = { 'retention.ms': '-1', 'retention.bytes': '0', 'segment.ms': '5' };
  expect(topicSettings(configs, 'commit')).toMatchObject({ retentionMs: -1, retentionBytes: 0, segmentMs: 5 });
  // What another version has written and this one cannot use.
  const odd = { 'retention.ms': '-7', 'retention.bytes': '', 'segment.ms': 'x' };
  expect(topicSettings(odd, 'commit')).toMatchObject({
    retentionMs: RETENTION_MS,
    retentionBytes: -1,
    segmentMs: SEGMENT_MS,
  });
});

test('segments that are too many go, a reader below finds its offset out of range, and files are gone', () => {
  const { broker, partition } = withBatches(7, { 'retention.bytes': '1000000' });
  const before = partition.sizeBytes;
  const report = partition.retain(2_000);
  expect(report.segments).toBe(2);
  expect(partition.sizeBytes).toBe(before - report.bytes);
  expect(partition.sizeBytes).toBeGreaterThanOrEqual(1_000_000);
  expect(partition.logStartOffset).toBe(4);
  expect(partition.read(3 as never, 100).kind).toBe('outOfRange');
  const logs = broker.disk.list(`partitions/${partition.folder}`)!.filter((name) => name.endsWith('.log'));
  expect(logs.toSorted()).toEqual(['00000000000000000004.log', '00000000000000000006.log']);
  expect(partition.retain(2_000)).toEqual({ segments: 0, bytes: 0 });
});

test('records that are too old go, the newest as well, and offsets go on where they were', () => {
  const { broker, partition } = withBatches(3, { 'retention.ms': '10000' });
  expect(partition.retain(11_000).segments).toBe(0);
  expect(partition.retain(20_000).segments).toBe(2);
  expect([partition.logStartOffset, partition.highWatermark]).toEqual([3, 3]);
  partition.append(batchOf(1, 'next', 20_000), -1, broker.waiter, 9);
  broker.settle();
  expect(broker.waiter.answers.get(9)).toBe(3);
});

test('with -1 nothing ever goes', () => {
  const { partition } = withBatches(3, { 'retention.ms': '-1' });
  expect(partition.retain(Number.MAX_SAFE_INTEGER).segments).toBe(0);
});

test('only where it leads, with the configs that the metadata has', () => {
  const { broker, partition } = withBatches(3, { 'retention.ms': '10000' });
  const configs = { 'segment.bytes': '1048576', 'retention.ms': '-1' };
  broker.apply(...changesOf({ configs, partitions: [{ leader: 1, epoch: 0 }] }));
  expect(partition.retain(50_000).segments).toBe(0);
  const shorter = { ...configs, 'retention.ms': '10000' };
  broker.apply(...changesOf({ configs: shorter, partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  expect(partition.retain(50_000).segments).toBe(0);
  broker.apply(...changesOf({ configs: shorter, partitions: [{ leader: 1, epoch: 2, replicas: [1, 2] }] }));
  expect(partition.retain(50_000).segments).toBe(2);
});

test('where the topic says nothing, the broker comes before the cluster, from the next pass on', () => {
  const { broker, partition } = withBatches(3, {});
  const ofCluster = (value: string): Change => configsChange('', { 'log.retention.ms': value });
  const topic = changesOf({ configs: { 'segment.bytes': '1048576' }, partitions: [{ leader: 1, epoch: 0 }] });
  broker.apply(ofCluster('10000'), configsChange('1', { 'log.retention.ms': '-1' }), ...topic);
  expect(partition.retain(50_000).segments).toBe(0);
  broker.apply(ofCluster('10000'), configsChange('2', { 'log.retention.ms': '-1' }), ...topic);
  expect(partition.topic.settings).toMatchObject({ retentionMs: 10_000, segmentBytes: 1_048_576 });
  expect(partition.retain(50_000).segments).toBe(2);
});

test('a change of the defaults reaches the partitions that are led and those that are made later', () => {
  const broker = new TestPartitions().leading();
  broker.change(configsChange('', { 'message.max.bytes': '500', 'log.roll.ms': '7' }));
  const settings = { messageBytesMax: 500, segmentMs: 7 };
  expect(broker.partition().topic.settings).toMatchObject(settings);
  const id = new Uint8Array(16).fill(7);
  broker.change(...changesOf({ partitions: [{ leader: 1, epoch: 0 }] }, id, 'later'));
  expect([...broker.partitions.all()].map(({ topic }) => topic.settings)).toMatchObject([settings, settings]);
});

test('an altered segment.bytes counts from the next batch on', () => {
  const { broker, partition } = withBatches(2, { 'segment.bytes': '100000000' });
  const segments = (): number =>
    broker.disk.list(`partitions/${partition.folder}`)!.filter((name) => name.endsWith('.log')).length;
  expect(segments()).toBe(1);
  broker.change(...changesOf({ configs: { 'segment.bytes': '1048576' }, partitions: [{ leader: 1, epoch: 0 }] }));
  for (let slot = 5; slot < 7; slot++) {
    partition.append(batchOf(1, LARGE, 2_000), -1, broker.waiter, slot);
    broker.settle();
  }
  expect([segments(), broker.waiter.answers.get(6)]).toEqual([2, 3]);
});

test('the pass over all partitions lets others run in between, and the next one waits for its end', () => {
  const broker = new TestPartitions().recover();
  broker.apply(...changesOf({ partitions: Array.from({ length: 5 }, () => ({ leader: 1, epoch: 0 })) }));
  const looked: string[] = [];
  for (const partition of broker.partitions.all()) {
    partition.retain = () => {
      looked.push(partition.folder);
      broker.clock.nowMs += 100;
      return { segments: 1, bytes: 10 };
    };
  }
  let removed = 0;
  const retention = new Retention({
    clock: broker.clock,
    partitions: () => broker.partitions.all(),
    removed: (_partition, { bytes }) => void (removed += bytes),
  });
  retention.look();
  retention.look();
  expect(looked).toHaveLength(1);
  broker.clock.endTurns();
  expect(new Set(looked).size).toBe(5);
  expect([looked.length, removed]).toEqual([5, 50]);
  retention.look();
  retention.stop();
  broker.clock.endTurns();
  expect(looked).toHaveLength(6);
});
