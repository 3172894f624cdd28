import { describe, expect, test } from 'vitest';
import { brokerId, topicId } from '@weir/base/ids.ts';
import { TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { newId, TestController } from './test-controller.ts';

const A = { name: 'a' };

/** Three brokers, and a topic whose leader is 1. */
function withTopic(configs: Record<string, string> = {}, replicationFactor = 3): TestController {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  controller.createTopics([{ name: 'a', replicationFactor, configs }]);
  return controller;
}

const epochOf = ({ image }: TestController, id: number): number => image.sessionOf(brokerId(id))?.revision ?? 0;

describe('a leader', () => {
  test('takes replicas out of the ISR and back in, each time one partition epoch later and in the same leader epoch', () => {
    const controller = withTopic();
    expect(controller.alterIsr(A, [1, 2])).toBe('NONE');
    expect(controller.partition(A)).toMatchObject({ leader: 1, leaderEpoch: 0, partitionEpoch: 1, elr: [] });
    expect(controller.join(A, 3)).toBe('NONE');
    expect(controller.partitions('a')[0]).toEqual({ leader: 1, leaderEpoch: 0, isr: [1, 2, 3], elr: [] });
    expect(controller.partition(A).isr[2]!.epoch).toBe(epochOf(controller, 3));
  });

  test('is not written twice: the same request follows a state that is gone', () => {
    const controller = withTopic();
    const { partitionEpoch } = controller.partition(A);
    expect(controller.alterIsr(A, [1, 2], { partitionEpoch })).toBe('NONE');
    expect(controller.alterIsr(A, [1, 2], { partitionEpoch })).toBe('INVALID_UPDATE_VERSION');
  });

  test('settles what it does not know the outcome of with a change that changes nothing', () => {
    const controller = withTopic();
    const { partitionEpoch } = controller.partition(A);
    expect(controller.alterIsr(A, [1, 2, 3], { partitionEpoch })).toBe('NONE');
    expect(controller.partition(A)).toMatchObject({ leader: 1, leaderEpoch: 0, partitionEpoch: 1 });
    const told = controller.effects.findLast((effect) => effect.kind === 'publish');
    expect(told).toMatchObject({ entities: [{ kind: 'partition', index: 0 }], isrShrinks: 0, isrExpansions: 0 });
    // The change before it comes late.
    expect(controller.alterIsr(A, [1, 2], { partitionEpoch })).toBe('INVALID_UPDATE_VERSION');
  });

  test('keeps those as eligible that leave an ISR below its minimum, with their directories, until it is full again', () => {
    const controller = withTopic();
    controller.alterIsr(A, [1]);
    expect(controller.partition(A).elr).toEqual([
      { broker: 2, directory: 'directory-2' },
      { broker: 3, directory: 'directory-3' },
    ]);
    controller.join(A, 3);
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [1, 3], elr: [] });
  });

  test('takes an eligible replica back in, which is not eligible beside that', () => {
    const controller = withTopic({ 'min.insync.replicas': '3' });
    controller.alterIsr(A, [1]);
    controller.join(A, 2);
    expect(controller.partitions('a')[0]).toMatchObject({ isr: [1, 2], elr: [3] });
  });

  test('that drains hands over with the very change that lets another one in', () => {
    const controller = withTopic();
    controller.alterIsr(A, [1]);
    controller.drain(1);
    expect(controller.partition(A).leader).toBe(1);
    expect(controller.join(A, 2)).toBe('NONE');
    expect(controller.partition(A)).toMatchObject({ leader: 2, leaderEpoch: 1, partitionEpoch: 2 });
  });
});

describe('a leader that resigns', () => {
  test('leaves the ISR, which another one of it leads, by replica order', () => {
    const controller = withTopic();
    expect(controller.alterIsr(A, [3, 2])).toBe('NONE');
    expect(controller.partition(A)).toMatchObject({ leader: 2, leaderEpoch: 1, partitionEpoch: 1, elr: [] });
    expect(controller.partitions('a')[0]!.isr).toEqual([3, 2]);
    expect(controller.alterIsr(A, [3, 2, 1], { by: 1 })).toBe('NOT_LEADER_OR_FOLLOWER');
  });

  test('goes before one that drains, and is eligible where the rest is too few', () => {
    const controller = withTopic();
    controller.drain(2);
    controller.alterIsr(A, [2, 3]);
    expect(controller.partition(A).leader).toBe(3);
    controller.alterIsr(A, [2]);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2], elr: [3] });
  });

  test('without anybody to lead does not', () => {
    const controller = withTopic();
    expect(controller.alterIsr(A, [])).toBe('INVALID_REQUEST');
    expect(controller.partition(A)).toMatchObject({ leader: 1, partitionEpoch: 0 });
  });
});

describe('refused is', () => {
  test('a request as a whole of a broker that is not registered so any more', () => {
    const controller = withTopic();
    const asked = { kind: 'alterIsr', brokerId: brokerId(1), partitions: [] } as const;
    const brokerEpoch = epochOf(controller, 1);
    expect(controller.run({ ...asked, brokerEpoch })).toEqual({ kind: 'isrs', results: [] });
    controller.register(1);
    expect(controller.run({ ...asked, brokerEpoch })).toMatchObject({ refusal: { code: 'STALE_BROKER_EPOCH' } });
    controller.endSession(1);
    expect(controller.run({ ...asked, brokerEpoch: 0 })).toMatchObject({ refusal: { code: 'STALE_BROKER_EPOCH' } });
  });

  test('what is not there, not led, of another epoch or another state, in that order', () => {
    const controller = withTopic();
    controller.alterIsr(A, [3, 2]);
    expect(controller.alterIsr(A, [9], { topicId: topicId(newId()), by: 1 })).toBe('UNKNOWN_TOPIC_ID');
    expect(controller.alterIsr(A, [9], { partition: 1, by: 1 })).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(controller.alterIsr(A, [9], { partition: -1, by: 1 })).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(controller.alterIsr(A, [9], { leaderEpoch: 0, by: 1 })).toBe('NOT_LEADER_OR_FOLLOWER');
    expect(controller.alterIsr(A, [9], { leaderEpoch: 0, partitionEpoch: 0 })).toBe('FENCED_LEADER_EPOCH');
    expect(controller.alterIsr(A, [9], { leaderEpoch: 2, partitionEpoch: 0 })).toBe('UNKNOWN_LEADER_EPOCH');
    for (const partitionEpoch of [0, 2]) {
      expect(controller.alterIsr(A, [9], { partitionEpoch })).toBe('INVALID_UPDATE_VERSION');
    }
    expect(controller.alterIsr(A, [2, 9])).toBe('INVALID_REQUEST');
    expect(controller.alterIsr(A, [2, 2])).toBe('INVALID_REQUEST');
    expect(controller.partition(A).partitionEpoch).toBe(1);
  });

  test('a partition that is in the request twice, and nothing else of it', () => {
    const controller = withTopic();
    controller.createTopics([{ name: 'b', replicationFactor: 3, assignments: [] }]);
    const wanted = (name: string) => {
      const { topicId: id, index, leaderEpoch, partitionEpoch, isr } = controller.partition({ name });
      const members = isr.filter(({ broker }) => broker !== 3);
      return { topicId: id, partition: index, leaderEpoch, partitionEpoch, isr: members };
    };
    controller.endSession(2);
    controller.register(2);
    expect(controller.partition({ name: 'b' }).leader).toBe(3);
    const asked = { kind: 'alterIsr', brokerId: brokerId(1), brokerEpoch: epochOf(controller, 1) } as const;
    const twice = controller.run({ ...asked, partitions: [wanted('a'), wanted('b'), wanted('a')] });
    expect(twice).toMatchObject({
      results: [{ code: 'INVALID_REQUEST' }, { code: 'NOT_LEADER_OR_FOLLOWER' }, { code: 'INVALID_REQUEST' }],
    });
    expect(controller.run({ ...asked, partitions: [wanted('a'), wanted('b')] })).toMatchObject({
      results: [undefined, { code: 'NOT_LEADER_OR_FOLLOWER' }],
    });
  });

  test('a replica that is away, drains, or is registered anew since its leader knew it, and named with the reason', () => {
    const controller = withTopic();
    const whyNot = (epoch: number): string => {
      const { topicId: id, leaderEpoch, partitionEpoch, isr } = controller.partition(A);
      const partitions = [
        { topicId: id, partition: 0, leaderEpoch, partitionEpoch, isr: [...isr, { broker: 3, epoch }] },
      ];
      const asker = { brokerId: brokerId(1), brokerEpoch: epochOf(controller, 1) };
      const result = controller.run({ kind: 'alterIsr', ...asker, partitions });
      const refused = result?.kind === 'isrs' ? result.results[0] : undefined;
      return refused === undefined ? 'NONE' : `${refused.code}: ${refused.message}`;
    };
    const old = epochOf(controller, 3);
    controller.endSession(3);
    const cannot = 'INELIGIBLE_REPLICA: broker 3 cannot join the ISR of a-0:';
    expect(whyNot(old)).toBe(`${cannot} its session has ended`);
    controller.register(3);
    const epoch = epochOf(controller, 3);
    expect(whyNot(old)).toBe(`${cannot} it is registered with the epoch ${epoch}, not ${old}`);
    controller.drain(3);
    expect(whyNot(epoch)).toBe(`${cannot} it drains`);
    controller.drain(3, { isOn: false });
    expect(whyNot(epoch)).toBe('NONE');
    // Who is in sync already stays so while it drains.
    controller.drain(3);
    expect(controller.alterIsr(A, [1, 3])).toBe('NONE');
  });
});

test('shrinks and expansions are counted, whoever asks for them, and a registration anew is none', () => {
  const controller = withTopic();
  const counted = (): unknown => {
    const published = controller.effects.splice(0).filter((effect) => effect.kind === 'publish');
    const sum = (of: 'isrShrinks' | 'isrExpansions'): number => published.reduce((total, one) => total + one[of], 0);
    return [sum('isrShrinks'), sum('isrExpansions')];
  };
  expect(counted()).toEqual([0, 0]);
  controller.alterIsr(A, [1, 2]);
  expect(counted()).toEqual([1, 0]);
  controller.join(A, 3);
  expect(counted()).toEqual([0, 1]);
  controller.endSession(3);
  expect(counted()).toEqual([1, 0]);
  controller.alterIsr(A, [1]);
  controller.endSession(2);
  controller.effects.length = 0;
  // The one that is left registers anew, and goes on.
  controller.register(1);
  expect(counted()).toEqual([0, 0]);
});

test('many partitions change in as few transactions as fit them', () => {
  const controller = withTopic();
  controller.createTopics([{ name: 'many', partitionCount: 3 * TXN_OPERATIONS_MAX, replicationFactor: 3 }]);
  const partitions = controller.image
    .partitionsOf(controller.image.topics.get('many')!)
    .filter(({ leader }) => leader === 1)
    .map(({ topicId: id, index, leaderEpoch, partitionEpoch, isr }) => {
      const members = isr.filter(({ broker }) => broker !== 3);
      return { topicId: id, partition: index, leaderEpoch, partitionEpoch, isr: members };
    });
  controller.effects.length = 0;
  const asked = { kind: 'alterIsr', brokerId: brokerId(1), brokerEpoch: epochOf(controller, 1), partitions } as const;
  expect(controller.run(asked)).toEqual({ kind: 'isrs', results: partitions.map(() => undefined) });
  expect(controller.effects.filter(({ kind }) => kind === 'commit')).toHaveLength(2);
});
