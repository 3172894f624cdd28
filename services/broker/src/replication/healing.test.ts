import { expect, test } from 'vitest';
import { DiskError } from '@weir/base/disk.ts';
import { InvariantViolation } from '@weir/base/assert.ts';
import { DOUBT_RETRY_MS, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { DoubtReason } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { batchOf, TestWaiter } from '../test-broker.ts';
import { TestCluster } from '../test-cluster.ts';

const THREE = [1, 2, 3];
const ALL = [
  [15, 15, 15],
  [15, 15, 15],
  [15, 15, 15],
];

/** Three replicas with 15 records, led by broker 1, all of them in sync. */
async function written(): Promise<TestCluster> {
  const cluster = new TestCluster(3);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: THREE }]).settle();
  for (let i = 0; i < 3; i++) {
    cluster.replica(1).append(batchOf(5, `value ${i}`), 0, new TestWaiter(), i);
    cluster.pass(50);
  }
  expect(cluster.ends(1, 2, 3)).toEqual(ALL);
  return cluster;
}

function pathOf(cluster: TestCluster, id: number): string {
  return `partitions/${cluster.replica(id).folder}/00000000000000000000.log`;
}

/** A bit flips in the first batch of a replica, and somebody reads it from there. */
function findDamage(cluster: TestCluster, id: number): void {
  cluster.brokers.get(id)!.partitions.disk.flipBit(pathOf(cluster, id), 70);
  cluster.replica(id).readCold({ from: offset(0), maxBytes: 1, upTo: offset(15) }, () => {});
  cluster.settle();
}

/** The same of a follower: it finds out as it cuts its log, of which the last batch is not committed. */
function findDamageAsFollower(cluster: TestCluster): void {
  cluster.network.silent.add('broker-2');
  cluster.replica(1).append(batchOf(1), 0, new TestWaiter(), 9);
  cluster.pass(50);
  expect(cluster.ends(3)).toEqual([[16, 16, 15]]);
  cluster.network.silent.clear();
  // Of the first batch, the last byte of its leader epoch.
  cluster.brokers.get(3)!.partitions.disk.flipBit(pathOf(cluster, 3), 12 + 3);
  const replica = cluster.replica(3);
  replica.asFollower('cutting', (followership) => followership.cut({ epoch: 0, endOffset: 15 }, offset(0)), undefined);
  cluster.settle();
}

/** What a replica's own file has, as it would be read after a start. */
function bytesOf(cluster: TestCluster, id: number): Buffer {
  return cluster.brokers.get(id)!.partitions.disk.readFile(pathOf(cluster, id))!;
}

test('a leader in which a read finds damage is reported, and begins anew once another one leads without it', async () => {
  const cluster = await written();
  const { partitions, registry } = cluster.brokers.get(1)!;
  findDamage(cluster, 1);
  expect(cluster.replica(1).state).toMatchObject({ kind: 'offline', reason: expect.stringContaining('damaged') });
  // It resigns as well: whichever comes first.
  expect(cluster.asked[0]!.request.partitions[0]!.isr.map((m) => m.brokerId)).toEqual([2, 3]);
  const reported = { reason: DoubtReason.DAMAGED, leaderEpoch: 0, partitionEpoch: 0 };
  expect(cluster.reported[0]!.request.replicas).toMatchObject([reported]);
  expect(partitions.partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['damaged']);
  await cluster.takeReport();
  cluster.pass(200);
  expect([partitions.partitions.doubtful(), cluster.replica(1).state.kind]).toEqual([[], 'follower']);
  expect(cluster.ends(1)).toEqual([[15, 15, 15]]);
  expect(bytesOf(cluster, 1).equals(bytesOf(cluster, 2))).toBe(true);
  const proposal = cluster.asked.at(-1)!.request.partitions[0]!;
  expect([proposal.leaderEpoch, proposal.isr.map((m) => m.brokerId)]).toEqual([1, [2, 3, 1]]);
  expect(await registry.metrics()).toContain('weir_broker_replica_truncations_total{reason="damaged"} 1');
});

test('a follower in which damage is found keeps what it has until a leader epoch begins without it', async () => {
  const cluster = await written();
  findDamageAsFollower(cluster);
  expect(cluster.replica(3).state).toMatchObject({ reason: expect.stringContaining('its log is damaged') });
  // Its leader takes it out for being silent, and may yet take it back for what it was.
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(DOUBT_RETRY_MS);
  expect(cluster.replica(3).state.kind).toBe('offline');
  expect(bytesOf(cluster, 3).length).toBe(bytesOf(cluster, 1).length);
  cluster.reported.shift()!.answer([{ code: 'INVALID_UPDATE_VERSION' }]);
  for (let i = 0; i < 3; i++) await Promise.resolve();
  cluster.pass(DOUBT_RETRY_MS);
  expect(cluster.reported[0]!.request.replicas[0]).toMatchObject({ leaderEpoch: 0, partitionEpoch: 1 });
  await cluster.takeReport();
  cluster.pass(200);
  expect(cluster.replica(1).state).toMatchObject({ kind: 'leader', epoch: 1 });
  expect(cluster.ends(3)[0]!.slice(0, 2)).toEqual([16, 16]);
  expect(bytesOf(cluster, 3).equals(bytesOf(cluster, 1))).toBe(true);
});

test('a report that nobody answers is made again, and none that nobody has to hear', async () => {
  const cluster = await written();
  findDamage(cluster, 1);
  expect(cluster.reported.length).toBe(1);
  cluster.pass(3 * DOUBT_RETRY_MS);
  expect(cluster.reported.length).toBe(1);
  // The coordinator died of it.
  cluster.reported.shift()!.answer([]);
  for (let i = 0; i < 3; i++) await Promise.resolve();
  cluster.pass(DOUBT_RETRY_MS);
  expect(cluster.reported.length).toBe(1);
  await cluster.takeReport();
  cluster.pass(3 * DOUBT_RETRY_MS);
  expect(cluster.reported.length).toBe(0);
});

test('the last replica in sync is kept, whatever is found in it', async () => {
  const cluster = await written();
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1], partitionEpoch: 1 }]).settle();
  const before = bytesOf(cluster, 1).length;
  findDamage(cluster, 1);
  await cluster.takeReport();
  cluster.pass(DOUBT_RETRY_MS);
  expect(cluster.replica(1).state.kind).toBe('offline');
  expect(bytesOf(cluster, 1).length).toBe(before);
  // Somebody accepts the loss.
  cluster.place([{ leader: 2, epoch: 3, replicas: THREE, isr: [2], partitionEpoch: 4 }]).pass(200);
  expect(cluster.ends(1)).toEqual([[15, 15, 15]]);
});

test('a damaged replica that finds no room to begin anew tries again', async () => {
  const cluster = await written();
  const { disk } = cluster.brokers.get(1)!.partitions;
  findDamage(cluster, 1);
  disk.failNextAppend('ENOSPC');
  await cluster.takeReport();
  cluster.settle();
  expect(cluster.replica(1).state.kind).toBe('offline');
  cluster.pass(WRITE_RETRY_MS + 200);
  expect(cluster.ends(1)).toEqual([[15, 15, 15]]);
});

/** Lets reads and openings of a replica's segment fail until it is undone. */
function refuse(disk: SimulatedDisk, part: string, error: () => Error): () => void {
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    if (path.includes(part)) throw error();
    return open(path, mode);
  };
  return () => {
    disk.open = open;
  };
}

function untilPowerCut(disk: SimulatedDisk, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (disk.powerCut === undefined) throw error;
  }
}

/** Kills broker 3, and starts it where its segment cannot be opened. */
async function startUnopenable(error: () => Error) {
  const cluster = await written();
  const { folder } = cluster.replica(3);
  const checkpoint: ReadonlyMap<string, Offset> = cluster.brokers.get(3)!.partitions.partitions.checkpoint();
  const disk = cluster.kill(3);
  const undo = refuse(disk, `${folder}/00000`, error);
  const { partitions } = cluster.start(3, disk, { checkpoint });
  return { cluster, folder, checkpoint, disk, undo, partitions: partitions.partitions, saved: () => partitions.saved };
}

test('a replica whose log cannot be opened is made anew, in a folder of its own, once nobody counts on it', async () => {
  const { cluster, folder, checkpoint, disk, undo, partitions } = await startUnopenable(
    () => new DiskError('EIO', 'the sector cannot be read'),
  );
  expect(partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['damaged']);
  expect(partitions.checkpoint()).toEqual(checkpoint);
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: THREE }]).pass(100);
  expect([cluster.replica(3).state.kind, disk.list('partitions')]).toEqual(['offline', [folder]]);
  undo();
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(200);
  expect([partitions.doubtful(), cluster.ends(3)]).toEqual([[], [[15, 15, 15]]]);
  expect(disk.list('partitions')).toEqual([folder]);
  // What the last run's checkpoint says of the log that is gone is no damage of the one that took its place.
  cluster.brokers.get(3)!.partitions.disk.kill();
  const again = cluster.start(3, disk, { checkpoint });
  expect(again.partitions.partitions.doubtful()).toEqual([]);
});

test('a replica that cannot be opened and is set aside is made anew by the next start, if this one gets no further', async () => {
  for (let cut = 0; cut < 12; cut++) {
    const { cluster, checkpoint, disk, undo } = await startUnopenable(() => new DiskError('EIO', 'no'));
    undo();
    disk.crashAfter(cut);
    untilPowerCut(disk, () =>
      cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(200),
    );
    cluster.kill(3);
    cluster.start(3, disk, { checkpoint });
    cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(200);
    expect(cluster.ends(3), `power cut after ${cut}`).toEqual([[15, 15, 15]]);
    expect(disk.list('partitions')).toHaveLength(1);
  }
});

test('a log that is not opened because of a mistake of ours is left for somebody to look at', async () => {
  const { cluster, disk, undo, partitions } = await startUnopenable(() => new InvariantViolation('never'));
  undo();
  const before = disk.readFile(pathOf(cluster, 3));
  cluster.place([{ leader: 1, epoch: 0, replicas: THREE, isr: [1, 2], partitionEpoch: 1 }]).pass(200);
  expect(partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['damaged']);
  expect([cluster.replica(3).state.kind, disk.readFile(pathOf(cluster, 3))]).toEqual(['offline', before]);
});

test('a folder whose own file cannot be read keeps no broker from starting', async () => {
  const cluster = await written();
  const disk = cluster.kill(3);
  const readFile = disk.readFile.bind(disk);
  disk.readFile = (path) => {
    if (path.endsWith('partition.json')) throw new DiskError('EIO', 'the sector cannot be read');
    return readFile(path);
  };
  const { partitions } = cluster.start(3, disk);
  expect(partitions.partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['damaged']);
});
