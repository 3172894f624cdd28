import { expect, test } from 'vitest';
import { brokerId } from '@weir/base/ids.ts';
import { loadImage, TestController } from './test-controller.ts';

function withBrokers(count: number): TestController {
  const controller = new TestController();
  for (let id = 1; id <= count; id++) controller.register(id);
  return controller;
}

test('a broker that is away and holds nothing is forgotten, with what was set of it', () => {
  const controller = withBrokers(2);
  controller.alterConfigs([{ type: 'broker', name: '2', set: [['log.retention.ms', '7000']] }]);
  controller.endSession(2);
  expect(controller.unregister(2)).toEqual({ kind: 'done' });
  expect([...controller.image.brokers.keys()]).toEqual([1]);
  expect(controller.image.brokerConfigs.size).toBe(0);
  const { image } = loadImage(controller.store);
  expect([...image.brokers.keys()]).toEqual([1]);
  expect(image.brokerConfigs.size).toBe(0);
  const told = controller.effects.findLast(({ kind }) => kind === 'publish');
  expect(told).toMatchObject({
    entities: [
      { kind: 'brokerGone', id: 2 },
      { kind: 'brokerConfigs', owner: 2 },
    ],
  });
  // Whoever takes the number is a new broker, with whatever directory.
  expect(controller.register(2, { directory: 'another' })).toMatchObject({ kind: 'registered' });
});

test('one that holds replicas is not forgotten, alive or not, before their topics are gone', () => {
  const controller = withBrokers(2);
  controller.createTopics([{ name: 'a', partitionCount: 14, replicationFactor: 1 }]);
  expect(controller.unregister(2)).toMatchObject({ refusal: { code: 'BROKER_ACTIVE' } });
  controller.endSession(2);
  const refused = controller.unregister(2);
  expect(refused).toMatchObject({ kind: 'refused', refusal: { code: 'BROKER_HOLDS_REPLICAS' } });
  expect(refused).toMatchObject({
    refusal: { message: expect.stringContaining('7 partitions (a-1, a-3, a-5, a-7, a-9, …)') },
  });
  expect(controller.image.stateOf(brokerId(2))).toBe('fenced');
  controller.deleteTopics([{ name: 'a' }]);
  expect(controller.unregister(2)).toEqual({ kind: 'done' });
});

test('one that is in sync with nothing, and has a replica all the same, is not forgotten', () => {
  const controller = withBrokers(3);
  controller.createTopics([{ name: 'a', replicationFactor: 3 }]);
  controller.endSession(3);
  expect(controller.partitions('a')[0]).toMatchObject({ isr: [1, 2], elr: [] });
  expect(controller.unregister(3)).toMatchObject({ refusal: { code: 'BROKER_HOLDS_REPLICAS' } });
});
