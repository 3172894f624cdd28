import { describe, expect, test } from 'vitest';
import { TEST_REQUESTER, TestController } from './test-controller.ts';

const A = { name: 'a' };
const ALLOWED = { 'unclean.leader.election.enable': 'true' };
const allow = (value: string) => ({ set: [['unclean.leader.election.enable', value]] }) as const;

/** Three brokers, of which 1 led alone and is gone; 2 and 3 are back, and lack what it committed. */
function leaderless(configs: Record<string, string> = {}): TestController {
  const controller = new TestController();
  for (const id of [1, 2, 3]) controller.register(id);
  const minimum = { 'min.insync.replicas': '1' };
  controller.createTopics([{ name: 'a', replicationFactor: 3, configs: { ...minimum, ...configs } }]);
  controller.alterIsr(A, [1]);
  controller.endSession(1);
  return controller;
}

const audited = ({ effects }: TestController): unknown[] =>
  effects.flatMap((effect) =>
    effect.kind === 'uncleanElection' ? [[effect.partition.leader, effect.partition.leaderEpoch, effect.peer]] : [],
  );

describe('a partition that nobody in sync can lead', () => {
  test('waits for somebody who holds everything, where unclean elections are off', () => {
    const controller = leaderless();
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, isr: [], elr: [1] });
    controller.register(1);
    expect(controller.partition(A)).toMatchObject({ leader: 1, uncleanEpoch: -1 });
  });

  test('is led by the first live replica where they are on, which alone is in sync and recorded as unclean', () => {
    const controller = leaderless(ALLOWED);
    expect(controller.partition(A)).toMatchObject({
      leader: 2,
      leaderEpoch: 1,
      isr: [{ broker: 2 }],
      elr: [],
      lastKnownElr: [],
      uncleanEpoch: 1,
    });
    expect(audited(controller)).toEqual([[2, 1, '']]);
    // Who held more comes back as a follower.
    controller.register(1);
    expect(controller.partition(A)).toMatchObject({ leader: 2, leaderEpoch: 1 });
  });

  test('is led at once by the first that comes back, and by one that drains only when no other is there', () => {
    const controller = new TestController();
    for (const id of [1, 2, 3]) controller.register(id);
    controller.createTopics([{ name: 'a', replicationFactor: 3, configs: { ...ALLOWED, 'min.insync.replicas': '1' } }]);
    controller.drain(2);
    controller.alterIsr(A, [1]);
    controller.endSession(1);
    expect(controller.partition(A)).toMatchObject({ leader: 3, uncleanEpoch: 1 });
    controller.endSession(3);
    expect(controller.partition(A)).toMatchObject({ leader: 2, uncleanEpoch: 2 });
    controller.endSession(2);
    expect(controller.partition(A).leader).toBe(-1);
    controller.register(1);
    expect(controller.partition(A)).toMatchObject({ leader: 1, uncleanEpoch: 4 });
  });

  test('is led by who holds everything, as long as one of them lives', () => {
    const controller = new TestController();
    for (const id of [1, 2, 3]) controller.register(id);
    controller.createTopics([{ name: 'a', replicationFactor: 3, configs: ALLOWED }]);
    controller.alterIsr(A, [1, 3]);
    controller.alterIsr(A, [1]);
    controller.endSession(1);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 3, isr: [3], elr: [1] });
    expect(controller.partition(A).uncleanEpoch).toBe(-1);
  });

  test('has nobody eligible any more: what others hold beyond its new leader is not committed', () => {
    const controller = new TestController();
    for (const id of [1, 2, 3]) controller.register(id);
    controller.createTopics([{ name: 'a', replicationFactor: 3, configs: ALLOWED }]);
    controller.alterIsr(A, [1, 2]);
    controller.alterIsr(A, [1]);
    for (const id of [2, 1]) controller.endSession(id);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 3, isr: [3], elr: [] });
    controller.endSession(3);
    expect(controller.partitions('a')[0]!.elr).toEqual([3]);
  });

  test('is led by its last leader, which lost no more than its unsynced tail, rather than by who has less', () => {
    const controller = new TestController();
    for (const id of [1, 2]) controller.register(id);
    controller.createTopics([{ name: 'a', replicationFactor: 2, configs: ALLOWED }]);
    controller.alterIsr(A, [1]);
    const { topicId } = controller.partition(A);
    controller.register(1, { doubtful: [{ topicId, partition: 0, doubt: 'unsynced' }] });
    expect(controller.partition(A)).toMatchObject({ leader: 1, uncleanEpoch: 2 });
  });

  test('is led at once when unclean elections are switched on, whoever finishes it', () => {
    for (const owner of [
      { type: 'topic', name: 'a' },
      { type: 'broker', name: '' },
    ] as const) {
      for (const dieAfter of [undefined, 1]) {
        const begun = leaderless();
        begun.alterConfigs([{ ...owner, ...allow('true') }], dieAfter === undefined ? {} : { dieAfter });
        const controller = dieAfter === undefined ? begun : new TestController(begun.store);
        expect(controller.partition(A)).toMatchObject({ leader: 2, uncleanEpoch: 2 });
      }
    }
  });

  test('waits where its topic says so, whatever the cluster says', () => {
    const controller = leaderless();
    controller.alterConfigs([
      { type: 'topic', name: 'a', ...allow('false') },
      { type: 'broker', name: '', ...allow('true') },
    ]);
    expect(controller.partition(A).leader).toBe(-1);
  });
});

describe('an unclean election on request', () => {
  test('elects for what nobody leads, once, and is audited with who asked', () => {
    const controller = leaderless();
    controller.createTopics([{ name: 'b', replicationFactor: 2 }]);
    const before = controller.partition({ name: 'b' });
    const unclean = () => controller.electLeaders(undefined, { election: 'unclean' });
    expect(unclean()).toEqual({ kind: 'election', result: { elected: 1, isCut: false, unavailable: [] } });
    expect(controller.partition(A)).toMatchObject({ leader: 2, uncleanEpoch: 2, elr: [] });
    expect(audited(controller)).toEqual([[2, 2, TEST_REQUESTER.peer]]);
    expect(controller.partition({ name: 'b' })).toEqual(before);
    expect(unclean()).toEqual({ kind: 'election', result: { elected: 0, isCut: false, unavailable: [] } });
  });

  test('cannot elect anybody whose broker is away, and elects what is named alone', () => {
    const controller = leaderless();
    controller.createTopics([{ name: 'b', replicationFactor: 2 }]);
    expect(controller.electLeaders(['b'], { election: 'unclean' })).toMatchObject({ result: { elected: 0 } });
    expect(controller.partition(A).leader).toBe(-1);
    for (const id of [2, 3]) controller.endSession(id);
    expect(controller.electLeaders(['a'], { election: 'unclean' })).toMatchObject({
      result: { elected: 0, unavailable: [{ topic: 'a', partition: 0, preferred: 1, why: 'away' }] },
    });
  });
});
