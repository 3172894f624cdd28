import { create } from '@bufbuild/protobuf';
import { expect, test, vi } from 'vitest';
import { ISR_PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  AlterIsrRequestSchema,
  CoordinatorService,
  ElectionType,
  ElectLeadersRequestSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { COORDINATOR, TestSetting } from './test-setting.ts';

const alterIsrMethod = protobufMethod(CoordinatorService.method.alterIsr);
const electLeadersMethod = protobufMethod(CoordinatorService.method.electLeaders);
const DEADLINE = { deadlineMs: 1_000 };

/** What the leader of the first partition of a topic knows of it, as its request for another ISR. */
function asksFor(setting: TestSetting, topic: string, members: readonly number[], values: object = {}) {
  const { idBytes, partitions } = setting.client.topic(topic)!;
  const { leader, leaderEpoch, partitionEpoch } = partitions[0]!;
  const epochOf = (id: number): bigint => BigInt(setting.broker(id).epoch);
  const isr = members.map((id) => ({ brokerId: id, brokerEpoch: epochOf(id) }));
  const partition = { topicId: idBytes, partition: 0, leaderEpoch, partitionEpoch, isr };
  const asked = { brokerId: leader, brokerEpoch: epochOf(leader), partitions: [partition], ...values };
  const connection = setting.transport.connect(COORDINATOR);
  return setting.after(connection.call(alterIsrMethod, create(AlterIsrRequestSchema, asked), DEADLINE));
}

test('what a leader wants in sync is told to all who follow the metadata, and counted', async () => {
  const setting = await TestSetting.begin({ brokers: [1, 2, 3] });
  await setting.create('a', 1, 3);
  expect(await asksFor(setting, 'a', [1])).toMatchObject({ results: [{ code: 'NONE', message: '' }] });
  const partition = () => setting.client.topic('a')!.partitions[0]!;
  const epochs = (...ids: number[]): number[] => ids.map((id) => setting.broker(id).epoch);
  expect(partition()).toMatchObject({
    isr: [1],
    isrEpochs: epochs(1),
    elr: [2, 3],
    partitionEpoch: 1,
    uncleanEpoch: -1,
  });
  expect(await asksFor(setting, 'a', [1, 3])).toMatchObject({ results: [{ code: 'NONE' }] });
  expect(partition()).toMatchObject({ isr: [1, 3], isrEpochs: epochs(1, 3), elr: [], partitionEpoch: 2 });
  expect(await setting.metric('weir_coordinator_isr_shrinks_total')).toMatch(/total 1$/m);
  expect(await setting.metric('weir_coordinator_isr_expansions_total')).toMatch(/total 1$/m);
});

test('each partition is refused on its own, and a request that makes no sense as a whole', async () => {
  const setting = await TestSetting.begin({ brokers: [1, 2] });
  await setting.create('a', 1, 2);
  expect(await asksFor(setting, 'a', [1, 1])).toMatchObject({
    results: [{ code: 'INVALID_REQUEST', message: expect.stringContaining('broker 1 is more than once') }],
  });
  const refused = (values: object): unknown =>
    asksFor(setting, 'a', [1], values).then(
      () => 'NONE',
      (error: { failure: { code: string } }) => error.failure.code,
    );
  expect(await refused({ brokerEpoch: 1n })).toBe('STALE_BROKER_EPOCH');
  expect(await refused({ brokerId: -1 })).toBe('INVALID_REQUEST');
  expect(await refused({ partitions: [{ topicId: new Uint8Array(3) }] })).toBe('INVALID_REQUEST');
  const many = Array.from({ length: ISR_PARTITIONS_PER_REQUEST_MAX + 1 }, () => ({ topicId: new Uint8Array(16) }));
  expect(await refused({ partitions: many })).toBe('INVALID_REQUEST');
  expect(await refused({ partitions: [] })).toBe('NONE');
});

test('an unclean election on request is a line of the audit log that says who asked', async () => {
  const setting = await TestSetting.begin({ brokers: [1, 2] });
  await setting.create('a', 1, 2);
  await asksFor(setting, 'a', [1]);
  await setting.stopBroker(1);
  await setting.clock.advance(10_000);
  expect(setting.leaders('a')).toEqual([-1]);
  const warn = vi.spyOn(setting.world.logger, 'warn');
  const elect = (asked: { readonly type: unknown }) => {
    const request = create(ElectLeadersRequestSchema, { topics: ['a'], ...(asked as object) });
    return setting.after(setting.transport.connect(COORDINATOR).call(electLeadersMethod, request, DEADLINE));
  };
  expect(await elect({ type: ElectionType.PREFERRED })).toMatchObject({ electedCount: 0, unavailableCount: 1 });
  expect(await elect({ type: ElectionType.UNCLEAN })).toMatchObject({ electedCount: 1, unavailableCount: 0 });
  expect(setting.leaders('a')).toEqual([2]);
  const audited = warn.mock.calls.filter(([facts]) => (facts as { audit?: boolean }).audit === true);
  expect(audited).toEqual([
    [
      { audit: true, topic: 'a', partition: 0, leader: 2, leaderEpoch: 2, partitionEpoch: 3, peer: expect.any(String) },
      'unclean election: broker 2 leads a-0, and acknowledged records that it does not hold are lost',
    ],
  ]);
  expect(await setting.metric('weir_coordinator_unclean_elections_total')).toMatch(/total 1$/m);
  await expect(elect({ type: 7 })).rejects.toMatchObject({ failure: { code: 'INVALID_REQUEST' } });
});
