import { expect, test } from 'vitest';
import { DiskError } from '@weir/base/disk.ts';
import { refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { batchOf, changesOf, TestPartitions } from '../test-broker.ts';

const STOPPING = refusal('SHUTTING_DOWN', 'the broker stops');

test('a log that could not be opened once keeps its checkpoint, so that damage below it is never taken for a torn tail', () => {
  const first = new TestPartitions().leading();
  for (let i = 0; i < 3; i++) {
    first.partition().append(batchOf(1, 'v'.repeat(50)), 0, first.waiter, i);
    first.settle();
  }
  const checkpoint = first.partitions.checkpoint();
  const { folder } = first.partition();
  first.disk.kill();
  first.disk.failNextRead();
  const second = new TestPartitions({ disk: first.disk }).recover({ checkpoint, cleanShutdown: false });
  const written = second.partitions.checkpoint();
  expect(written.get(folder)).toBe(offset(3));
  first.disk.kill();
  const path = `partitions/${folder}/00000000000000000000.log`;
  first.disk.flipBit(path, first.disk.readFile(path)!.length - 5);
  const third = new TestPartitions({ disk: first.disk }).recover({ checkpoint: written, cleanShutdown: false });
  expect(third.partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['damaged']);
});

test('a folder that lost its file takes nothing for durable that is not synced, and gets its file again', () => {
  const first = new TestPartitions({ flush: 'interval' }).leading({ flush: 'commit' });
  const { folder } = first.partition();
  // As after a kill between making the folder and naming the file.
  first.disk.removeFile(`partitions/${folder}/partition.json`);
  first.disk.kill();
  const again = new TestPartitions({ disk: first.disk, flush: 'interval' }).recover();
  again.partitions.registered();
  again.apply(...changesOf({ configs: { flush: 'commit' }, partitions: [{ leader: 1, epoch: 1 }] }));
  again.partition().append(batchOf(1), 1, again.waiter, 0);
  again.clock.endTurns();
  expect(again.waiter.answers.size).toBe(0);
  const file = JSON.parse(String(again.disk.readFile(`partitions/${folder}/partition.json`))) as object;
  expect(file).toMatchObject({ configs: { flush: 'commit' }, flush: 'commit' });
});

test('a stop with records that count and are not synced is not clean', () => {
  const disk = new SimulatedDisk(seededRandom(5), { blockBytes: 64 });
  const broker = new TestPartitions({ flush: 'interval', disk }).leading({ flush: 'interval' });
  broker.partition().append(batchOf(1, 'a'.repeat(500)), 0, broker.waiter, 0);
  broker.clock.endTurns();
  disk.failNextAppend('EIO', 10);
  broker.partition().append(batchOf(1), 0, broker.waiter, 1);
  broker.clock.endTurns();
  expect(broker.partitions.close(STOPPING, true)).toBe(false);
});

test('a new partition whose name the disk does not take leads nothing', () => {
  const broker = new TestPartitions().recover();
  broker.takesNames = false;
  broker.apply(...changesOf({ partitions: [{ leader: 1, epoch: 0 }] }));
  expect(broker.partitions.counts()).toMatchObject({ offline: 1, leader: 0 });
  expect(broker.events).toContain('offline: orders-0');
});

test('what a journal has of a log that could not be opened does not come back over the one in its place', () => {
  const first = new TestPartitions().recover();
  first.apply(...changesOf({ partitions: [0, 1].map(() => ({ leader: 1, epoch: 0 })) }));
  for (let i = 0; i < 3; i++) {
    for (const index of [0, 1])
      first.partition(index).append(batchOf(1, 'old'.repeat(20)), 0, first.waiter, 2 * i + index);
    first.clock.endTurns();
    // The journal's alone: the logs' own files are not synced.
    first.disk.completeSyncs(1);
    first.clock.endTurns();
  }
  expect([...first.waiter.answers.keys()]).toHaveLength(6);
  const { folder } = first.partition();
  const checkpoint = first.partitions.checkpoint();
  first.disk.kill();
  const open = first.disk.open.bind(first.disk);
  first.disk.open = (path, mode) => {
    if (path.startsWith(`partitions/${folder}/0`)) throw new DiskError('EIO', 'the sector cannot be read');
    return open(path, mode);
  };
  const second = new TestPartitions({ disk: first.disk }).recover({ checkpoint });
  first.disk.open = open;
  expect(second.partitions.doubtful().map(({ doubt }) => doubt)).toEqual(['damaged']);
  second.apply(...changesOf({ partitions: [0, 1].map(() => ({ leader: 2, epoch: 1, replicas: [1, 2] })) }));
  second.settle();
  const [partition] = [...second.partitions.all()].filter((one) => one.folder === folder);
  const records = batchOf(1, 'new');
  records.writeInt32BE(1, 12);
  const frame = { records, producers: undefined, highWatermark: 0, logStartOffset: 0 };
  expect(
    partition!.asFollower('following', (following) => following.take(frame, second.slabs), undefined),
  ).toBeUndefined();
  second.settle();
  expect(partition!.durableEnd).toBe(1);
  second.disk.kill();
  const third = new TestPartitions({ disk: second.disk }).recover({ checkpoint: second.partitions.checkpoint() });
  expect(third.partitions.doubtful()).toEqual([]);
  const again = [...third.partitions.all()].find((one) => one.folder === folder)!;
  expect([again.endOffset, again.epochAt(0)]).toEqual([1, 1]);
});
