import { CLUSTER_PARTITIONS_MAX, TOPIC_PARTITIONS_MAX, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { expect, test } from 'vitest';
import { snapshotFacts } from '../rpc/messages.ts';
import type { GrowthResult } from './create-partitions.ts';
import type { TopicResult } from './create-topics.ts';
import { TestController } from './test-controller.ts';

const codeOf = (result: GrowthResult | TopicResult | undefined): string =>
  result?.kind === 'refused' ? result.refusal.code : String(result?.kind);
const messageOf = (result: GrowthResult | TopicResult | undefined): string =>
  result?.kind === 'refused' ? result.refusal.message : '';

function withTopics(topics: Readonly<Record<string, number>>, brokers = 3): TestController {
  const controller = new TestController();
  for (let id = 1; id <= brokers; id++) controller.register(id);
  for (const [name, partitionCount] of Object.entries(topics)) {
    controller.createTopics([{ name, partitionCount, replicationFactor: 1 }]);
  }
  return controller;
}

test('new partitions have as many replicas as the others, all of them in sync, for they are as empty as their leader', () => {
  const controller = withTopics({});
  controller.createTopics([{ name: 'a', partitionCount: 1, replicationFactor: 3 }]);
  controller.createPartitions([{ name: 'a', totalCount: 3 }]);
  expect(controller.partitions('a').map(({ leader, isr, elr }) => [leader, isr, elr])).toEqual([
    [1, [1, 2, 3], []],
    [2, [2, 3, 1], []],
    [3, [3, 1, 2], []],
  ]);
});

test('new partitions are empty, led in epoch 0, and placed where the cluster is', () => {
  const controller = withTopics({ a: 2, b: 2 });
  const [result] = controller.createPartitions([{ name: 'a', totalCount: 5 }]);
  expect(result).toMatchObject({ kind: 'grown', topic: { name: 'a', partitionCount: 5 } });
  expect(controller.partitions('a').map(({ leader }) => leader)).toEqual([1, 2, 2, 3, 1]);
  expect(controller.partitions('a')[4]).toEqual({ leader: 1, leaderEpoch: 0, isr: [1], elr: [] });
  expect(controller.image.partitionCount).toBe(7);
});

test('followers hear of the topic and its new partitions alone, all at once', () => {
  const controller = withTopics({ a: 2 });
  controller.effects.length = 0;
  controller.createPartitions([{ name: 'a', totalCount: 2 + 2 * TXN_OPERATIONS_MAX }]);
  const published = controller.effects.filter((effect) => effect.kind === 'publish');
  expect(published.length).toBeGreaterThan(1);
  expect(published.flatMap(({ entities }) => entities)).toEqual([{ kind: 'topic', name: 'a', newFrom: 2 }]);
});

test('a follower that comes in between gets none of the partitions that are being added', () => {
  const controller = withTopics({ a: 2 });
  controller.createPartitions([{ name: 'a', totalCount: 300 }], { dieAfter: 2 });
  const facts = snapshotFacts(controller.image);
  expect(facts.filter(({ kind }) => kind === 'partition')).toHaveLength(2);
  expect(facts.find((fact) => fact.kind === 'topic')).toMatchObject({ topic: { partitionCount: 2 } });
});

test('a coordinator that dies in between leaves the topic as it was, and the next one removes the rest', () => {
  for (let dieAfter = 0; dieAfter <= 3; dieAfter++) {
    const controller = withTopics({ a: 2 });
    controller.createPartitions([{ name: 'a', totalCount: 300 }], { dieAfter });
    const next = new TestController(controller.store);
    const isThere = dieAfter === 3;
    expect(next.image.topics.get('a')!.partitionCount).toBe(isThere ? 300 : 2);
    expect(next.store.rangeNow({ prefix: '/partitions/' }).items).toHaveLength(isThere ? 300 : 2);
    expect(codeOf(next.createPartitions([{ name: 'a', totalCount: 400 }])[0])).toBe('grown');
    expect(next.partitions('a')).toHaveLength(400);
  }
});

test('a coordinator that dies while it removes them leaves holes, and the next one goes on', () => {
  const controller = withTopics({ a: 2 });
  controller.createPartitions([{ name: 'a', totalCount: 300 }], { dieAfter: 2 });
  const { topics } = controller.image;
  const first = controller.store.rangeNow({ prefix: `/partitions/${topics.get('a')!.id}/` }).items;
  const gone = first.slice(2, 100).map(({ key }) => ({ kind: 'delete', key }) as const);
  controller.store.txnNow({ compare: [], success: gone });
  const next = new TestController(controller.store);
  expect(next.partitions('a')).toHaveLength(2);
  expect(next.store.rangeNow({ prefix: '/partitions/' }).items).toHaveLength(2);
});

test('each refusal has its code, and the other topics of the request grow', () => {
  const controller = withTopics({ a: 3, b: 1, c: 1, d: 1 });
  const results = controller.createPartitions([
    { name: 'a', totalCount: 3 },
    { name: 'b', totalCount: 2 },
    { name: 'none', totalCount: 2 },
    { name: 'c', totalCount: 2 },
    { name: 'c', totalCount: 3 },
    { name: 'd', totalCount: TOPIC_PARTITIONS_MAX + 1 },
  ]);
  expect(results.map(codeOf)).toEqual([
    'INVALID_PARTITIONS',
    'grown',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'INVALID_REQUEST',
    'INVALID_REQUEST',
    'INVALID_PARTITIONS',
  ]);
  expect(messageOf(results[0])).toBe('topic a already has 3 partitions');
  const [fewer] = controller.createPartitions([{ name: 'a', totalCount: 2 }]);
  expect(messageOf(fewer)).toBe('the topic a currently has 3 partitions, which is higher than the requested 2');
  expect(codeOf(controller.createPartitions([{ name: 'd', totalCount: -1 }])[0])).toBe('INVALID_PARTITIONS');
});

test('validating writes nothing, and the limit of the cluster counts what the request adds', () => {
  const names = Array.from({ length: CLUSTER_PARTITIONS_MAX / TOPIC_PARTITIONS_MAX + 1 }, (_, i) => `t${i}`);
  const controller = withTopics(Object.fromEntries(names.map((name) => [name, 1])));
  const { revision } = controller.image;
  const asked = names.map((name) => ({ name, totalCount: TOPIC_PARTITIONS_MAX }));
  const results = controller.createPartitions(asked, { validateOnly: true });
  expect(results.map(codeOf)).toEqual([...names.slice(2).map(() => 'valid'), 'POLICY_VIOLATION', 'POLICY_VIOLATION']);
  expect(controller.image.revision).toBe(revision);
});

test('somebody may choose the places of new partitions', () => {
  const controller = withTopics({ a: 1 });
  controller.endSession(3);
  const tries: readonly [number[][], string][] = [
    [[[2]], '2 partitions would be added to topic a, and the assignments are of 1'],
    [[[2], []], 'partition 2 has an empty replica list'],
    [[[2], [1, 2]], 'partition 2 has 2 replicas, and other partitions have 1'],
    [[[2], [9]], 'partition 2 includes broker 9, but no such broker is registered'],
    [[[2], [-1]], 'partition 2 includes broker -1, but no such broker is registered'],
    [[[2], [3]], 'all brokers of the assignment of partition 2 are away'],
  ];
  for (const [assignments, why] of tries) {
    const [result] = controller.createPartitions([{ name: 'a', totalCount: 3, assignments }]);
    expect([codeOf(result), messageOf(result)]).toEqual(['INVALID_REPLICA_ASSIGNMENT', expect.stringContaining(why)]);
  }
  controller.createPartitions([{ name: 'a', totalCount: 3, assignments: [[2], [2]] }]);
  expect(controller.partitions('a').map(({ leader }) => leader)).toEqual([1, 2, 2]);
});

test('somebody may choose the places of a new topic, whose assignments say how many partitions and replicas', () => {
  const controller = withTopics({});
  const [made] = controller.createTopics([
    {
      name: 'a',
      assignments: [
        { partition: 1, brokers: [3, 1] },
        { partition: 0, brokers: [2, 3] },
      ],
    },
  ]);
  expect(made).toMatchObject({ kind: 'created', replicationFactor: 2, topic: { partitionCount: 2 } });
  expect(controller.partitions('a').map(({ leader, isr }) => [leader, isr])).toEqual([
    [2, [2, 3]],
    [3, [3, 1]],
  ]);
  const at = (partition: number, ...brokers: number[]) => ({ partition, brokers });
  const wrong: readonly [Parameters<TestController['createTopics']>[0][number], string][] = [
    [{ name: 'w1', assignments: [at(0, 1), at(2, 1)] }, 'INVALID_REPLICA_ASSIGNMENT'],
    [{ name: 'w2', assignments: [at(0, 1), at(0, 2)] }, 'INVALID_REPLICA_ASSIGNMENT'],
    [{ name: 'w3', assignments: [at(-1, 1)] }, 'INVALID_REPLICA_ASSIGNMENT'],
    [{ name: 'w4', assignments: [at(0, 1), at(1, 1, 2)] }, 'INVALID_REPLICA_ASSIGNMENT'],
    [{ name: 'w5', assignments: [at(0, 1, 1)] }, 'INVALID_REPLICA_ASSIGNMENT'],
    [{ name: 'w6', assignments: [at(0, 8)] }, 'INVALID_REPLICA_ASSIGNMENT'],
    [{ name: 'w7', assignments: [at(0)] }, 'INVALID_REPLICATION_FACTOR'],
    [{ name: 'w8', partitionCount: 1, assignments: [at(0, 1)] }, 'INVALID_REQUEST'],
    [{ name: 'w9', replicationFactor: 1, assignments: [at(0, 1)] }, 'INVALID_REQUEST'],
  ];
  expect(controller.createTopics(wrong.map(([topic]) => topic)).map(codeOf)).toEqual(wrong.map(([, code]) => code));
});
