import { describe, expect, test } from 'vitest';
import { brokerId, revision } from '@weir/base/ids.ts';
import { LEADERS_ELECTED_MAX } from '@weir/base/limits.ts';
import { balancesByItself, imbalance } from './elect-leaders.ts';
import { rulesOf } from './partition-rules.ts';
import { led } from './partition.ts';
import { TestController } from './test-controller.ts';

/** Three brokers and a topic, of which the preferred leader of partition 0 is back in sync and does not lead. */
function unbalanced(): TestController {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  controller.createTopics([{ name: 'a', partitionCount: 3, replicationFactor: 3 }]);
  controller.endSession(1);
  controller.register(1);
  expect(controller.join({ name: 'a' }, 1)).toBe('NONE');
  expect(controller.partitions('a').map(({ leader }) => leader)).toEqual([2, 2, 3]);
  return controller;
}

const election = (elected: number, unavailable: unknown[] = []) => ({
  kind: 'election',
  result: { elected, isCut: false, unavailable },
});

describe('a preferred replica', () => {
  test('leads again once it is in sync and its broker knows the metadata, in a new epoch', () => {
    const controller = unbalanced();
    const isStarting = { topic: 'a', partition: 0, preferred: 1, why: 'starting' };
    expect(controller.electLeaders()).toEqual(election(0, [isStarting]));
    controller.isCurrent(1);
    const epoch = (): number => controller.image.partitions()[Symbol.iterator]().next().value!.partitionEpoch;
    const before = epoch();
    expect(controller.electLeaders()).toEqual(election(1));
    expect(epoch()).toBe(before + 1);
    expect(controller.partitions('a')[0]).toEqual({ leader: 1, leaderEpoch: 2, isr: [2, 3, 1], elr: [] });
    expect(controller.electLeaders()).toEqual(election(0));
  });

  test('does not lead while it is not in sync, or away, or drains', () => {
    const controller = new TestController();
    for (const id of [1, 2, 3]) controller.register(id);
    controller.createTopics([{ name: 'a', replicationFactor: 3 }]);
    controller.endSession(1);
    expect(controller.electLeaders()).toEqual(election(0, [{ topic: 'a', partition: 0, preferred: 1, why: 'away' }]));
    controller.register(1);
    controller.isCurrent(1);
    expect(controller.electLeaders()).toEqual(
      election(0, [{ topic: 'a', partition: 0, preferred: 1, why: 'notInSync' }]),
    );
    controller.join({ name: 'a' }, 1);
    controller.drain(1);
    expect(controller.electLeaders()).toEqual(election(0, [{ topic: 'a', partition: 0, preferred: 1, why: 'drains' }]));
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2, 3, 1] });
    controller.drain(1, { isOn: false });
    controller.isCurrent(1);
    expect(controller.electLeaders()).toEqual(election(1));
  });

  test('leads what is named alone', () => {
    const controller = new TestController();
    for (const id of [1, 2]) controller.register(id);
    controller.createTopics([{ name: 'a', partitionCount: 4, replicationFactor: 2 }]);
    controller.drain(1);
    controller.drain(1, { isOn: false });
    controller.isCurrent(1);
    const leaders = () => controller.partitions('a').map(({ leader }) => leader);
    expect(leaders()).toEqual([2, 2, 2, 2]);
    expect(controller.electLeaders(['a'], { only: new Map([['a', new Set([1, 2])]]) })).toEqual(election(1));
    expect(leaders()).toEqual([2, 2, 1, 2]);
    expect(controller.electLeaders(['a'], { only: new Map([['a', new Set([0, 4])]]) })).toMatchObject({
      refusal: { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'topic a has no partition 4' },
    });
  });

  test('that is in the ISR under an earlier registration does not lead', () => {
    const controller = unbalanced();
    controller.isCurrent(1);
    const { image } = controller;
    const topic = image.topics.get('a')!;
    const [partition] = image.partitionsOf(topic);
    expect(imbalance(image, [topic]).able).toHaveLength(1);
    const isr = partition!.isr.map(({ broker, epoch }) => ({ broker, epoch: revision(broker === 1 ? 1 : epoch) }));
    image.load({ kind: 'partition', partition: { ...partition!, isr } }, image.revision);
    expect(imbalance(image, [topic])).toMatchObject({ able: [], unavailable: [{ partition: 0, why: 'notInSync' }] });
  });
});

test('only the topics that are named are looked at, and one that is not there is refused', () => {
  const controller = unbalanced();
  controller.isCurrent(1);
  controller.createTopics([{ name: 'b' }]);
  expect(controller.electLeaders(['b'])).toEqual(election(0));
  expect(controller.electLeaders(['b', 'c'])).toMatchObject({ refusal: { code: 'UNKNOWN_TOPIC_OR_PARTITION' } });
  expect(controller.electLeaders(['a', 'a'])).toEqual(election(1));
});

test('one command elects so many at most, and says that there are more', () => {
  const controller = new TestController();
  for (const id of [1, 2]) controller.register(id);
  const partitionCount = 2 * LEADERS_ELECTED_MAX + 20;
  controller.createTopics([{ name: 'a', partitionCount, replicationFactor: 2 }]);
  controller.drain(1);
  controller.drain(1, { isOn: false });
  controller.isCurrent(1);
  const elected = (): unknown => controller.electLeaders();
  expect(elected()).toMatchObject({ result: { elected: LEADERS_ELECTED_MAX, isCut: true } });
  expect(elected()).toMatchObject({ result: { elected: 10, isCut: false } });
  const leaders = controller.partitions('a').map(({ leader }) => leader);
  expect(leaders).toEqual(leaders.map((_, i) => (i % 2 === 0 ? 1 : 2)));
});

test('an election of who is not in sync is a bug, and stops there', () => {
  const controller = unbalanced();
  const topic = controller.image.topics.get('a')!;
  const [, other] = controller.image.partitionsOf(topic);
  expect(() => led(other!, brokerId(1), rulesOf(controller.image, other!))).toThrow('the leader is not in the ISR');
});

test('that a replica is in sync again is told, so that leadership may come back to it', () => {
  const controller = new TestController();
  const told = (): number => controller.effects.filter(({ kind }) => kind === 'rejoined').length;
  controller.register(1);
  controller.createTopics([{ name: 'a' }]);
  controller.endSession(1);
  expect(told()).toBe(0);
  controller.register(1);
  expect(told()).toBe(1);
  controller.drain(1);
  expect(told()).toBe(1);
});

test('the balance can be switched off for the cluster', () => {
  const controller = unbalanced();
  expect(balancesByItself(controller.image)).toBe(true);
  controller.alterConfigs([{ type: 'broker', name: '', set: [['auto.leader.rebalance.enable', 'false']] }]);
  expect(balancesByItself(controller.image)).toBe(false);
  controller.alterConfigs([{ type: 'broker', name: '', delete: [['auto.leader.rebalance.enable']] }]);
  expect(balancesByItself(controller.image)).toBe(true);
});
