import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { errorCodeOf } from '@weir/base/errors.ts';
import { PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { DeleteRecordsRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { batchOf, changesOf, TestPartitions, TOPIC_ID, TOPIC_ID_BYTES } from '../test-broker.ts';
import { answerDeleteRecords } from './delete-records.ts';

const FOLDER = `${TOPIC_ID}-0`;

/** Leads a partition with ten records in five batches. */
function withRecords(): TestPartitions {
  const broker = new TestPartitions().leading();
  for (let i = 0; i < 5; i++) broker.partition().append(batchOf(2), -1, broker.waiter, i);
  broker.settle();
  return broker;
}

/** Offsets to delete before, of partition 0 unless it is said; what comes back: low watermarks and error codes. */
async function ask(broker: TestPartitions, ...asked: { offset: bigint; partition?: number; epoch?: number }[]) {
  const partitions = asked.map(({ offset, partition = 0, epoch = -1 }) => ({
    topicId: TOPIC_ID_BYTES,
    partition,
    leaderEpoch: epoch,
    offset,
  }));
  const answering = answerDeleteRecords(
    broker.partitions,
    broker.clock,
    create(DeleteRecordsRequestSchema, { partitions }),
  );
  const { results } = await answering;
  return results.map(({ errorCode, lowWatermark }) =>
    errorCode === 0 ? Number(lowWatermark) : errorCodeOf(errorCode),
  );
}

test('the start moves up to an offset or to the end, and never down', async () => {
  const broker = withRecords();
  expect(await ask(broker, { offset: 3n })).toEqual([3]);
  expect(broker.partition().logStartOffset).toBe(3);
  expect(broker.partition().read(2 as never, 1).kind).toBe('outOfRange');
  expect(broker.partition().read(3 as never, 1).kind).toBe('batches');
  expect(await ask(broker, { offset: 1n }, { offset: 0n })).toEqual([3, 3]);
  expect(await ask(broker, { offset: 10n })).toEqual([10]);
  broker.partition().append(batchOf(1), -1, broker.waiter, 9);
  broker.settle();
  expect(await ask(broker, { offset: -1n })).toEqual([11]);
  expect(broker.partition().highWatermark).toBe(11);
});

test('it is durable before it is answered: whatever a crash takes, the start stays', async () => {
  const broker = withRecords();
  const checkpoint = broker.partitions.checkpoint();
  expect(await ask(broker, { offset: 5n })).toEqual([5]);
  broker.disk.crash();
  const next = new TestPartitions({ disk: broker.disk }).recover({ checkpoint });
  next.apply(...changesOf({ partitions: [{ leader: 1, epoch: 1 }] }));
  expect(next.partitions.doubtful()).toEqual([]);
  expect([next.partition().logStartOffset, next.partition().highWatermark]).toEqual([5, 10]);
  expect(next.partitions.checkpoint().get(FOLDER)).toBe(10);
});

test('what is not durable yet is past the high watermark', async () => {
  const broker = withRecords();
  broker.partition().append(batchOf(5), -1, broker.waiter, 9);
  broker.clock.endTurns();
  expect(await ask(broker, { offset: 12n }, { offset: -1n })).toEqual(['OFFSET_OUT_OF_RANGE', 10]);
});

test('each partition has its own answer', async () => {
  const broker = withRecords();
  expect(
    await ask(
      broker,
      { offset: 11n },
      { offset: -2n },
      { offset: 2n ** 62n },
      { offset: 1n, partition: 4 },
      { offset: 1n, epoch: 5 },
      { offset: 2n, epoch: 0 },
    ),
  ).toEqual([
    'OFFSET_OUT_OF_RANGE',
    'OFFSET_OUT_OF_RANGE',
    'OFFSET_OUT_OF_RANGE',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'UNKNOWN_LEADER_EPOCH',
    2,
  ]);
  broker.apply(...changesOf({ partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  expect(await ask(broker, { offset: 3n })).toEqual(['NOT_LEADER_OR_FOLLOWER']);
});

test('a disk without room refuses for now, and the partition goes on', async () => {
  const broker = withRecords();
  broker.disk.failNextAppend('ENOSPC');
  expect(await ask(broker, { offset: 3n })).toEqual(['KAFKA_STORAGE_ERROR']);
  expect(broker.serving()).toBe('served');
  expect(await ask(broker, { offset: 3n })).toEqual([3]);
});

test('too many partitions in one request are refused as a whole', async () => {
  const many = Array.from({ length: PARTITIONS_PER_REQUEST_MAX + 1 }, () => ({ offset: 1n }));
  await expect(ask(withRecords(), ...many)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});
