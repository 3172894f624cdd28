import { brokerId, topicId } from '@weir/base/ids.ts';
import type { BrokerInfo, PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { expect, test } from 'vitest';
import { assess } from './assess.ts';

const broker = (id: number, active = true, draining = false): BrokerInfo => ({
  id: brokerId(id),
  epoch: 1,
  grpcAddress: `127.0.0.1:${7_000 + id}`,
  kafkaAddress: '',
  replicationAddress: '',
  rack: '',
  active,
  draining,
});

const partition = (
  index: number,
  { leader = 1, isr = [1, 2] }: { leader?: number; isr?: number[] } = {},
): PartitionInfo => ({
  index,
  leader: leader === -1 ? -1 : brokerId(leader),
  leaderEpoch: 1,
  replicas: [1, 2],
  isr,
  isrEpochs: isr.map(() => 1),
  elr: [],
  partitionEpoch: 1,
  uncleanEpoch: -1,
});

const topic = (name: string, partitions: readonly PartitionInfo[]): TopicInfo => ({
  name,
  id: topicId('0a1b2c3d-0000-4000-8000-000000000001'),
  idBytes: new Uint8Array(16),
  partitions,
  configs: {},
  messageBytesMax: 1_000_000,
});

test('a cluster whose brokers are active and whose partitions are led and in sync is healthy', () => {
  expect(assess([broker(1), broker(2)], [topic('a', [partition(0), partition(1)])], {})).toEqual({
    status: 'healthy',
    problems: [],
  });
});

test('a broker that is away and replicas that are out of sync degrade it', () => {
  const health = assess([broker(1), broker(2, false)], [topic('a', [partition(0, { isr: [1] }), partition(1)])], {});
  expect(health).toEqual({
    status: 'degraded',
    problems: ['broker 2 is away (it was at 127.0.0.1:7002)', 'a: 1 of 2 partitions (0) with replicas out of sync'],
  });
});

test('too few replicas in sync take a partition down, as it is not written any more', () => {
  const topics = [topic('a', [partition(0, { isr: [1] }), partition(1)])];
  const health = assess([broker(1), broker(2)], topics, { 'min.insync.replicas': '2' });
  expect(health).toEqual({
    status: 'down',
    problems: ['a: 1 of 2 partitions (0) with fewer replicas in sync than min.insync.replicas'],
  });
});

test('a partition without a leader takes it down, and comes first', () => {
  const partitions = Array.from({ length: 12 }, (_, i) => partition(i, { leader: -1, isr: [] }));
  const health = assess([broker(1), broker(2, false)], [topic('b', [partition(0)]), topic('a', partitions)], {});
  expect(health).toEqual({
    status: 'down',
    problems: [
      'a: 12 of 12 partitions (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …) without a leader',
      'broker 2 is away (it was at 127.0.0.1:7002)',
    ],
  });
});

test('without a broker, or an active one, it is down', () => {
  expect(assess([], [], {})).toEqual({ status: 'down', problems: ['no broker has registered'] });
  expect(assess([broker(1, false)], [], {})).toMatchObject({
    status: 'down',
    problems: ['no broker is active', 'broker 1 is away (it was at 127.0.0.1:7001)'],
  });
});
