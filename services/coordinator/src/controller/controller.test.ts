import { describe, expect, test } from 'vitest';
import { CLUSTER_PARTITIONS_MAX, CONTROLLER_QUEUE_MAX, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { topicId } from '@weir/base/ids.ts';
import type { Doubt } from './partition.ts';
import type { TopicResult } from './create-topics.ts';
import { newId, TestController } from './test-controller.ts';

const codeOf = (result: TopicResult | undefined): string =>
  result?.kind === 'refused' ? result.refusal.code : String(result?.kind);

function withBrokers(count: number): TestController {
  const controller = new TestController();
  for (let id = 1; id <= count; id++) controller.register(id);
  return controller;
}

function doubt(controller: TestController, name: string, partition: number, why: Doubt) {
  return { topicId: controller.image.topics.get(name)!.id, partition, doubt: why };
}

describe('creating topics', () => {
  test('leaders go round robin over the brokers, over several topics as well', () => {
    const controller = withBrokers(3);
    controller.createTopics([
      { name: 'a', partitionCount: 4 },
      { name: 'b', partitionCount: 2 },
    ]);
    expect(controller.partitions('a').map(({ leader }) => leader)).toEqual([1, 2, 3, 1]);
    expect(controller.partitions('b').map(({ leader }) => leader)).toEqual([2, 3]);
  });

  test('replicas of a partition are on different racks while there are any', () => {
    const controller = new TestController();
    ['x', 'x', 'y', 'y', 'z'].forEach((rack, i) => controller.register(i + 1, { rack }));
    controller.createTopics([{ name: 'a', partitionCount: 20, replicationFactor: 3 }]);
    for (const { isr } of controller.partitions('a')) {
      expect(new Set(isr.map((id) => ['x', 'x', 'y', 'y', 'z'][id - 1])).size).toBe(3);
    }
  });

  test('a topic of many partitions takes several transactions, and its own key comes last', () => {
    const controller = withBrokers(1);
    const [created] = controller.createTopics([{ name: 'big', partitionCount: 1000 }]);
    expect(created).toMatchObject({ kind: 'created', topic: { partitionCount: 1000 } });
    const published = controller.effects.filter((effect) => effect.kind === 'publish');
    const withTopic = published.filter(({ entities }) => entities.length > 0 && entities[0]!.kind !== 'broker');
    expect(withTopic).toHaveLength(1);
    expect(withTopic[0]!.entities).toEqual([{ kind: 'topic', name: 'big', newFrom: 0 }]);
    expect(controller.partitions('big')).toHaveLength(1000);
  });

  test('a coordinator that dies halfway leaves no topic, and the next one removes the rest', () => {
    const controller = withBrokers(1);
    controller.createTopics([{ name: 'half', partitionCount: 500 }], { dieAfter: 2 });
    expect(controller.store.rangeNow({ prefix: '/partitions/' }).items.length).toBeGreaterThan(100);
    const next = new TestController(controller.store);
    expect(next.store.rangeNow({ prefix: '/partitions/' }).items).toHaveLength(0);
    expect(next.image.topics.size).toBe(0);
    expect(codeOf(next.createTopics([{ name: 'half', partitionCount: 500 }])[0])).toBe('created');
  });

  test('each refusal has its code, and the others of the request are created', () => {
    const controller = withBrokers(1);
    controller.createTopics([{ name: 'there' }]);
    const refusals: [Parameters<TestController['createTopics']>[0][number], string][] = [
      [{ name: 'fine' }, 'created'],
      [{ name: 'there' }, 'TOPIC_ALREADY_EXISTS'],
      [{ name: '../up' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: '..' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: '' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: 'x'.repeat(250) }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: '__consumer_offsets' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ name: 'p1', partitionCount: -1 }, 'INVALID_PARTITIONS'],
      [{ name: 'p2', partitionCount: TOPIC_PARTITIONS_MAX + 1 }, 'INVALID_PARTITIONS'],
      [{ name: 'r1', replicationFactor: -1 }, 'INVALID_REPLICATION_FACTOR'],
      [{ name: 'r2', replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR'],
      [{ name: 'c1', configs: { 'cleanup.policy': 'keep' } }, 'INVALID_CONFIG'],
      [{ name: 'c2', configs: { flush: 'never' } }, 'INVALID_CONFIG'],
      [{ name: 'c3', configs: { 'segment.bytes': '10' } }, 'INVALID_CONFIG'],
      [{ name: 'c4', configs: { 'max.message.bytes': '1e3' } }, 'INVALID_CONFIG'],
      [{ name: 'c5', configs: { 'segment.bytes': '1048576', 'max.message.bytes': '2000000' } }, 'INVALID_CONFIG'],
      [{ name: 'c6', configs: { constructor: '1' } }, 'INVALID_CONFIG'],
      [{ name: 'c7', configs: { 'retention.ms': '-2' } }, 'INVALID_CONFIG'],
      [{ name: 'c8', configs: { 'segment.ms': '0' } }, 'INVALID_CONFIG'],
      [{ name: 'kept', configs: { 'retention.ms': '-1', 'retention.bytes': '0', 'segment.ms': '1' } }, 'created'],
      [{ name: 'twice' }, 'INVALID_REQUEST'],
      [{ name: 'twice' }, 'INVALID_REQUEST'],
      [
        { name: 'good', configs: { flush: 'interval', 'max.message.bytes': '5000', 'segment.bytes': '2000000' } },
        'created',
      ],
    ];
    const results = controller.createTopics(refusals.map(([topic]) => topic));
    expect(results.map(codeOf)).toEqual(refusals.map(([, code]) => code));
    expect([...controller.image.topics.keys()]).toEqual(['there', 'fine', 'kept', 'good']);
  });

  test('an unknown config is told which there are, and more replicas than brokers how many these are', () => {
    const controller = new TestController();
    for (const id of [1, 2, 3]) controller.register(id);
    const results = controller.createTopics([
      { name: 'a', configs: { 'clean.policy': 'delete' } },
      { name: 'b', replicationFactor: 4 },
    ]);
    expect(results[0]).toMatchObject({
      refusal: {
        message: expect.stringContaining('flush, max.compaction.lag.ms, max.message.bytes, message.timestamp.type'),
      },
    });
    expect(results[1]).toMatchObject({ refusal: { message: expect.stringContaining('3 are registered') } });
  });

  test('a topic that says nothing of replicas has three, or as many as there are brokers, or what is set', () => {
    const factor = (controller: TestController, name: string): number => {
      controller.createTopics([{ name }]);
      return controller.partition({ name }).replicas.length;
    };
    const controller = withBrokers(2);
    expect(factor(controller, 'a')).toBe(2);
    for (const id of [3, 4]) controller.register(id);
    expect(factor(controller, 'b')).toBe(3);
    const set = (value: string): unknown =>
      controller.alterConfigs([{ type: 'broker', name: '', set: [['default.replication.factor', value]] }]);
    set('1');
    expect(factor(controller, 'c')).toBe(1);
    set('5');
    expect(codeOf(controller.createTopics([{ name: 'd' }])[0])).toBe('INVALID_REPLICATION_FACTOR');
    controller.alterConfigs([{ type: 'broker', name: '', delete: [['default.replication.factor']] }]);
    expect(factor(new TestController(controller.store, { defaultReplicationFactor: 1 }), 'd')).toBe(1);
  });

  test('without an active broker there is nowhere to put a topic', () => {
    expect(codeOf(new TestController().createTopics([{ name: 'a' }])[0])).toBe('INVALID_REPLICATION_FACTOR');
    const controller = withBrokers(2);
    for (const id of [1, 2]) controller.endSession(id);
    const [refused] = controller.createTopics([{ name: 'a', replicationFactor: 1 }]);
    expect(refused).toMatchObject({
      refusal: { code: 'INVALID_REPLICATION_FACTOR', message: 'all 2 brokers are away: nobody could lead' },
    });
  });

  test('a topic that nobody asked for by name is created only where that is allowed', () => {
    const closed = withBrokers(1);
    expect(codeOf(closed.createTopics([{ name: 'a' }], { autoCreate: true })[0])).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    const open = new TestController(undefined, { autoCreateTopics: true, defaultPartitions: 3 });
    open.register(1);
    expect(codeOf(open.createTopics([{ name: 'a' }], { autoCreate: true })[0])).toBe('created');
    expect(open.partitions('a')).toHaveLength(3);
  });

  test('validating writes nothing', () => {
    const controller = withBrokers(1);
    const { revision } = controller.image;
    expect(codeOf(controller.createTopics([{ name: 'a' }], { validateOnly: true })[0])).toBe('valid');
    expect(controller.image.revision).toBe(revision);
  });

  test('the partitions of the whole cluster have a limit', () => {
    const controller = withBrokers(1);
    const topics = Array.from({ length: CLUSTER_PARTITIONS_MAX / TOPIC_PARTITIONS_MAX + 1 }, (_, i) => ({
      name: `t${i}`,
      partitionCount: TOPIC_PARTITIONS_MAX,
    }));
    const results = controller.createTopics(topics, { validateOnly: true });
    expect(results.map(codeOf)).toEqual([...topics.slice(1).map(() => 'valid'), 'POLICY_VIOLATION']);
  });
});

describe('brokers come and go', () => {
  test('a broker that is gone leads nothing, and leads again in a higher epoch when it is back', () => {
    const controller = withBrokers(1);
    controller.createTopics([{ name: 'a', partitionCount: 2 }]);
    controller.endSession(1);
    expect(controller.partitions('a')[0]).toEqual({ leader: -1, leaderEpoch: 1, isr: [], elr: [1] });
    controller.register(1);
    expect(controller.partitions('a')[0]).toEqual({ leader: 1, leaderEpoch: 2, isr: [1], elr: [] });
  });

  test('a change of leader is an election; that one goes, or that a topic is new, is none', () => {
    const controller = withBrokers(1);
    const elections = (): number =>
      controller.effects.reduce((sum, effect) => sum + (effect.kind === 'publish' ? effect.elections : 0), 0);
    controller.createTopics([{ name: 'a', partitionCount: 2 }]);
    controller.endSession(1);
    expect(elections()).toBe(0);
    controller.register(1);
    expect(elections()).toBe(2);
    const by = controller.effects.flatMap((effect) =>
      effect.kind === 'publish' && effect.elections > 0 ? [effect.command] : [],
    );
    expect(by).toEqual(['registerBroker']);
  });

  test('the next in-sync replica in replica order leads, and the minimum of the ISR is kept for later', () => {
    const controller = withBrokers(3);
    controller.createTopics([{ name: 'a', replicationFactor: 3 }]);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 1, isr: [1, 2, 3] });
    controller.endSession(1);
    expect(controller.partitions('a')[0]).toEqual({ leader: 2, leaderEpoch: 1, isr: [2, 3], elr: [] });
    controller.endSession(2);
    expect(controller.partitions('a')[0]).toEqual({ leader: 3, leaderEpoch: 2, isr: [3], elr: [2] });
    controller.endSession(3);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, isr: [], elr: [2, 3] });
    controller.register(1);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1 });
    controller.register(2);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2], elr: [3] });
  });

  test('the same directory takes over from a session that lives, another one is refused until it has ended', () => {
    const controller = withBrokers(1);
    controller.createTopics([{ name: 'a' }]);
    const first = controller.image.sessions.values().next().value!;
    expect(controller.register(1)).toEqual({ kind: 'registered', isOutdated: false });
    expect(controller.effects).toContainEqual({ kind: 'sessionEnded', sessionId: first.id });
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 1, leaderEpoch: 1, isr: [1] });
    expect(controller.register(1, { directory: 'other' })).toMatchObject({
      kind: 'refused',
      refusal: { code: 'DUPLICATE_BROKER_ID' },
    });
    controller.endSession(1);
    expect(controller.register(1, { directory: 'other' })).toEqual({ kind: 'registered', isOutdated: false });
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, isr: [], elr: [] });
  });

  test('a directory from before the last run is refused while that run lives, and loses its seats once it is gone', () => {
    const controller = new TestController();
    controller.register(1, { incarnation: 'A' });
    controller.register(2);
    controller.createTopics([{ name: 'a', replicationFactor: 2, configs: { 'min.insync.replicas': '2' } }]);
    controller.register(1, { incarnation: 'B', earlierIncarnations: ['A'] });
    const outdated = { incarnation: 'C', earlierIncarnations: ['A'] };
    expect(controller.register(1, outdated)).toMatchObject({ refusal: { code: 'DUPLICATE_BROKER_ID' } });
    controller.endSession(2);
    controller.endSession(1);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, isr: [], elr: [2, 1] });
    expect(controller.register(1, outdated)).toEqual({ kind: 'registered', isOutdated: true });
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, isr: [], elr: [2] });
    controller.register(2);
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2] });
  });

  test('a run whose registration was taken and never answered is the newest one of its directory', () => {
    const controller = withBrokers(1);
    controller.createTopics([{ name: 'a' }]);
    controller.endSession(1);
    controller.register(1, { incarnation: 'A' });
    controller.endSession(1);
    // It knows of another run that registered, and of this one that it may have.
    for (const incarnation of ['B', 'B']) {
      controller.register(1, { incarnation, earlierIncarnations: ['0', 'A'] });
      expect(controller.partitions('a')[0]).toMatchObject({ leader: 1 });
      controller.endSession(1);
    }
    // A copy of its disk from before it began its last run.
    controller.register(1, { incarnation: 'C', earlierIncarnations: ['0', 'A'] });
    expect(controller.partitions('a')[0]).toMatchObject({ leader: -1, elr: [] });
  });

  test('a missing or damaged replica stays offline, an unsynced last leader comes back and is audited', () => {
    for (const [why, leader] of [
      ['missing', -1],
      ['damaged', -1],
      ['unsynced', 1],
    ] as const) {
      for (const alive of [true, false]) {
        const controller = withBrokers(1);
        controller.createTopics([{ name: 'a', partitionCount: 2 }]);
        if (!alive) controller.endSession(1);
        controller.register(1, { doubtful: [doubt(controller, 'a', 0, why)] });
        expect(controller.partitions('a').map((partition) => partition.leader)).toEqual([leader, 1]);
        const audited = controller.effects.filter(({ kind }) => kind === 'uncleanElection');
        expect(audited).toHaveLength(why === 'unsynced' ? 1 : 0);
        controller.endSession(1);
        controller.register(1);
        expect(controller.partitions('a')[0]).toMatchObject({ leader });
        expect(controller.effects.filter(({ kind }) => kind === 'uncleanElection')).toHaveLength(audited.length);
      }
    }
  });

  test('a doubtful replica gives way to one that is not', () => {
    const controller = withBrokers(3);
    controller.createTopics([{ name: 'a', replicationFactor: 3 }]);
    controller.register(1, { doubtful: [doubt(controller, 'a', 0, 'unsynced')] });
    expect(controller.partitions('a')[0]).toMatchObject({ leader: 2, isr: [2, 3] });
  });

  test('more doubtful replicas than a transaction takes leave before the broker is registered', () => {
    const controller = withBrokers(1);
    controller.createTopics([{ name: 'a', partitionCount: 400 }]);
    const doubtful = Array.from({ length: 400 }, (_, i) => doubt(controller, 'a', i, 'damaged'));
    for (const dieAfter of [0, 1, 2, 3]) {
      controller.register(1, { doubtful, dieAfter });
      const next = new TestController(controller.store);
      const led = next.partitions('a').filter(({ leader }) => leader === 1).length;
      // Either the old registration stands, and leads all of it, or the new one does, which leads nothing.
      expect(led === 0 || (led === 400 && dieAfter === 0)).toBe(true);
      Object.assign(controller, { store: next.store, controller: next.controller });
    }
    controller.register(1, { doubtful });
    expect(controller.partitions('a').every(({ leader }) => leader === -1)).toBe(true);
  });

  test('a full queue refuses commands, but never the end of a session', () => {
    const { controller } = withBrokers(1);
    const topics = [
      { name: 'a', id: topicId(newId()), partitionCount: 1, replicationFactor: 1, configs: {}, assignments: [] },
    ];
    const command = { kind: 'createTopics', topics, validateOnly: false, autoCreate: false } as const;
    for (let id = 0; id <= CONTROLLER_QUEUE_MAX; id++) controller.step({ kind: 'command', id: 100 + id, command });
    expect(controller.step({ kind: 'command', id: 7, command })).toEqual([{ kind: 'refuse', id: 7 }]);
    expect(controller.step({ kind: 'command', id: 8, command: { kind: 'endSession', sessionId: 'x' } })).toEqual([]);
  });
});
