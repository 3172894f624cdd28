import { expect, test } from 'vitest';
import { newRegistry } from '@weir/runtime/metrics.ts';
import { brokerId } from '@weir/base/ids.ts';
import { TestController } from './controller/test-controller.ts';
import { coordinatorMetrics } from './metrics.ts';
import type { Observed } from './metrics.ts';

function setUp() {
  const registry = newRegistry();
  const controller = new TestController();
  controller.register(1);
  controller.createTopics([{ name: 'orders', partitionCount: 2 }]);
  const { image } = controller;
  expect(image.sessionOf(brokerId(1))).toBeDefined();
  const store: { problem: string | undefined } = { problem: undefined };
  const active = {
    image,
    sessions: 1,
    streams: 1,
    queued: 0,
    namespace: { watches: 0 },
    notReady: () => store.problem,
  };
  let observed: Observed | undefined;
  coordinatorMetrics(registry, () => observed);
  return {
    store,
    controller,
    active,
    observe: (what: Observed) => (observed = what),
    value: async (name: string): Promise<string | undefined> =>
      new RegExp(`^${name}(?:\\{.*\\})? (.*)$`, 'm').exec(await registry.getSingleMetricAsString(name))?.[1],
  };
}

test('a coordinator whose store cannot be written is not active', async () => {
  const { store, active, observe, value } = setUp();
  observe({ image: active.image, active });
  expect(await value('weir_coordinator_active')).toBe('1');
  store.problem = 'no room';
  expect(await value('weir_coordinator_active')).toBe('0');
});

test('partitions that are short of replicas are counted, as the metadata has them by then', async () => {
  const { controller, observe, active, value } = setUp();
  observe({ image: active.image, active });
  const counts = async (): Promise<(string | undefined)[]> =>
    Promise.all(
      ['leaderless', 'under_replicated', 'under_min_isr', 'at_min_isr'].map((what) =>
        value(`weir_coordinator_${what}_partitions`),
      ),
    );
  expect(await counts()).toEqual(['0', '0', '0', '2']);
  controller.register(2);
  controller.register(3);
  controller.createTopics([{ name: 'payments', partitionCount: 1, replicationFactor: 3 }]);
  expect(await counts()).toEqual(['0', '0', '0', '2']);
  controller.endSession(2);
  expect(await counts()).toEqual(['0', '1', '0', '3']);
  controller.endSession(3);
  expect(await counts()).toEqual(['0', '1', '1', '2']);
  controller.endSession(1);
  expect(await counts()).toEqual(['3', '3', '3', '0']);
});

test('the active coordinator alone describes the cluster, so that sums over all of them are right', async () => {
  const { active, observe, value } = setUp();
  const names = ['weir_coordinator_partitions', 'weir_coordinator_sessions', 'kafka_brokers', 'kafka_topic_partitions'];
  const values = async (): Promise<(string | undefined)[]> => Promise.all(names.map(value));
  expect(await values()).toEqual(['0', '0', '0', undefined]);
  observe({ image: active.image, active });
  expect(await values()).toEqual(['2', '1', '1', '2']);
  observe({ image: active.image, active: undefined });
  expect(await values()).toEqual(['0', '0', '0', undefined]);
  expect(await value('weir_coordinator_metadata_revision')).toBe(String(active.image.revision));
});
