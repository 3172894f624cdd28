import { expect, test } from 'vitest';
import { brokerId } from '@weir/base/ids.ts';
import type { PartitionInfo } from '@weir/client/metadata/cluster-image.ts';
import { TOPIC_ID } from '../test-broker.ts';
import { Doubts } from './doubts.ts';
import type { DoubtStep } from './doubts.ts';

const KEY = { topicId: TOPIC_ID, index: 0 };
const FOLDER = `${TOPIC_ID}-0`;

/** What the metadata says of a partition of brokers 1 to 3, in leader epoch 5. */
function info(says: Partial<PartitionInfo>): PartitionInfo {
  return {
    index: 0,
    leader: brokerId(2),
    leaderEpoch: 5,
    replicas: [1, 2, 3],
    isr: [2, 3],
    isrEpochs: [102, 103],
    elr: [],
    partitionEpoch: 9,
    uncleanEpoch: -1,
    ...says,
  };
}

/** What is to be done about the replica of broker 1, in which damage was found that it had spoken of up to an epoch. */
function stepOf(says: Partial<PartitionInfo>, spokeIn: number): DoubtStep {
  const doubts = new Doubts();
  doubts.foundDamage(FOLDER, KEY, spokeIn);
  return doubts.step(FOLDER, info(says), 1);
}

test('a damaged replica that anybody counts on is reported, and not dropped', () => {
  for (const spokeIn of [-1, 4, 5]) {
    expect(stepOf({ leader: brokerId(1), isr: [1] }, spokeIn)).toBe('report');
    expect(stepOf({ isr: [1, 2] }, spokeIn)).toBe('report');
    expect(stepOf({ isr: [2], elr: [1] }, spokeIn)).toBe('report');
    expect(stepOf({ leader: -1, isr: [], elr: [1] }, spokeIn)).toBe('report');
  }
});

test('one that its leader may take back for what it was is reported, though it is not in sync', () => {
  expect(stepOf({}, 5)).toBe('report');
  expect(stepOf({}, 6)).toBe('report');
  expect(stepOf({}, 4)).toBe('beginAnew');
});

test('one that nobody leads in the place of is kept', () => {
  expect(stepOf({ leader: -1, isr: [], elr: [] }, 4)).toBe('wait');
  expect(stepOf({ leader: -1, isr: [2] }, 4)).toBe('wait');
});

test('one that is placed elsewhere is of no interest', () => {
  expect(stepOf({ replicas: [2, 3] }, 4)).toBe('none');
});

test('what a start found begins anew as soon as another one leads, unless it was a mistake of ours', () => {
  const doubts = new Doubts();
  doubts.foundAtStart(FOLDER, { key: KEY, doubt: 'damaged' }, { heals: true });
  expect(doubts.step(FOLDER, info({ leaderEpoch: 0 }), 1)).toBe('beginAnew');
  doubts.foundAtStart(FOLDER, { key: KEY, doubt: 'damaged' }, { heals: false });
  expect(doubts.step(FOLDER, info({ leaderEpoch: 0 }), 1)).toBe('wait');
  expect(doubts.step(FOLDER, info({ isr: [1, 2] }), 1)).toBe('report');
  for (const doubt of ['missing', 'unsynced'] as const) {
    doubts.foundAtStart(FOLDER, { key: KEY, doubt }, { heals: true });
    expect(doubts.step(FOLDER, info({ isr: [1, 2] }), 1)).toBe('none');
  }
});

test('a report names the state that it is about, and there is none where the metadata has no such partition', () => {
  const doubts = new Doubts();
  doubts.foundDamage(FOLDER, KEY, 5);
  expect(doubts.toReport(() => info({ isr: [1, 2] }), 1)).toEqual([
    { key: KEY, doubt: 'damaged', spokeIn: 5, partitionEpoch: 9 },
  ]);
  expect(doubts.toReport(() => undefined, 1)).toEqual([]);
  expect(doubts.toReport(() => info({ leaderEpoch: 6 }), 1)).toEqual([]);
  expect([doubts.remove(FOLDER), doubts.remove(FOLDER), doubts.size]).toEqual([true, false, 0]);
});
