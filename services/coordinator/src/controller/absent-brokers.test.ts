import { describe, expect, test } from 'vitest';
import type { TopicResult } from './create-topics.ts';
import { TestController } from './test-controller.ts';

const A = { name: 'a' };

/** Three brokers, of which some are away, and a topic of three replicas that is created meanwhile. */
function createdWithout(away: readonly number[], configs: Record<string, string> = {}): TestController {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  for (const id of away) controller.endSession(id);
  controller.createTopics([{ name: 'a', partitionCount: 2, replicationFactor: 3, configs }]);
  return controller;
}

const codeOf = (result: TopicResult | undefined): string =>
  result?.kind === 'refused' ? result.refusal.code : String(result?.kind);

describe('a topic that is created while a broker is away', () => {
  test('has a replica there, which is not in sync, follows those that live, and joins once it has caught up', () => {
    const controller = createdWithout([2]);
    expect([0, 1].map((index) => controller.partition({ name: 'a', index }).replicas)).toEqual([
      [1, 3, 2],
      [3, 1, 2],
    ]);
    expect(controller.partitions('a')).toEqual([
      { leader: 1, leaderEpoch: 0, isr: [1, 3], elr: [] },
      { leader: 3, leaderEpoch: 0, isr: [3, 1], elr: [] },
    ]);
    controller.register(2);
    expect(controller.partition(A)).toMatchObject({ leader: 1, leaderEpoch: 0, partitionEpoch: 0 });
    expect(controller.join(A, 2)).toBe('NONE');
    expect(controller.partitions('a')[0]).toEqual({ leader: 1, leaderEpoch: 0, isr: [1, 3, 2], elr: [] });
  });

  test('is not led by who is away, whatever the places that somebody chose', () => {
    const controller = createdWithout([2]);
    const assignments = [
      { partition: 0, brokers: [2, 3] },
      { partition: 1, brokers: [2, 1, 3] },
    ];
    expect(codeOf(controller.createTopics([{ name: 'b', assignments }])[0])).toBe('INVALID_REPLICA_ASSIGNMENT');
    expect(codeOf(controller.createTopics([{ name: 'b', assignments: assignments.slice(0, 1) }])[0])).toBe('created');
    // With two replicas one is enough.
    expect(controller.partitions('b')).toEqual([{ leader: 3, leaderEpoch: 0, isr: [3], elr: [] }]);
    expect(controller.partition({ name: 'b' }).replicas).toEqual([2, 3]);
    // Its leader is brought back to whom it was meant for.
    controller.register(2);
    controller.isCurrent(2);
    controller.join({ name: 'b' }, 2);
    controller.electLeaders();
    expect(controller.partition({ name: 'b' }).leader).toBe(2);
  });

  test('is led by one that drains before it is led by nobody', () => {
    const controller = new TestController();
    for (const id of [1, 2, 3]) controller.register(id);
    controller.drain(3);
    controller.endSession(1);
    controller.createTopics([{ name: 'a', replicationFactor: 3 }]);
    expect(controller.partition(A)).toMatchObject({ replicas: [2, 3, 1], leader: 2 });
    controller.endSession(2);
    controller.createTopics([{ name: 'b', replicationFactor: 3 }]);
    expect(controller.partition({ name: 'b' })).toMatchObject({ replicas: [3, 2, 1], leader: 3 });
  });

  test('has no replica there while others are enough', () => {
    const controller = new TestController();
    for (const id of [1, 2, 3, 4]) controller.register(id);
    controller.endSession(1);
    controller.createTopics([{ name: 'a', partitionCount: 9, replicationFactor: 3 }]);
    for (let index = 0; index < 9; index++) {
      expect(controller.partition({ name: 'a', index }).replicas).not.toContain(1);
    }
  });

  test('has a partition more with a replica there, when one is added', () => {
    const controller = createdWithout([]);
    controller.endSession(1);
    controller.createPartitions([{ name: 'a', totalCount: 3 }]);
    const added = { name: 'a', index: 2 };
    expect(controller.partition(added)).toMatchObject({ replicas: expect.arrayContaining([1, 2, 3]), elr: [] });
    expect(controller.partition(added).replicas.at(-1)).toBe(1);
    expect(controller.partition(added).isr).toHaveLength(2);
  });

  test('keeps that broker from being unregistered', () => {
    const controller = createdWithout([2]);
    expect(controller.unregister(2)).toMatchObject({ refusal: { code: 'BROKER_HOLDS_REPLICAS' } });
  });
});

describe('a topic that is created with fewer in sync than its minimum', () => {
  test('may be led by those that are away, as nothing can be committed before they are back', () => {
    const controller = createdWithout([2, 3]);
    expect(controller.partition(A)).toMatchObject({
      leader: 1,
      isr: [{ broker: 1 }],
      elr: [
        { broker: 2, directory: 'directory-2' },
        { broker: 3, directory: 'directory-3' },
      ],
    });
    controller.endSession(1);
    controller.register(3);
    // An empty log is all that there is.
    expect(controller.partition(A)).toMatchObject({ leader: 3, leaderEpoch: 2, uncleanEpoch: -1 });
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [3], elr: [2, 1] });
  });

  test('is led by none of them once enough are in sync', () => {
    const controller = createdWithout([2, 3]);
    controller.register(2);
    controller.join(A, 2);
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [1, 2], elr: [] });
    for (const id of [1, 2]) controller.endSession(id);
    controller.register(3);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, isr: [], elr: expect.not.arrayContaining([3]) });
  });

  test('is led by none of them once the minimum is low enough for the leader to commit alone', () => {
    const controller = createdWithout([2, 3]);
    controller.alterConfigs([{ type: 'topic', name: 'a', set: [['min.insync.replicas', '1']] }]);
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [1], elr: [] });
    expect(createdWithout([2, 3], { 'min.insync.replicas': '1' }).partitions('a')[0]).toMatchObject({ elr: [] });
  });

  test('is not led by one that comes back with another disk', () => {
    const controller = createdWithout([2, 3]);
    controller.endSession(1);
    controller.register(3, { directory: 'another' });
    expect(controller.partition(A).leader).toBe(-1);
    controller.register(2);
    expect(controller.partition(A).leader).toBe(2);
  });
});
