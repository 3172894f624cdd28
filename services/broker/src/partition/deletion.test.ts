import { expect, test } from 'vitest';
import { topicId, uuidToBytes } from '@weir/base/ids.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { PowerCut } from '@weir/base/power-cut.ts';
import { batchOf, changesOf, TestPartitions, TOPIC_ID } from '../test-broker.ts';
import type { TailReader } from './partition-parts.ts';

const OTHER_ID = topicId('0a1b2c3d-0000-4000-8000-00000000000f');
const OTHER = uuidToBytes(OTHER_ID);
const leads = { partitions: [{ leader: 1, epoch: 0 }] };
const leadsTwo = { partitions: [...leads.partitions, ...leads.partitions] };

/** Leads two partitions of "orders" and one of "kept", with a record in each. */
function withRecords(disk?: SimulatedDisk): TestPartitions {
  const broker = new TestPartitions(disk === undefined ? {} : { disk }).recover();
  broker.apply(...changesOf(leadsTwo), ...changesOf(leads, OTHER, 'kept'));
  for (const partition of broker.partitions.all()) partition.append(batchOf(3), -1, broker.waiter, 0);
  broker.settle();
  return broker;
}

const foldersOf = (broker: TestPartitions): string[] => (broker.disk.list('partitions') ?? []).toSorted();

test('the folders of a deleted topic go, others stay, and the checkpoint has forgotten them', () => {
  const broker = withRecords();
  broker.applyDeletion();
  expect(foldersOf(broker)).toEqual([`${OTHER_ID}-0`]);
  expect([...broker.saved.keys()]).toEqual([`${OTHER_ID}-0`]);
  expect(broker.serving()).toBe('UNKNOWN_TOPIC_ID');
  expect(broker.partitions.counts()).toEqual({ leader: 1, follower: 0, unassigned: 0, offline: 0 });
  expect(broker.partitions.busy).toBe(false);
});

test('a deleted partition stays in the checkpoint until the new name of its folder is durable', () => {
  const broker = withRecords();
  broker.apply(...changesOf(leads, OTHER, 'kept'));
  broker.partitions.deleteTopic(TOPIC_ID);
  expect(broker.serving()).toBe('UNKNOWN_TOPIC_ID');
  expect(broker.partitions.checkpoint().get(`${TOPIC_ID}-0`)).toBe(3);
  broker.clock.endTurns();
  expect(broker.partitions.checkpoint().has(`${TOPIC_ID}-0`)).toBe(false);
});

test('who waits is answered at once, readers end, and nothing is held any more', () => {
  const broker = withRecords();
  const partition = broker.partition();
  const told: string[] = [];
  const reader: TailReader = { memberIndex: -1, wake() {}, ended: ({ code }: Refusal) => void told.push(code) };
  partition.readers.add(reader);
  partition.append(batchOf(1), -1, broker.waiter, 7);
  broker.clock.endTurns();
  expect(broker.disk.pendingSyncs).toBe(1);
  broker.applyDeletion();
  expect(told).toEqual(['UNKNOWN_TOPIC_ID']);
  expect(broker.waiter.answers.get(7)).toBe('UNKNOWN_TOPIC_ID');
  expect(broker.partitions.pendingBytes).toBe(0);
  // The sync that was under way comes back to nobody.
  broker.settle();
  expect(broker.events.filter((event) => event.startsWith('offline'))).toEqual([]);
  expect(partition.append(batchOf(1), -1, broker.waiter, 8)?.code).toBe('UNKNOWN_TOPIC_ID');
});

test('a topic that is created again under the name begins at offset 0', () => {
  const broker = withRecords();
  broker.applyDeletion();
  const again = uuidToBytes('0a1b2c3d-0000-4000-8000-0000000000aa');
  broker.apply(...changesOf(leads, again), ...changesOf(leads, OTHER, 'kept'));
  const partition = broker.partitions.serving(again, 0, -1);
  expect('highWatermark' in partition && partition.highWatermark).toBe(0);
});

test('an offline replica and one that is missing are removed as well', () => {
  const broker = withRecords();
  broker.partition(0).goOffline('test');
  broker.applyDeletion();
  expect(foldersOf(broker)).toEqual([`${OTHER_ID}-0`]);
  const lost = new TestPartitions().recover({ checkpoint: withRecords().partitions.checkpoint() });
  expect(lost.partitions.doubtful()).toHaveLength(3);
  lost.apply(...changesOf({ partitions: [{ leader: -1, epoch: 1 }] }, OTHER, 'kept'));
  expect(lost.partitions.orphanTopics()).toEqual([TOPIC_ID]);
  lost.partitions.deleteTopic(TOPIC_ID);
  expect(lost.partitions.doubtful().map(({ key }) => key.topicId)).toEqual([OTHER_ID]);
  expect([...lost.partitions.checkpoint().keys()]).toEqual([`${OTHER_ID}-0`]);
});

test('a snapshot that lacks a topic removes nothing, and what the metadata has is not deleted by any proof', () => {
  const broker = withRecords();
  broker.apply(...changesOf(leads, OTHER, 'kept'));
  expect(broker.serving()).toBe('UNKNOWN_TOPIC_ID');
  expect(foldersOf(broker)).toHaveLength(3);
  expect(broker.partitions.orphanTopics()).toEqual([TOPIC_ID]);
  broker.partitions.deleteTopic(OTHER_ID);
  broker.clock.endTurns();
  expect(foldersOf(broker)).toHaveLength(3);
  broker.partitions.deleteTopic(TOPIC_ID);
  broker.clock.endTurns();
  expect(foldersOf(broker)).toEqual([`${OTHER_ID}-0`]);
});

test('a partition that was about to be made is not made', () => {
  const broker = new TestPartitions().recover();
  broker.apply();
  const many = { partitions: Array.from({ length: 5 }, () => ({ leader: 1, epoch: 0 })) };
  // Time stands still, so that slices end with the work; a clock that runs ends each after one folder.
  broker.clock.monotonicMs = () => (broker.clock.nowMs += 100);
  const ending = broker.clock.endTurns.bind(broker.clock);
  broker.clock.endTurns = () => {};
  broker.apply(...changesOf(many));
  expect(foldersOf(broker)).toHaveLength(1);
  broker.applyDeletion();
  ending();
  expect(foldersOf(broker)).toEqual([]);
  expect(broker.partitions.busy).toBe(false);
});

test('without a checkpoint the empty folder stays until there is one, and the files are gone before that', () => {
  const broker = withRecords();
  broker.takesNames = false;
  broker.applyDeletion();
  expect(foldersOf(broker)).toEqual([`${OTHER_ID}-0`, `${TOPIC_ID}-0.deleted`, `${TOPIC_ID}-1.deleted`].toSorted());
  expect(broker.disk.list(`partitions/${TOPIC_ID}-0.deleted`)).toEqual([]);
  expect(broker.events).toContain('deletion failed: EIO');
  broker.takesNames = true;
  broker.clock.advance(WRITE_RETRY_MS);
  broker.clock.endTurns();
  expect(foldersOf(broker)).toEqual([`${OTHER_ID}-0`]);
});

test('an earlier run that came no further than the new name is finished by the next one, and nothing is missing', () => {
  const broker = withRecords();
  const checkpoint = broker.partitions.checkpoint();
  broker.disk.kill();
  broker.disk.rename(`partitions/${TOPIC_ID}-0`, `partitions/${TOPIC_ID}-0.deleted`);
  const next = new TestPartitions({ disk: broker.disk }).recover({ checkpoint });
  expect(next.partitions.doubtful()).toEqual([]);
  next.clock.endTurns();
  expect(foldersOf(next)).toEqual([`${OTHER_ID}-0`, `${TOPIC_ID}-1`].toSorted());
  expect([...next.saved.keys()].toSorted()).toEqual(foldersOf(next));
});

test('wherever the power goes, nothing of another topic is lost and no folder of the deleted one is missed', () => {
  let cuts = 0;
  for (let seed = 0; seed < 200; seed++) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 64 });
    const broker = withRecords(disk);
    for (const folder of ['.', 'partitions', ...foldersOf(broker).map((name) => `partitions/${name}`)]) {
      disk.syncDirectory(folder);
    }
    disk.crashAfter(seed % 40);
    try {
      broker.applyDeletion();
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      cuts++;
    }
    disk.crash();
    const next = new TestPartitions({ disk }).recover({ checkpoint: broker.saved });
    expect(next.partitions.doubtful()).toEqual([]);
    next.apply(...changesOf({ partitions: [{ leader: 1, epoch: 1 }] }, OTHER, 'kept'));
    const kept = next.partitions.serving(OTHER, 0, -1);
    expect('highWatermark' in kept && kept.highWatermark).toBe(3);
    for (const id of next.partitions.orphanTopics()) next.partitions.deleteTopic(id);
    next.settle();
    expect(foldersOf(next)).toEqual([`${OTHER_ID}-0`]);
    expect([...next.partitions.checkpoint().keys()]).toEqual([`${OTHER_ID}-0`]);
  }
  expect(cuts).toBeGreaterThan(50);
});
