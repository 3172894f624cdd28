import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { DOUBTS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  CoordinatorService,
  DoubtReason,
  ReportDoubtfulReplicasRequestSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { COORDINATOR, TestSetting } from './test-setting.ts';

const method = protobufMethod(CoordinatorService.method.reportDoubtfulReplicas);

/** A broker reports its replica of the first partition of a topic, in the state that the metadata has it in. */
function reports(setting: TestSetting, topic: string, id: number, values: object = {}) {
  const { idBytes, partitions } = setting.client.topic(topic)!;
  const { leaderEpoch, partitionEpoch } = partitions[0]!;
  const replica = { topicId: idBytes, partition: 0, reason: DoubtReason.DAMAGED, leaderEpoch, partitionEpoch };
  const asked = { brokerId: id, brokerEpoch: BigInt(setting.broker(id).epoch), replicas: [replica], ...values };
  const connection = setting.transport.connect(COORDINATOR);
  const request = create(ReportDoubtfulReplicasRequestSchema, asked);
  return setting.after(connection.call(method, request, { deadlineMs: 1_000 }));
}

test('that a replica is doubtful is told to all who follow the metadata, as a leader epoch without it', async () => {
  const setting = await TestSetting.begin({ brokers: [1, 2, 3] });
  await setting.create('a', 1, 3);
  const partition = () => setting.client.topic('a')!.partitions[0]!;
  expect(await reports(setting, 'a', 3)).toMatchObject({ results: [{ code: 'NONE', message: '' }] });
  expect(partition()).toMatchObject({ leader: 1, leaderEpoch: 1, isr: [1, 2], partitionEpoch: 1 });
  expect(await reports(setting, 'a', 1)).toMatchObject({ results: [{ code: 'NONE' }] });
  expect(partition()).toMatchObject({ leader: 2, leaderEpoch: 2, isr: [2], elr: [], partitionEpoch: 2 });
  expect(await setting.metric('weir_coordinator_elections_total')).toContain('command="reportDoubtfulReplicas"} 1');
});

test('each replica is refused on its own, and a request that makes no sense as a whole', async () => {
  const setting = await TestSetting.begin({ brokers: [1, 2] });
  await setting.create('a', 1, 2);
  const { idBytes } = setting.client.topic('a')!;
  const late = { topicId: idBytes, partition: 0, partitionEpoch: 7 };
  expect(await reports(setting, 'a', 2, { replicas: [late] })).toMatchObject({
    results: [{ code: 'INVALID_UPDATE_VERSION', message: 'a-0 is in partition epoch 0, not 7' }],
  });
  const refused = (values: object): unknown =>
    reports(setting, 'a', 2, values).then(
      () => 'NONE',
      (error: { failure: { code: string } }) => error.failure.code,
    );
  expect(await refused({ brokerEpoch: 1n })).toBe('STALE_BROKER_EPOCH');
  expect(await refused({ brokerId: -1 })).toBe('INVALID_REQUEST');
  expect(await refused({ replicas: [{ topicId: new Uint8Array(3) }] })).toBe('INVALID_REQUEST');
  const many = Array.from({ length: DOUBTS_PER_REQUEST_MAX + 1 }, () => ({ topicId: new Uint8Array(16) }));
  expect(await refused({ replicas: many })).toBe('INVALID_REQUEST');
  expect(await refused({ replicas: [] })).toBe('NONE');
});
