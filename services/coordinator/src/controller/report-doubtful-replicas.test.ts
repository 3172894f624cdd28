import { describe, expect, test } from 'vitest';
import { brokerId, topicId } from '@weir/base/ids.ts';
import { newId, TestController } from './test-controller.ts';

const A = { name: 'a' };
const MINIMUM_1 = { 'min.insync.replicas': '1' };

/** Three brokers, and a topic whose leader is 1. */
function withTopic(configs: Record<string, string> = {}): TestController {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  controller.createTopics([{ name: 'a', replicationFactor: 3, configs }]);
  return controller;
}

describe('a replica that its broker does not trust any more', () => {
  test('leaves the ISR, and its leader goes on in a later epoch, which knows nothing of it', () => {
    const controller = withTopic();
    expect(controller.report(A, 3)).toBe('NONE');
    expect(controller.partitions('a')[0]).toEqual({ leader: 1, leaderEpoch: 1, isr: [1, 2], elr: [] });
    expect(controller.partition(A).partitionEpoch).toBe(1);
    // What the leader asked for before it knew: to have it in sync, as it had heard it say.
    expect(controller.alterIsr(A, [1, 2, 3], { leaderEpoch: 0, partitionEpoch: 1 })).toBe('FENCED_LEADER_EPOCH');
    expect(controller.alterIsr(A, [1, 2, 3], { leaderEpoch: 1, partitionEpoch: 0 })).toBe('INVALID_UPDATE_VERSION');
    expect(controller.join(A, 3)).toBe('NONE');
  });

  test('gives up its leadership to another one in sync', () => {
    const controller = withTopic();
    expect(controller.report(A, 1)).toBe('NONE');
    expect(controller.partitions('a')[0]).toEqual({ leader: 2, leaderEpoch: 1, isr: [2, 3], elr: [] });
  });

  test('is not eligible, where the rest is too few', () => {
    const controller = withTopic();
    controller.alterIsr(A, [1, 2]);
    expect(controller.report(A, 2)).toBe('NONE');
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 1, isr: [1], elr: [] });
    controller.join(A, 3);
    controller.alterIsr(A, [1]);
    expect(controller.partitions('a')[0]!.elr).toEqual([3]);
    expect(controller.report(A, 3)).toBe('NONE');
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [1], elr: [] });
  });

  test('gives way to an eligible one where it leads alone', () => {
    const controller = withTopic();
    controller.alterIsr(A, [1]);
    expect(controller.report(A, 1)).toBe('NONE');
    expect(controller.partitions('a')[0]).toEqual({ leader: 2, leaderEpoch: 1, isr: [2], elr: [3] });
  });

  test('that was the last one leaves nobody to lead, who comes back by no registration', () => {
    const controller = withTopic(MINIMUM_1);
    controller.alterIsr(A, [1]);
    expect(controller.report(A, 1)).toBe('NONE');
    expect(controller.partition(A)).toMatchObject({ leader: -1, isr: [], elr: [], lastKnownElr: [] });
    controller.endSession(1);
    controller.register(1);
    expect(controller.partition(A).leader).toBe(-1);
  });

  test('that was the last one is led by another live one where unclean elections are on, and never by itself', () => {
    const allowed = { ...MINIMUM_1, 'unclean.leader.election.enable': 'true' };
    const controller = withTopic(allowed);
    controller.alterIsr(A, [1]);
    expect(controller.report(A, 1)).toBe('NONE');
    expect(controller.partition(A)).toMatchObject({ leader: 2, isr: [{ broker: 2 }], uncleanEpoch: 1 });
    const alone = withTopic(allowed);
    for (const id of [2, 3]) alone.endSession(id);
    expect(alone.report(A, 1)).toBe('NONE');
    expect(alone.partition(A)).toMatchObject({ leader: -1, isr: [] });
    alone.register(3);
    expect(alone.partition(A).leader).toBe(1);
    expect(alone.report(A, 1)).toBe('NONE');
    expect(alone.partition(A)).toMatchObject({ leader: 3, isr: [{ broker: 3 }] });
  });

  test('changes nothing where nobody counts on it and none knows it', () => {
    const controller = withTopic();
    controller.alterIsr(A, [1, 2]);
    controller.report(A, 3);
    const { partitionEpoch, leaderEpoch } = controller.partition(A);
    expect([partitionEpoch, leaderEpoch]).toEqual([2, 1]);
    expect(controller.report(A, 3, { leaderEpoch: 0 })).toBe('NONE');
    expect(controller.report(A, 3, { leaderEpoch: -1 })).toBe('NONE');
    expect(controller.partition(A).partitionEpoch).toBe(partitionEpoch);
    // It has spoken in the epoch that is.
    expect(controller.report(A, 3)).toBe('NONE');
    expect(controller.partition(A)).toMatchObject({ leaderEpoch: 2, partitionEpoch: 3 });
  });

  test('without a leader that could know it needs no later epoch', () => {
    const controller = withTopic(MINIMUM_1);
    controller.alterIsr(A, [1]);
    controller.endSession(1);
    const before = controller.partition(A);
    expect(before).toMatchObject({ leader: -1, elr: [{ broker: 1 }] });
    expect(controller.report(A, 2)).toBe('NONE');
    expect(controller.partition(A).partitionEpoch).toBe(before.partitionEpoch);
  });
});

test('a report that comes late, when the replica was made anew, takes nothing from it', () => {
  const controller = withTopic();
  const { leaderEpoch, partitionEpoch } = controller.partition(A);
  const late = { leaderEpoch, partitionEpoch };
  controller.report(A, 3, late);
  controller.join(A, 3);
  expect(controller.report(A, 3, late)).toBe('INVALID_UPDATE_VERSION');
  expect(controller.partitions('a')[0]!.isr).toEqual([1, 2, 3]);
});

describe('refused is', () => {
  test('a report as a whole of a broker that is not registered so any more', () => {
    const controller = withTopic();
    const brokerEpoch = controller.image.sessionOf(brokerId(3))!.revision;
    controller.register(3);
    expect(controller.report(A, 3, { brokerEpoch })).toBe('STALE_BROKER_EPOCH');
    controller.endSession(3);
    expect(controller.report(A, 3)).toBe('STALE_BROKER_EPOCH');
  });

  test('what is not there, not its own, of another state, or of an epoch that has not begun', () => {
    const controller = withTopic();
    controller.register(4);
    expect(controller.report(A, 3, { topicId: topicId(newId()) })).toBe('UNKNOWN_TOPIC_ID');
    expect(controller.report(A, 3, { partition: 1 })).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(controller.report(A, 3, { partition: -1 })).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(controller.report(A, 4)).toBe('INVALID_REQUEST');
    for (const partitionEpoch of [-1, 1]) {
      expect(controller.report(A, 3, { partitionEpoch })).toBe('INVALID_UPDATE_VERSION');
    }
    expect(controller.report(A, 3, { leaderEpoch: 1 })).toBe('UNKNOWN_LEADER_EPOCH');
    expect(controller.partition(A).partitionEpoch).toBe(0);
  });

  test('a replica that is in the report twice', () => {
    const controller = withTopic();
    const { topicId: id, leaderEpoch, partitionEpoch } = controller.partition(A);
    const replica = { topicId: id, partition: 0, doubt: 'damaged', leaderEpoch, partitionEpoch } as const;
    const asked = { kind: 'reportDoubtfulReplicas', brokerId: brokerId(3) } as const;
    const brokerEpoch = controller.image.sessionOf(brokerId(3))!.revision;
    expect(controller.run({ ...asked, brokerEpoch, replicas: [replica, replica] })).toMatchObject({
      results: [undefined, { code: 'INVALID_REQUEST' }],
    });
  });
});
