import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { expect, test } from 'vitest';
import { TestController } from './test-controller.ts';

const ASKED = [{ name: OFFSETS_TOPIC }];

function ask(controller: TestController, name = OFFSETS_TOPIC): string {
  const [result] = controller.createTopics([{ name }], { internal: true });
  return result?.kind === 'refused' ? result.refusal.code : (result?.kind ?? 'nothing');
}

test('the offsets topic is created for a broker, with what the cluster says, whoever may create topics else', () => {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  expect(controller.createTopics([{ name: OFFSETS_TOPIC, partitionCount: 2, configs: { 'segment.ms': '1' } }])).toEqual(
    [expect.objectContaining({ kind: 'refused' })],
  );
  const [created] = controller.createTopics([{ name: OFFSETS_TOPIC, partitionCount: 2 }], { internal: true });
  expect(created).toMatchObject({
    kind: 'created',
    replicationFactor: 3,
    topic: { partitionCount: 50, configs: { 'cleanup.policy': 'compact', 'segment.bytes': '104857600' } },
  });
  expect(ask(controller)).toBe('TOPIC_ALREADY_EXISTS');
});

test('it waits for as many brokers as it is to have replicas, and those that are away do not count', () => {
  const controller = new TestController(undefined, { defaultReplicationFactor: 3 });
  for (const id of [1, 2]) controller.register(id);
  expect(ask(controller)).toBe('COORDINATOR_NOT_AVAILABLE');
  controller.register(3);
  controller.endSession(1);
  expect(ask(controller)).toBe('COORDINATOR_NOT_AVAILABLE');
  controller.register(1);
  expect(ask(controller)).toBe('created');
});

test('its partitions and replicas may be set, apart from those of other topics', () => {
  const offsetsTopic = { partitions: 4, replicationFactor: 2 };
  const controller = new TestController(undefined, { defaultReplicationFactor: 1, offsetsTopic });
  for (const id of [1, 2]) controller.register(id);
  expect(controller.createTopics(ASKED, { internal: true })).toMatchObject([{ replicationFactor: 2 }]);
  expect(controller.partitions(OFFSETS_TOPIC)).toHaveLength(4);
});

test('Weir has no other topics of its own', () => {
  const controller = new TestController();
  controller.register(1);
  expect([ask(controller, '__mine'), ask(controller, 'orders')]).toEqual([
    'INVALID_TOPIC_EXCEPTION',
    'INVALID_TOPIC_EXCEPTION',
  ]);
});

test('the offsets topic keeps its number of partitions, which says who has which group', () => {
  const controller = new TestController();
  controller.register(1);
  ask(controller);
  expect(controller.createPartitions([{ name: OFFSETS_TOPIC, totalCount: 60 }])).toMatchObject([
    { kind: 'refused', refusal: { code: 'INVALID_PARTITIONS' } },
  ]);
});
