import { describe, expect, test } from 'vitest';
import { brokerId } from '@weir/base/ids.ts';
import { drainProgress } from './drain-broker.ts';
import type { WhyLed } from './drain-broker.ts';
import { TestController } from './test-controller.ts';

function withTopic({
  brokers = 3,
  factor = 3,
  partitions = 1,
}: { brokers?: number; factor?: number; partitions?: number } = {}): TestController {
  const controller = new TestController();
  for (let id = 1; id <= brokers; id++) controller.register(id);
  for (let id = 1; id <= brokers; id++) controller.isCurrent(id);
  controller.createTopics([{ name: 'a', partitionCount: partitions, replicationFactor: factor }]);
  return controller;
}

const leadersOf = (controller: TestController, name = 'a'): number[] =>
  controller.partitions(name).map(({ leader }) => leader);

const led = (controller: TestController, id: number): WhyLed[] =>
  drainProgress(controller.image, brokerId(id)).led.map(({ why }) => why);

describe('leadership', () => {
  test('goes to the next in-sync replica in replica order, in a new epoch, and the ISR stays', () => {
    const controller = withTopic();
    expect(controller.drain(1)).toEqual({ kind: 'done' });
    expect(controller.partitions('a')[0]).toEqual({ leader: 2, leaderEpoch: 1, isr: [1, 2, 3], elr: [] });
    controller.drain(2);
    expect(controller.partitions('a')[0]).toEqual({ leader: 3, leaderEpoch: 2, isr: [1, 2, 3], elr: [] });
  });

  test('stays with a draining broker while nobody else in sync can take it, and goes as soon as somebody can', () => {
    const controller = withTopic();
    for (const id of [1, 2, 3]) controller.drain(id);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 3, leaderEpoch: 2 });
    controller.drain(2, { isOn: false });
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, leaderEpoch: 3 });
  });

  test('goes to a draining broker when all others are gone, and away again with the first that is in sync', () => {
    const controller = withTopic({ brokers: 2, factor: 2 });
    controller.drain(2);
    controller.endSession(1);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2] });
    controller.register(1);
    expect(led(controller, 2)).toEqual(['othersLag']);
    controller.join({ name: 'a' }, 1);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 1, leaderEpoch: 2, isr: [2, 1] });
  });

  test('goes to a draining broker that is no more than eligible, when it is the last that holds everything', () => {
    const controller = withTopic();
    for (const id of [3, 2]) controller.endSession(id);
    controller.register(2);
    controller.drain(2);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 1, isr: [1], elr: [2] });
    controller.endSession(1);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2], elr: [1] });
  });

  test('of a thousand partitions goes in as many transactions as it takes, whoever finishes them', () => {
    for (const dieAfter of [0, 1, 2, 5, undefined]) {
      const controller = withTopic({ factor: 2, partitions: 1_000 });
      const before = leadersOf(controller).filter((id) => id === 1).length;
      expect(before).toBeGreaterThan(300);
      controller.drain(1, dieAfter === undefined ? {} : { dieAfter });
      const next = new TestController(controller.store);
      expect(leadersOf(next).filter((id) => id === 1)).toHaveLength(dieAfter === 0 ? before : 0);
    }
  });

  test('ends with the registration: a broker that comes back leads what nobody else does, and takes new partitions', () => {
    const controller = withTopic({ brokers: 2, factor: 1 });
    controller.drain(1);
    controller.endSession(1);
    controller.register(1);
    expect(controller.image.stateOf(brokerId(1))).toBe('registered');
    expect(leadersOf(controller)).toEqual([1]);
    controller.createTopics([{ name: 'b', partitionCount: 2, replicationFactor: 1 }]);
    expect(new Set(leadersOf(controller, 'b'))).toEqual(new Set([1, 2]));
  });
});

describe('what a draining broker leads still, and why', () => {
  test('its only replicas, by topic', () => {
    const controller = withTopic({ brokers: 2, factor: 1, partitions: 4 });
    controller.drain(1);
    expect(drainProgress(controller.image, brokerId(1)).led).toEqual([
      { topic: 'a', partition: 0, why: 'onlyReplica' },
      { topic: 'a', partition: 2, why: 'onlyReplica' },
    ]);
    expect(leadersOf(controller)).toEqual([1, 2, 1, 2]);
  });

  test('others that are away, that drain as well, that lag', () => {
    const controller = withTopic();
    controller.endSession(2);
    controller.endSession(3);
    controller.drain(1);
    expect(led(controller, 1)).toEqual(['othersAway']);
    controller.register(2);
    expect(led(controller, 1)).toEqual(['othersLag']);
    controller.drain(2);
    expect(led(controller, 1)).toEqual(['othersDrain']);
    expect(led(controller, 2)).toEqual([]);
  });

  test('the broker knows of its drain once it has said so, up to the last of its moves', () => {
    const controller = withTopic({ factor: 2, partitions: 400 });
    const isKnown = (): boolean => drainProgress(controller.image, brokerId(1)).isKnownToBroker;
    const session = controller.image.sessionOf(brokerId(1))!.id;
    controller.drain(1);
    expect(isKnown()).toBe(false);
    // It has heard that it drains, and not yet of everything that it leads no more.
    controller.image.noteApplied(session, controller.image.brokers.get(brokerId(1))!.revision);
    expect(isKnown()).toBe(false);
    controller.isCurrent(1);
    expect(isKnown()).toBe(true);
  });
});

describe('new partitions', () => {
  test('go to brokers that do not drain', () => {
    const controller = withTopic();
    controller.drain(2);
    controller.createTopics([{ name: 'b', partitionCount: 6, replicationFactor: 2 }]);
    const topic = controller.image.topics.get('b')!;
    expect(controller.image.partitionsOf(topic).every(({ replicas }) => !replicas.includes(brokerId(2)))).toBe(true);
  });

  test('go to draining ones as well where the others are too few, and are led by the others', () => {
    const controller = withTopic();
    controller.drain(1);
    controller.drain(2);
    controller.createTopics([{ name: 'b', partitionCount: 6, replicationFactor: 2 }]);
    const topic = controller.image.topics.get('b')!;
    const holders = controller.image.partitionsOf(topic).map(({ replicas }) => replicas.toSorted((a, b) => a - b));
    expect(holders).toEqual(holders.map(() => [1, 3]));
    expect(new Set(leadersOf(controller, 'b'))).toEqual(new Set([3]));
    controller.drain(3);
    expect(controller.createTopics([{ name: 'c', replicationFactor: 3 }])).toMatchObject([{ kind: 'created' }]);
  });

  test('that somebody puts on a draining broker are led by the next of them', () => {
    const controller = withTopic();
    controller.drain(1);
    controller.createTopics([
      { name: 'b', assignments: [{ partition: 0, brokers: [1, 2] }] },
      { name: 'c', assignments: [{ partition: 0, brokers: [1] }] },
    ]);
    expect([...leadersOf(controller, 'b'), ...leadersOf(controller, 'c')]).toEqual([2, 1]);
  });
});

test('drains are audited once, with who asked', () => {
  const controller = withTopic();
  const audited = () => controller.effects.flatMap((effect) => (effect.kind === 'brokerAltered' ? [effect] : []));
  controller.drain(1);
  controller.drain(1);
  expect(audited()).toEqual([
    { kind: 'brokerAltered', id: 1, what: 'drains', revision: expect.any(Number), peer: '10.0.0.1:40000' },
  ]);
  controller.drain(1, { isOn: false });
  controller.register(1);
  controller.endSession(1);
  expect(audited().map(({ what }) => what)).toEqual(['drains', 'drains no longer']);
});
