import { describe, expect, test } from 'vitest';
import { TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { rulesOf } from './partition-rules.ts';
import { TestController } from './test-controller.ts';
import type { TestAlteration } from './test-controller.ts';

const A = { name: 'a' };
const CLUSTER = { type: 'broker', name: '' } as const;
const TOPIC = { type: 'topic', name: 'a' } as const;
const MINIMUM = 'min.insync.replicas';

/** Three brokers, a topic of three replicas, and of each partition an ISR of one and two that are eligible. */
function shrunk({ partitions = 1, configs = {} }: { partitions?: number; configs?: Record<string, string> } = {}) {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  const assignments = Array.from({ length: partitions }, (_, partition) => ({ partition, brokers: [1, 2, 3] }));
  controller.createTopics([{ name: 'a', assignments, configs }]);
  for (let index = 0; index < partitions; index++) controller.alterIsr({ name: 'a', index }, [1]);
  return controller;
}

const minimumOf = (controller: TestController, name = 'a'): number =>
  rulesOf(controller.image, controller.partition({ name })).minInSync;

test('the minimum of a partition is what its topic, the cluster and its replicas make of it', () => {
  const controller = shrunk();
  controller.createTopics([{ name: 'single', replicationFactor: 1 }]);
  expect([minimumOf(controller), minimumOf(controller, 'single')]).toEqual([2, 1]);
  controller.alterConfigs([{ ...CLUSTER, set: [[MINIMUM, '3']] }]);
  expect([minimumOf(controller), minimumOf(controller, 'single')]).toEqual([3, 1]);
  controller.alterConfigs([{ ...TOPIC, set: [[MINIMUM, '1']] }]);
  expect(minimumOf(controller)).toBe(1);
  controller.alterConfigs([{ ...TOPIC, delete: [[MINIMUM]] }]);
  expect(minimumOf(controller)).toBe(3);
});

describe('when the minimum is lowered', () => {
  const lowered: readonly [string, Record<string, string>, readonly TestAlteration[]][] = [
    ['of the topic', {}, [{ ...TOPIC, set: [[MINIMUM, '1']] }]],
    ['of the cluster', {}, [{ ...CLUSTER, set: [[MINIMUM, '1']] }]],
    [
      'of the topic by what the cluster has, in one request',
      { [MINIMUM]: '2' },
      [
        { ...CLUSTER, set: [[MINIMUM, '1']] },
        { ...TOPIC, delete: [[MINIMUM]] },
      ],
    ],
    [
      'only until the next of the same request raises it',
      {},
      [
        { ...CLUSTER, set: [[MINIMUM, '1']] },
        { ...TOPIC, set: [[MINIMUM, '2']] },
      ],
    ],
  ];
  for (const [how, configs, alterations] of lowered) {
    test(`${how}, nobody is eligible any more beside an ISR that is full by it`, () => {
      const controller = shrunk({ configs });
      expect(controller.partitions('a')[0]).toMatchObject({ isr: [1], elr: [2, 3] });
      controller.alterConfigs(alterations);
      expect(controller.partitions('a')[0]).toMatchObject({ leader: 1, leaderEpoch: 0, isr: [1], elr: [] });
      // It commits alone from then on, and nobody else leads when it is gone.
      controller.endSession(1);
      expect(controller.partition(A).leader).toBe(-1);
    });
  }

  test('the eligible go before the minimum does, however many they are and wherever the coordinator dies', () => {
    const count = 2 * TXN_OPERATIONS_MAX;
    for (let dieAfter = 0; dieAfter <= 3; dieAfter++) {
      const controller = shrunk({ partitions: count });
      controller.alterConfigs([{ ...TOPIC, set: [[MINIMUM, '1']] }], { dieAfter });
      // As leaders see it before anybody else decides.
      const cleared = controller.partitions('a').filter(({ elr }) => elr.length === 0).length;
      expect(cleared).toBe(Math.min(dieAfter * (TXN_OPERATIONS_MAX - 2), count));
      expect(minimumOf(controller)).toBe(dieAfter < 3 ? 2 : 1);
      expect(minimumOf(new TestController(controller.store))).toBe(dieAfter < 3 ? 2 : 1);
    }
  });

  test('an ISR that is below it all the same keeps who is eligible', () => {
    const controller = shrunk({ configs: { [MINIMUM]: '3' } });
    controller.alterConfigs([{ ...TOPIC, set: [[MINIMUM, '2']] }]);
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [1], elr: [2, 3] });
    for (const id of [2, 3, 1]) controller.endSession(id);
    controller.alterConfigs([{ ...TOPIC, set: [[MINIMUM, '1']] }]);
    // Nobody leads: all three hold what is committed, and any of them may lead.
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, isr: [], elr: [2, 3, 1] });
  });
});

test('when the minimum is raised, or altered without an effect, nothing but the config changes', () => {
  const controller = shrunk();
  const before = controller.partition(A);
  for (const set of [[[MINIMUM, '3']], [[MINIMUM, '2']]] as const) controller.alterConfigs([{ ...TOPIC, set }]);
  controller.alterConfigs([{ ...CLUSTER, set: [[MINIMUM, '1']] }]);
  expect(controller.partition(A)).toEqual(before);
});

test('validating a lower minimum leaves everybody eligible', () => {
  const controller = shrunk();
  controller.alterConfigs([{ ...TOPIC, set: [[MINIMUM, '1']] }], { validateOnly: true });
  expect(controller.partitions('a')[0]!.elr).toEqual([2, 3]);
});
