import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { committed, groupRecord, TestTree, TestWatch } from './test-tree.ts';
import type { TestLog, TestRecord } from './test-tree.ts';

const GROUP = '/consumers/g';

function offset(partition: number, value: number | null, { group = 'g', topic = 'orders' } = {}): TestRecord {
  return { kind: 'offset', group, topic, partition, committed: value === null ? null : committed(value) };
}

function generation(record: ReturnType<typeof groupRecord>): TestRecord {
  return { kind: 'group', group: 'g', record };
}

describe('what the tree shows', () => {
  test('a group that only commits has its offsets, and goes with the last of them', () => {
    const shown = new TestTree();
    const watch = shown.watch('/consumers', 'recursive');
    shown.write(offset(0, 5), offset(0, 6), offset(3, 1));
    expect(watch.told).toEqual([
      `created ${GROUP}`,
      `created ${GROUP}/ids`,
      `created ${GROUP}/offsets`,
      `created ${GROUP}/owners`,
      `created ${GROUP}/offsets/orders`,
      `created ${GROUP}/offsets/orders/0`,
      `changed ${GROUP}/offsets/orders/0`,
      `created ${GROUP}/offsets/orders/3`,
    ]);
    expect(JSON.parse(watch.nodes.get(`${GROUP}/offsets/orders/0`)!)).toEqual({
      version: 1,
      offset: 6,
      leader_epoch: null,
      metadata: '',
      committed_ms: 1_000,
    });
    shown.write(offset(3, null), offset(0, null));
    expect(watch.told.slice(-6)).toEqual([
      `deleted ${GROUP}/offsets/orders/0`,
      `deleted ${GROUP}/offsets/orders`,
      `deleted ${GROUP}/owners`,
      `deleted ${GROUP}/offsets`,
      `deleted ${GROUP}/ids`,
      `deleted ${GROUP}`,
    ]);
    expect(shown.all().size).toBe(0);
  });

  test('owners go as a generation begins, and come as it is assigned; who stays is not told of again', () => {
    const shown = new TestTree();
    shown.write(generation(groupRecord(1, { a: { orders: [0, 1] } })));
    const watch = shown.watch(GROUP, 'recursive');
    shown.write(
      generation(groupRecord(2, { a: null, b: null })),
      generation(groupRecord(2, { a: { orders: [0] }, b: { orders: [1] } })),
    );
    expect(watch.told).toEqual([
      `changed ${GROUP}`,
      `deleted ${GROUP}/owners/orders/0`,
      `deleted ${GROUP}/owners/orders/1`,
      `deleted ${GROUP}/owners/orders`,
      `created ${GROUP}/ids/b`,
      `created ${GROUP}/owners/orders`,
      `created ${GROUP}/owners/orders/0`,
      `created ${GROUP}/owners/orders/1`,
    ]);
    const node = shown.tree.node(`${GROUP}/owners/orders/1`)!;
    expect([node.modRevision, JSON.parse(Buffer.from(node.data()).toString())]).toEqual([
      3,
      { version: 1, consumer: 'b' },
    ]);
    expect(shown.tree.node(`${GROUP}/offsets/orders/0`)).toBeUndefined();
    expect(shown.tree.childNames(`${GROUP}/ids`).toSorted()).toEqual(['a', 'b']);
  });

  test('of a group of another kind it shows who is in it, and not what they do', () => {
    const shown = new TestTree();
    shown.write(generation({ ...groupRecord(1, { worker: { orders: [0] } }), protocolType: 'connect' }));
    expect([...shown.all().keys()]).toEqual([
      GROUP,
      `${GROUP}/ids`,
      `${GROUP}/ids/worker`,
      `${GROUP}/offsets`,
      `${GROUP}/owners`,
    ]);
    expect(JSON.parse(shown.all().get(`${GROUP}/ids/worker`)!).subscription).toBeNull();
  });

  test('names are percent-encoded, and an offset is found with a leader in front of its partition too', () => {
    const shown = new TestTree();
    shown.write(offset(7, 1, { group: 'a/b ü', topic: 'x.y' }));
    const path = '/consumers/a%2Fb%20%C3%BC/offsets/x.y';
    expect(shown.tree.node(`${path}/7`)?.path).toBe(`${path}/7`);
    expect(shown.tree.node(`${path}/12-7`)?.path).toBe(`${path}/7`);
    for (const absent of ['07', '-1', '1-07', '12-8', '7/x'])
      expect(shown.tree.node(`${path}/${absent}`)).toBeUndefined();
  });
});

test('a group whose id is no component of a path is not shown, and neither is what nobody could have assigned', () => {
  const shown = new TestTree();
  const watch = shown.watch('/consumers', 'recursive');
  for (const group of ['', '.', '..']) shown.write(offset(0, 1, { group }));
  shown.write({ kind: 'group', group: '..', record: groupRecord(1, { a: { orders: [0] } }) });
  expect([watch.told, shown.tree.groupNames(), shown.tree.revision]).toEqual([[], [], 4]);
  shown.write(generation(groupRecord(1, { a: { '': [0], '.': [1] } })));
  expect(shown.tree.childNames(`${GROUP}/owners`)).toEqual([]);
});

describe('watches', () => {
  test('each kind is told of what it is about', () => {
    const shown = new TestTree();
    const node = shown.watch(`${GROUP}/offsets/orders/0`, 'data');
    const children = shown.watch(`${GROUP}/offsets/orders`, 'children');
    const groups = shown.watch('/consumers', 'children');
    shown.write(offset(0, 1), offset(1, 1), offset(0, 2), offset(0, 1, { group: 'other' }), offset(0, null));
    expect(node.told).toEqual(['created', 'changed', 'deleted'].map((kind) => `${kind} ${GROUP}/offsets/orders/0`));
    expect(children.told).toEqual([
      `created ${GROUP}/offsets/orders`,
      `created ${GROUP}/offsets/orders/0`,
      `created ${GROUP}/offsets/orders/1`,
      `deleted ${GROUP}/offsets/orders/0`,
    ]);
    expect(groups.told).toEqual([`created ${GROUP}`, 'created /consumers/other']);
  });

  test('one that is read slowly waits without a queue, and misses nothing that is kept', () => {
    const shown = new TestTree();
    shown.write(offset(0, 0));
    const watch = new TestWatch(shown.tree, { path: GROUP, kind: 'recursive', from: 'now' }, shown.all(), 1);
    for (let value = 1; value <= 100; value++) shown.write(offset(0, value));
    expect(watch.batches).toHaveLength(1);
    watch.pump(10);
    expect(watch.batches).toHaveLength(11);
    watch.pump();
    expect(watch.batches.map(({ revision }) => revision)).toEqual(Array.from({ length: 100 }, (_, i) => i + 2));
    expect(watch.wasReset).toBe(false);
  });

  test('one that lacks what is not kept any more is told what there is, and goes on from there', () => {
    const shown = new TestTree({ limits: { changes: 10, bytes: 1_000_000 } });
    shown.write(offset(0, 0));
    const watch = new TestWatch(shown.tree, { path: GROUP, kind: 'recursive', from: 'now' }, shown.all(), 1);
    for (let value = 1; value <= 100; value++) shown.write(offset(value % 3, value));
    watch.pump();
    expect(watch.batches[1]).toMatchObject({ reset: true, complete: true, revision: 101 });
    expect(watch.nodes).toEqual(shown.all());
    shown.write(offset(0, 500));
    expect(watch.batches.at(-1)).toMatchObject({ reset: false, revision: 102 });
    expect(watch.nodes).toEqual(shown.all());
  });

  test('what waits to be told of snapshots is bounded, and what was told is not counted any more', () => {
    const shown = new TestTree({ snapshotNodes: 2_010 });
    for (let partition = 0; partition < 2_000; partition++) shown.write(offset(partition, 1));
    const slow = new TestWatch(shown.tree, { path: GROUP, kind: 'recursive', from: 'lost' }, new Map(), 1);
    expect(slow.batches).toHaveLength(1);
    expect(slow.batches[0]).toMatchObject({ complete: false, reset: true });
    const other = shown.watch(GROUP, 'recursive', 'lost');
    expect(other.refusal?.code).toBe('THROTTLING_QUOTA_EXCEEDED');
    // What happens meanwhile comes behind it.
    shown.write(offset(0, 2));
    slow.pump();
    expect(slow.nodes).toEqual(shown.all());
    expect(shown.shared.snapshots.nodes).toBe(0);
    expect(shown.watch(GROUP, 'recursive', 'lost').nodes).toEqual(shown.all());
    for (let partition = 2_000; partition < 2_020; partition++) shown.write(offset(partition, 1));
    expect(shown.watch(GROUP, 'recursive', 'lost').refusal?.code).toBe('POLICY_VIOLATION');
    const stopped = new TestWatch(
      shown.tree,
      { path: `${GROUP}/offsets`, kind: 'children', from: 'lost' },
      new Map(),
      0,
    );
    stopped.stop();
    expect(shown.shared.snapshots.nodes).toBe(0);
  });

  test('a long change comes in parts, of which the last one says so', () => {
    const shown = new TestTree();
    const watch = shown.watch(GROUP, 'recursive');
    shown.write(generation(groupRecord(1, { a: { orders: Array.from({ length: 2_500 }, (_, i) => i) } })));
    expect(watch.batches.map(({ complete, revision }) => [complete, revision])).toEqual([
      [false, 1],
      [false, 1],
      [true, 1],
    ]);
    expect(watch.nodes).toEqual(shown.all());
  });

  test('the histories of all logs of a broker share what they may keep', () => {
    const one = new TestTree({ limits: { changes: 10, bytes: 1_000_000 } });
    const other = new TestTree({ shared: one.shared });
    for (let value = 0; value < 8; value++) one.write(offset(0, value));
    expect(one.watch(GROUP, 'data', 1).wasReset).toBe(false);
    for (let value = 0; value < 8; value++) other.write(offset(0, value));
    expect([6, 7].map((from) => one.watch(GROUP, 'data', from).wasReset)).toEqual([true, false]);
    expect(other.watch(GROUP, 'data', 1).wasReset).toBe(false);
    // A log that is not led here any more makes room.
    other.tree.close();
    for (let value = 8; value < 16; value++) one.write(offset(0, value));
    expect([6, 7].map((from) => one.watch(GROUP, 'data', from).wasReset)).toEqual([true, false]);
    const wide = new TestTree({ limits: { changes: 1_000, bytes: 10_000 } });
    const large = (value: number): TestRecord => ({
      ...offset(0, value),
      kind: 'offset',
      committed: committed(value, 'm'.repeat(2_000)),
      topic: 'orders',
      partition: 0,
    });
    for (let value = 0; value < 8; value++) wide.write(large(value));
    expect([6, 7].map((from) => wide.watch(GROUP, 'data', from).wasReset)).toEqual([true, false]);
  });
});

/** A log in which some of what later records supersede is gone, up to a place in it. */
function compacted(log: TestLog, upTo: number, keepsTombstones: boolean): TestLog {
  const last = new Map<string, number>();
  for (const [at, record] of log.slice(0, upTo).entries()) last.set(keyOf(record!), at);
  return log.map((record, at) => {
    const isTombstone = record!.kind === 'group' ? record!.record === null : record!.committed === null;
    const isGone = at < upTo && (last.get(keyOf(record!)) !== at || (isTombstone && !keepsTombstones));
    return isGone ? undefined : record;
  });
}

function keyOf(record: TestRecord): string {
  return record.kind === 'group' ? record.group : `${record.group} ${record.topic} ${record.partition}`;
}

const name = fc.constantFrom('g', 'h');
const partitions = fc.uniqueArray(fc.integer({ min: 0, max: 3 }));
const anAssignment = fc.option(fc.dictionary(fc.constantFrom('orders', 'bills'), partitions, { maxKeys: 2 }));
const aRecord: fc.Arbitrary<TestRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('offset' as const),
    group: name,
    topic: fc.constantFrom('orders', 'bills'),
    partition: fc.integer({ min: 0, max: 2 }),
    committed: fc.option(
      fc.integer({ min: 0, max: 9 }).map((value) => committed(value)),
      { freq: 3 },
    ),
  }),
  fc.record({
    kind: fc.constant('group' as const),
    group: name,
    record: fc.option(
      fc
        .tuple(
          fc.integer({ min: 1, max: 5 }),
          fc.dictionary(fc.constantFrom('a', 'b', 'c'), anAssignment, { maxKeys: 3 }),
        )
        .map(([number, members]) => groupRecord(number, members)),
    ),
  }),
);

describe('whatever is committed', () => {
  test('a watch that applies what it is told knows at every revision what there is', () => {
    fc.assert(
      fc.property(fc.array(aRecord, { maxLength: 40 }), (log) => {
        const shown = new TestTree();
        const watch = shown.watch('/consumers', 'recursive');
        for (const record of log) {
          shown.write(record);
          expect(watch.nodes).toEqual(shown.all());
          for (const path of watch.nodes.keys()) {
            const node = shown.tree.node(path)!;
            expect([node.path, node.childCount]).toEqual([path, shown.tree.childNames(path).length]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('another leader shows the same, and a watch that it takes over misses nothing or is told all, whatever compaction took', () => {
    let [wentOn, wereReset] = [0, 0];
    fc.assert(
      fc.property(
        fc.array(aRecord, { minLength: 1, maxLength: 30 }),
        fc.nat(30),
        fc.boolean(),
        (log, upTo, keepsTombstones) => {
          const first = new TestTree();
          const states = [first.all()];
          for (const record of log) {
            first.write(record);
            states.push(first.all());
          }
          const second = TestTree.load(compacted(log, Math.min(upTo, log.length), keepsTombstones));
          expect(second.all()).toEqual(first.all());
          expect(second.tree.revision).toBe(log.length);
          for (const [revision, seen] of states.entries()) {
            const options = { path: '/consumers', kind: 'recursive', from: revision + 1 } as const;
            const watch = new TestWatch(second.tree, options, seen);
            expect(watch.nodes).toEqual(first.all());
            if (watch.wasReset) wereReset++;
            else wentOn++;
            expect(watch.wasReset && upTo === 0).toBe(false);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect([wentOn > 100, wereReset > 100]).toEqual([true, true]);
  });

  test('a log that begins later than at its first offset tells nobody of what was before', () => {
    const log = [offset(0, 1), offset(1, 1), offset(0, 2), offset(1, 2), offset(1, 3)];
    const shown = TestTree.load(log, { logStart: 2 });
    expect(shown.watch(GROUP, 'recursive', 2).wasReset).toBe(true);
    expect(shown.watch(GROUP, 'recursive', 4).wasReset).toBe(true);
    expect(shown.watch(GROUP, 'recursive', 5, shown.all()).told).toEqual([`changed ${GROUP}/offsets/orders/1`]);
    expect(shown.watch(GROUP, 'recursive', 6).told).toEqual([]);
    expect(shown.watch(GROUP, 'recursive', 7).wasReset).toBe(true);
  });
});
