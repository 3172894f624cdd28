import { brokerId } from '@weir/base/ids.ts';
import type { PartitionInfo } from '@weir/client/metadata/cluster-image.ts';
import { expect, test } from 'vitest';
import { isAtLeast, minInSyncOf, stateOf } from './partition-state.ts';

const partition = (leader: number, isr: number[]): PartitionInfo => ({
  index: 0,
  leader: leader === -1 ? -1 : brokerId(leader),
  leaderEpoch: 1,
  replicas: [1, 2, 3],
  isr,
  isrEpochs: isr.map(() => 1),
  elr: [],
  partitionEpoch: 1,
  uncleanEpoch: -1,
});

test('a partition is as bad as the worst that is true of it', () => {
  expect(stateOf(partition(1, [1, 2, 3]), 2)).toBe('in_sync');
  expect(stateOf(partition(1, [1, 2]), 2)).toBe('under_replicated');
  expect(stateOf(partition(1, [1]), 2)).toBe('under_min_isr');
  expect(stateOf(partition(-1, []), 2)).toBe('offline');
});

test('what is worse is also what is less bad', () => {
  expect(isAtLeast('offline', 'under_replicated')).toBe(true);
  expect(isAtLeast('under_replicated', 'under_replicated')).toBe(true);
  expect(isAtLeast('in_sync', 'under_replicated')).toBe(false);
});

test('the minimum is that of the topic, else of the cluster, else what replicas make of it', () => {
  const one = partition(1, [1]);
  expect(minInSyncOf({ configs: {} }, one, {})).toBe(2);
  expect(minInSyncOf({ configs: {} }, one, { 'min.insync.replicas': '1' })).toBe(1);
  expect(minInSyncOf({ configs: { 'min.insync.replicas': '3' } }, one, { 'min.insync.replicas': '1' })).toBe(3);
});
