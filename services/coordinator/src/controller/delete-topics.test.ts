import { expect, test } from 'vitest';
import { DELETED_TOPIC_KEPT_MS, TXN_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { topicId } from '@weir/base/ids.ts';
import type { DeletionResult } from './delete-topics.ts';
import { newId, TestController } from './test-controller.ts';

/** Two operations each, beside the change id's. */
const PER_TRANSACTION = Math.floor((TXN_OPERATIONS_MAX - 1) / 2);

const codeOf = (result: DeletionResult | undefined): string =>
  result?.kind === 'refused' ? result.refusal.code : String(result?.kind);

function withTopics(topics: Readonly<Record<string, number>>): TestController {
  const controller = new TestController();
  controller.register(1);
  controller.createTopics(Object.entries(topics).map(([name, partitionCount]) => ({ name, partitionCount })));
  return controller;
}

const keysOf = ({ store }: TestController, prefix: string): number => store.rangeNow({ prefix }).items.length;

test('a deleted topic is gone from image and store, with a proof of it, and its name is free for another', () => {
  const controller = withTopics({ a: 3, b: 2 });
  const { id } = controller.image.topics.get('a')!;
  const [result] = controller.deleteTopics([{ name: 'a' }], { nowMs: 5 });
  expect(result).toEqual({ kind: 'deleted', deleted: { id, name: 'a', deletedMs: 5, revision: expect.any(Number) } });
  expect([...controller.image.topics.keys()]).toEqual(['b']);
  expect(controller.image.partitionCount).toBe(2);
  expect(controller.image.partition(id, 0)).toBeUndefined();
  expect([keysOf(controller, '/topics/'), keysOf(controller, '/partitions/')]).toEqual([1, 2]);
  controller.createTopics([{ name: 'a' }]);
  const again = new TestController(controller.store).image;
  expect(again.topics.get('a')!.id).not.toBe(id);
  expect(again.deletedTopics.get(id)).toMatchObject({ name: 'a', deletedMs: 5 });
});

test('followers are told once, in the revision in which the topic goes, and of no partition', () => {
  const controller = withTopics({ a: 300 });
  const { id } = controller.image.topics.get('a')!;
  controller.effects.length = 0;
  const [result] = controller.deleteTopics([{ name: 'a' }]);
  const published = controller.effects.filter((effect) => effect.kind === 'publish');
  expect(published.length).toBeGreaterThan(300 / TXN_OPERATIONS_MAX);
  expect(published.flatMap(({ entities }) => entities)).toEqual([{ kind: 'deletedTopic', id, name: 'a' }]);
  expect(published[0]!.entities).toHaveLength(1);
  expect(result).toMatchObject({ deleted: { revision: published[0]!.revision } });
});

test('a coordinator that dies anywhere leaves the whole topic or a proof, and the next one removes the rest', () => {
  for (let dieAfter = 0; dieAfter <= 4; dieAfter++) {
    const controller = withTopics({ a: 300 });
    const { id } = controller.image.topics.get('a')!;
    controller.deleteTopics([{ name: 'a' }], { dieAfter });
    const next = new TestController(controller.store);
    expect(next.image.topics.has('a')).toBe(dieAfter === 0);
    expect(next.image.deletedTopics.has(id)).toBe(dieAfter > 0);
    expect(keysOf(next, '/partitions/')).toBe(dieAfter === 0 ? 300 : 0);
  }
});

test('more topics than a transaction takes are deleted, each with its proof in the same transaction', () => {
  const names = Array.from({ length: 200 }, (_, i) => `t${i}`);
  for (const dieAfter of [1, 2, undefined]) {
    const controller = withTopics(Object.fromEntries(names.map((name) => [name, 1])));
    controller.deleteTopics(
      names.map((name) => ({ name })),
      dieAfter === undefined ? {} : { dieAfter },
    );
    const next = new TestController(controller.store);
    expect(next.image.topics.size + next.image.deletedTopics.size).toBe(200);
    expect(next.image.deletedTopics.size).toBe(dieAfter === undefined ? 200 : PER_TRANSACTION * dieAfter);
  }
});

test('each refusal has its code, and the others of the request are deleted', () => {
  const controller = withTopics({ a: 1, b: 1 });
  const other = topicId(newId());
  const results = controller.deleteTopics([{ name: 'nope' }, { name: 'a', id: other }, { name: 'b' }, { name: 'b' }]);
  expect(results.map(codeOf)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID', 'deleted', 'deleted']);
  expect([...controller.image.topics.keys()]).toEqual(['a']);
});

test('a request that names the id and is sent again does not hit a topic that took the name since', () => {
  const controller = withTopics({ a: 1 });
  const { id } = controller.image.topics.get('a')!;
  controller.deleteTopics([{ name: 'a', id }]);
  controller.createTopics([{ name: 'a' }]);
  expect(controller.deleteTopics([{ name: 'a', id }])).toMatchObject([{ kind: 'deleted', deleted: { id } }]);
  expect(controller.image.topics.has('a')).toBe(true);
});

test('a creation that is done once more, long after it was given up, does not bring the topic back', () => {
  const controller = withTopics({ a: 2 });
  const writes = controller.effects.flatMap((effect) => (effect.kind === 'commit' ? [effect.txn] : []));
  const creation = writes.find(({ success }) => success.some(({ key }) => key === '/topics/a'))!;
  controller.deleteTopics([{ name: 'a' }]);
  expect(keysOf(controller, '/partitions/')).toBe(0);
  expect(controller.store.txnNow(creation).succeeded).toBe(false);
  expect(keysOf(controller, '/topics/') + keysOf(controller, '/partitions/')).toBe(0);
  // The same at a successor, which has written nothing yet.
  const next = new TestController(controller.store);
  expect(next.store.txnNow(creation).succeeded).toBe(false);
});

test('that a topic was deleted is remembered for its time, and no longer', () => {
  const controller = withTopics({ a: 1, b: 1 });
  const { id } = controller.image.topics.get('a')!;
  controller.deleteTopics([{ name: 'a' }], { nowMs: 1_000 });
  // The clock may go back: then it is remembered for longer.
  expect(new TestController(controller.store, {}, 0).image.deletedTopics.has(id)).toBe(true);
  const within = new TestController(controller.store, {}, 1_000 + DELETED_TOPIC_KEPT_MS);
  expect(within.image.deletedTopics.has(id)).toBe(true);
  const nowMs = 1_001 + DELETED_TOPIC_KEPT_MS;
  within.deleteTopics([{ name: 'b' }], { nowMs });
  expect(within.image.deletedTopics.has(id)).toBe(false);
  expect(keysOf(within, '/deleted-topics/')).toBe(1);
  expect(new TestController(controller.store, {}, 2 * nowMs).image.deletedTopics.size).toBe(0);
});
