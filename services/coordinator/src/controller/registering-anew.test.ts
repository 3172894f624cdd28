import { describe, expect, test } from 'vitest';
import { brokerId } from '@weir/base/ids.ts';
import { TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { TestController } from './test-controller.ts';

const A = { name: 'a' };

/** Three brokers, and a topic whose leader is 1. */
function withTopic({ partitions = 1, ...configs }: { partitions?: number } & Record<string, unknown> = {}) {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  const texts = Object.fromEntries(Object.entries(configs).map(([name, value]) => [name, String(value)]));
  controller.createTopics([{ name: 'a', partitionCount: partitions, replicationFactor: 3, configs: texts }]);
  return controller;
}

const epochOf = ({ image }: TestController, id: number): number => image.sessionOf(brokerId(id))!.revision;
const doubtOf = ({ image }: TestController) =>
  [{ topicId: image.topics.get('a')!.id, partition: 0, doubt: 'damaged' }] as const;

describe('a broker that registers anew while its session lives', () => {
  test('stays in sync, under its new registration and with the same leader', () => {
    const controller = withTopic();
    controller.register(2);
    expect(controller.partition(A)).toMatchObject({ leader: 1, leaderEpoch: 0, partitionEpoch: 1 });
    expect(controller.partition(A).isr).toEqual(
      [1, 2, 3].map((broker) => ({ broker, epoch: epochOf(controller, broker) })),
    );
    expect(controller.partition(A).elr).toEqual([]);
  });

  test('hands what it leads to the next in sync, and leads it in a new epoch where there is none', () => {
    const controller = withTopic();
    controller.register(1);
    expect(controller.partitions('a')[0]).toEqual({ leader: 2, leaderEpoch: 1, isr: [1, 2, 3], elr: [] });
    controller.alterIsr(A, [2]);
    controller.register(2);
    expect(controller.partitions('a')[0]).toEqual({ leader: 2, leaderEpoch: 2, isr: [2], elr: [1, 3] });
  });

  test('leads itself before one that drains does', () => {
    const controller = withTopic();
    for (const id of [2, 3]) controller.drain(id);
    controller.register(1);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 1, leaderEpoch: 1, isr: [1, 2, 3] });
  });

  test('leaves with what it does not trust', () => {
    const controller = withTopic();
    controller.register(2, { doubtful: [...doubtOf(controller)] });
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [1, 3], elr: [] });
    controller.register(1, { doubtful: [...doubtOf(controller)] });
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 3, isr: [3], elr: [] });
  });

  test('does not lose its place to one that never comes back', () => {
    for (const minimum of [1, 2, 3]) {
      const controller = withTopic({ 'min.insync.replicas': minimum });
      // All of them were killed. Two are back within their sessions' time, and the third has lost its disk.
      controller.register(2);
      controller.register(3);
      controller.endSession(1);
      controller.register(1, { directory: 'another' });
      expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2, 3], elr: [] });
    }
  });

  test('is asked for under its new registration alone', () => {
    const controller = withTopic();
    const before = epochOf(controller, 2);
    controller.alterIsr(A, [1, 3]);
    controller.register(2);
    const members = [1, 3, 2].map((broker) => ({ broker, epoch: broker === 2 ? before : epochOf(controller, broker) }));
    expect(controller.alterIsr(A, [], { isr: members })).toBe('INELIGIBLE_REPLICA');
    expect(controller.join(A, 2)).toBe('NONE');
  });

  test('keeps all its places, wherever the coordinator dies over it, and none that it does not trust', () => {
    const partitions = 2 * TXN_OPERATIONS_MAX;
    for (let dieAfter = 0; dieAfter < 4; dieAfter++) {
      const controller = withTopic({ partitions });
      controller.register(2, { doubtful: [...doubtOf(controller)], dieAfter });
      const next = new TestController(controller.store);
      next.register(2, { doubtful: [...doubtOf(next)] });
      const [doubtful, ...others] = next.partitions('a');
      expect(doubtful!.isr).not.toContain(2);
      expect(others.filter(({ isr }) => isr.includes(2))).toHaveLength(partitions - 1);
    }
  });
});
