import { create } from '@bufbuild/protobuf';
import {
  BrokerState,
  ChangeSchema,
  DeltaSchema,
  SnapshotPageSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Change } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { MESSAGE_BYTES_MAX } from '@weir/base/limits.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ClusterImage } from './cluster-image.ts';

const id = (number: number): Uint8Array => new Uint8Array(16).fill(number);

function brokerChange(number: number, epoch: number, state: BrokerState): Change {
  const value = { id: number, epoch: BigInt(epoch), grpcAddress: `b${number}:1`, state };
  return create(ChangeSchema, { change: { case: 'broker', value } });
}

function topicChange(number: number, partitionCount: number): Change {
  return create(ChangeSchema, {
    change: { case: 'topic', value: { name: `t${number}`, id: id(number), partitionCount } },
  });
}

function partitionChange(topic: number, index: number, leader: number, leaderEpoch: number): Change {
  const value = { topicId: id(topic), index, leader, leaderEpoch, replicas: [leader], isr: [leader] };
  return create(ChangeSchema, { change: { case: 'partition', value } });
}

function configsChange(name: string, configs: Record<string, string>, staticConfigs = {}): Change {
  return create(ChangeSchema, { change: { case: 'brokerConfigs', value: { name, configs, staticConfigs } } });
}

const STATES = [BrokerState.ACTIVE, BrokerState.DRAINING, BrokerState.FENCED, BrokerState.GONE] as const;

const anyChange = fc.oneof(
  fc
    .tuple(fc.constantFrom('', '1'), fc.record({ 'message.max.bytes': fc.nat(9).map(String) }, { requiredKeys: [] }))
    .map((args) => configsChange(...args)),
  fc.tuple(fc.nat(3), fc.nat(100), fc.constantFrom(...STATES)).map((args) => brokerChange(...args)),
  fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 4 })).map((args) => topicChange(...args)),
  fc.tuple(fc.nat(3), fc.nat(3), fc.integer({ min: -1, max: 3 }), fc.nat(9)).map((args) => partitionChange(...args)),
);

function contentsOf(image: ClusterImage): unknown {
  return {
    brokers: [...image.brokers()].toSorted((a, b) => a.id - b.id),
    configs: [image.brokerConfigs('default'), image.brokerConfigs(1), image.staticConfigs()],
    topics: [...image.topics()].toSorted((a, b) => a.name.localeCompare(b.name)),
  };
}

function snapshotOf(image: ClusterImage, changes: readonly Change[], revision: number, pageChanges: number): void {
  for (let at = 0; at === 0 || at < changes.length; at += pageChanges) {
    const page = changes.slice(at, at + pageChanges);
    const last = at + pageChanges >= changes.length;
    image.applyPage(create(SnapshotPageSchema, { revision: BigInt(revision), changes: page, last }));
  }
}

test('a partition has its in-sync replicas with their epochs, and who may lead beside them', () => {
  const image = new ClusterImage();
  const value = { topicId: id(1), leader: 2, replicas: [1, 2, 3], isr: [2, 3], isrEpochs: [7n, 9n], elr: [1] };
  const change = create(ChangeSchema, { change: { case: 'partition', value: { ...value, uncleanEpoch: -1 } } });
  snapshotOf(image, [change, topicChange(1, 1)], 5, 10);
  expect(image.topic('t1')?.partitions).toMatchObject([{ isr: [2, 3], isrEpochs: [7, 9], elr: [1], uncleanEpoch: -1 }]);
});

test('deltas one by one and one snapshot in pages of any size give the same image', () => {
  fc.assert(
    fc.property(fc.array(anyChange, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (changes, pageChanges) => {
      const byDeltas = new ClusterImage();
      snapshotOf(byDeltas, [], 0, 1);
      changes.forEach((change, i) => {
        byDeltas.applyDelta(create(DeltaSchema, { revision: BigInt(i + 1), changes: [change] }));
      });
      const bySnapshot = new ClusterImage();
      snapshotOf(bySnapshot, changes, changes.length, pageChanges);
      expect(contentsOf(byDeltas)).toEqual(contentsOf(bySnapshot));
      expect(byDeltas.revision).toBe(bySnapshot.revision);
    }),
  );
});

test('deltas that come twice or late change nothing', () => {
  fc.assert(
    fc.property(fc.array(anyChange, { minLength: 1, maxLength: 20 }), fc.nat(19), (changes, again) => {
      const image = new ClusterImage();
      snapshotOf(image, [], 0, 1);
      const deltas = changes.map((change, i) => create(DeltaSchema, { revision: BigInt(i + 1), changes: [change] }));
      for (const delta of deltas) image.applyDelta(delta);
      const before = structuredClone(contentsOf(image));
      expect(image.applyDelta(deltas[again % deltas.length]!).kind).toBe('stale');
      expect(contentsOf(image)).toEqual(before);
    }),
  );
});

test('a snapshot that is older than the image is dropped', () => {
  const image = new ClusterImage();
  snapshotOf(image, [topicChange(1, 1)], 7, 1);
  expect(image.applyPage(create(SnapshotPageSchema, { revision: 6n, last: true })).kind).toBe('stale');
  expect(image.topic('t1')?.partitions).toHaveLength(1);
});

test('the image stays as it is until the last page of a new snapshot', () => {
  const image = new ClusterImage();
  snapshotOf(image, [topicChange(1, 1)], 1, 1);
  image.applyPage(create(SnapshotPageSchema, { revision: 2n, changes: [topicChange(2, 1)] }));
  expect(image.topic('t2')).toBeUndefined();
  image.applyPage(create(SnapshotPageSchema, { revision: 2n, last: true }));
  expect([...image.topics()].map(({ name }) => name)).toEqual(['t2']);
});

test('partitions that come before their topic are there when it comes', () => {
  const image = new ClusterImage();
  snapshotOf(image, [], 0, 1);
  image.applyDelta(create(DeltaSchema, { revision: 1n, changes: [partitionChange(1, 1, 3, 5)] }));
  expect([...image.topics()]).toEqual([]);
  image.applyDelta(create(DeltaSchema, { revision: 2n, changes: [topicChange(1, 2)] }));
  expect(image.topic('t1')!.partitions.map(({ leader }) => leader)).toEqual([-1, 3]);
});

test('the largest batch is what the topic says, else the cluster, in whatever order they come', () => {
  const image = new ClusterImage();
  const own = create(ChangeSchema, {
    change: { case: 'topic', value: { name: 'own', id: id(9), configs: { 'max.message.bytes': '5' } } },
  });
  snapshotOf(image, [topicChange(1, 1), own], 1, 1);
  const largest = (): unknown[] => ['t1', 'own', 't2'].map((name) => image.topic(name)?.messageBytesMax);
  expect(largest()).toEqual([MESSAGE_BYTES_MAX, 5, undefined]);
  const changed = configsChange('', { 'message.max.bytes': '7' }, { 'num.partitions': '3' });
  const applied = image.applyDelta(create(DeltaSchema, { revision: 2n, changes: [changed, topicChange(2, 1)] }));
  expect(applied).toMatchObject({ changes: [{ kind: 'configs', brokerId: 'default' }, { kind: 'topic' }] });
  expect(largest()).toEqual([7, 5, 7]);
  expect([image.brokerConfigs(3), image.staticConfigs()]).toEqual([{}, { 'num.partitions': '3' }]);
  image.applyDelta(create(DeltaSchema, { revision: 3n, changes: [configsChange('', {})] }));
  expect(largest()).toEqual([MESSAGE_BYTES_MAX, 5, MESSAGE_BYTES_MAX]);
});

test('a topic created again under its name has the new id only', () => {
  const image = new ClusterImage();
  snapshotOf(image, [topicChange(1, 1)], 1, 1);
  const former = image.topic('t1')!;
  const again = create(ChangeSchema, {
    change: { case: 'topic', value: { name: 't1', id: id(9), partitionCount: 1 } },
  });
  image.applyDelta(create(DeltaSchema, { revision: 2n, changes: [again] }));
  expect(image.topic('t1')!.id).not.toBe(former.id);
  expect(image.topicById(former.id)).toBeUndefined();
});

test('a broker that drains is there, and so is one in a state that only a newer coordinator knows', () => {
  const image = new ClusterImage();
  snapshotOf(image, [], 0, 1);
  const told = (state: number): { active: boolean; draining: boolean } | undefined => {
    const revision = BigInt(image.revision + 1);
    const change = brokerChange(1, 1, BrokerState.ACTIVE);
    Reflect.set(change.change.value!, 'state', state);
    image.applyDelta(create(DeltaSchema, { revision, changes: [change] }));
    const broker = image.broker(1);
    return broker && { active: broker.active, draining: broker.draining };
  };
  expect(told(BrokerState.ACTIVE)).toEqual({ active: true, draining: false });
  expect(told(BrokerState.DRAINING)).toEqual({ active: true, draining: true });
  expect(told(99)).toEqual({ active: true, draining: false });
  expect(told(BrokerState.UNSPECIFIED)).toEqual({ active: false, draining: false });
  expect(told(BrokerState.FENCED)).toEqual({ active: false, draining: false });
});

test('a broker that was unregistered is gone, and whoever follows hears of it', () => {
  const image = new ClusterImage();
  snapshotOf(image, [brokerChange(1, 1, BrokerState.FENCED), brokerChange(2, 2, BrokerState.ACTIVE)], 2, 9);
  const changes = [brokerChange(1, 1, BrokerState.GONE)];
  expect(image.applyDelta(create(DeltaSchema, { revision: 3n, changes }))).toEqual({
    kind: 'applied',
    changes: [{ kind: 'brokerGone', id: 1 }],
  });
  expect([...image.brokers()].map(({ id: broker }) => broker)).toEqual([2]);
});
