import fc from 'fast-check';
import { expect, test } from 'vitest';
import { testWorld } from '@weir/runtime/test-world.ts';
import { brokerId, revision as asRevision } from '@weir/base/ids.ts';
import type { ClusterImage } from '../controller/image.ts';
import { loadImage, newId, TestController } from '../controller/test-controller.ts';
import type { NodeEvent } from '../namespace/node.ts';
import type { NodeOperation } from '../namespace/write-nodes.ts';
import { MemoryStore } from '../store/memory-store.ts';
import type { MetadataStore, WatchHandlers } from '../store/metadata-store.ts';
import { Replica } from './replica.ts';

const { clock, logger } = testWorld();
const never = new AbortController().signal;
const follow = (store: MetadataStore): Promise<Replica> =>
  Replica.load({ store, staticConfigs: {}, clock, logger }, never);

/** All that an image says, in an order of its own. */
function contentsOf(image: ClusterImage): object {
  const { namespace } = image;
  const nodes: object[] = [];
  const visit = (path: string): void => {
    const node = namespace.get(path);
    if (node !== undefined) nodes.push({ path, stat: node.stat, data: Buffer.from(node.data()).toString() });
    for (const name of namespace.children(path)) visit(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  visit('/');
  const sorted = <T>(entries: Iterable<readonly [string | number, T]>): (readonly [string | number, T])[] =>
    [...entries].toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return {
    revision: image.revision,
    lastChange: image.lastChange,
    brokers: sorted(image.brokers),
    sessions: sorted(image.sessions),
    topics: sorted(image.topics),
    partitions: [...image.topics.values()].map((topic) => image.partitionsOf(topic)).toSorted(byFirstTopic),
    partitionCount: image.partitionCount,
    brokerConfigs: sorted(image.brokerConfigs),
    deletedTopics: sorted(image.deletedTopics),
    nextProducerId: image.nextProducerId,
    clientSessions: sorted(namespace.sessions),
    stale: sorted(namespace.stale),
    nodes,
    orphans: image.takeOrphans().toSorted((a, b) => (`${a.topicId}${a.index}` < `${b.topicId}${b.index}` ? -1 : 1)),
  };
}

function byFirstTopic(a: readonly { topicId: string }[], b: readonly { topicId: string }[]): number {
  return (a[0]?.topicId ?? '') < (b[0]?.topicId ?? '') ? -1 : 1;
}

/** One thing that a controller is asked for; some die in the middle of it, and another one goes on. */
const steps = fc.array(
  fc.record({
    what: fc.constantFrom(
      'register',
      'end',
      'drain',
      'unregister',
      'create',
      'delete',
      'grow',
      'configs',
      'producerIds',
      'openSession',
      'endSession',
      'nodes',
      'sweep',
    ),
    id: fc.nat(3),
    count: fc.integer({ min: 1, max: 150 }),
    dieAfter: fc.option(fc.nat(2), { nil: undefined, freq: 4 }),
  }),
  { maxLength: 30 },
);

test('it is what a new coordinator reads, whatever happened since it was loaded, and so are its events what the active one tells', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(30), async (all, loadedAt) => {
      const store = new MemoryStore();
      let controller = new TestController(store);
      let replica: Replica | undefined;
      const clientSessions: string[] = [];
      const expected: { revision: number; events: readonly NodeEvent[] }[] = [];
      for (const [i, { what, id, count, dieAfter }] of all.entries()) {
        if (i === loadedAt) replica = await follow(store);
        const options = dieAfter === undefined ? {} : { dieAfter };
        const before = controller.effects.length;
        const isDone = perform(controller, { what, id, count, options, clientSessions });
        for (const effect of controller.effects.slice(before)) {
          if (effect.kind !== 'nodesChanged' || replica === undefined) continue;
          expected.push({ revision: effect.revision, events: [...effect.users, ...effect.system] });
        }
        if (isDone) continue;
        // Its successor finishes what it left half done, all of it before anybody looks.
        controller = new TestController(store);
        if (replica !== undefined) {
          for (const effect of controller.effects) {
            if (effect.kind === 'nodesChanged')
              expected.push({ revision: effect.revision, events: [...effect.users, ...effect.system] });
          }
        }
      }
      if (replica === undefined) return;
      await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      expect(replica.isLost).toBe(false);
      const told = toldBy(replica);
      const { image } = loadImage(store);
      // What loads takes the orphans out; both have the same of them then.
      const loaded = await follow(store);
      expect(contentsOf(replica.image)).toEqual(contentsOf(loaded.image));
      expect(image.revision).toBe(replica.revision);
      const pathsOf = (events: readonly NodeEvent[]): string[] =>
        events.map(({ kind, path }) => `${kind} ${path}`).toSorted();
      for (const { revision, events } of expected) {
        expect([revision, told.get(revision)?.filter((one) => !one.includes('/controller')) ?? []]).toEqual([
          revision,
          pathsOf(events),
        ]);
      }
    }),
    { numRuns: 150 },
  );
});

/** What the history of a replica has of each revision. */
function toldBy(replica: Replica): Map<number, string[]> {
  const told = new Map<number, string[]>();
  const output = {
    full: false,
    events(_watch: unknown, { revision, events }: { revision: number; events: readonly NodeEvent[] }): void {
      const known = told.get(revision) ?? [];
      told.set(revision, [...known, ...events.map(({ kind, path }) => `${kind} ${path}`)].toSorted());
    },
    ended: () => {},
  };
  for (const watches of [replica.watches.users, replica.watches.system]) {
    const watch = watches.start({ path: '/', kind: 'recursive', from: watches.oldest }, output);
    if ('code' in watch) throw new Error(watch.message);
    watches.pump(watch);
  }
  return told;
}

/** @returns false when the controller died in the middle of it */
function perform(
  controller: TestController,
  step: {
    readonly what: string;
    readonly id: number;
    readonly count: number;
    readonly options: { readonly dieAfter?: number };
    readonly clientSessions: string[];
  },
): boolean {
  const { what, id, count, options, clientSessions } = step;
  const name = `topic-${id}`;
  switch (what) {
    case 'register':
      return controller.register(id, options) !== undefined;
    case 'end':
      return controller.image.sessionOf(brokerId(id)) === undefined || controller.endSession(id, options) !== undefined;
    case 'drain':
      if (controller.image.sessionOf(brokerId(id)) === undefined) return true;
      return controller.drain(id, { isOn: count < 100, ...options }) !== undefined;
    case 'unregister':
      return controller.unregister(id, options) !== undefined;
    case 'create':
      return controller.createTopics([{ name, partitionCount: count }], options).length > 0;
    case 'delete':
      return controller.deleteTopics([{ name }], options).length > 0;
    case 'grow':
      return controller.createPartitions([{ name, totalCount: count + 5 }], options).length > 0;
    case 'configs': {
      const resource = { type: 'broker', name: id === 0 ? '' : String(id) } as const;
      controller.alterConfigs([{ ...resource, set: [['log.retention.ms', String(count)]] }]);
      if (count > 100) controller.alterConfigs([{ ...resource, delete: [['log.retention.ms']] }]);
      return true;
    }
    case 'producerIds': {
      const session = controller.image.sessionOf(brokerId(id));
      if (session === undefined) return true;
      const command = { kind: 'allocateProducerIds', brokerId: brokerId(id), brokerEpoch: session.revision } as const;
      return controller.run(command, options) !== undefined;
    }
    case 'openSession': {
      const sessionId = newId();
      const gateway = count > 75 ? { id: `gw-${id}`, httpAddress: '127.0.0.1:8080' } : undefined;
      const session = { id: sessionId, name: 'a test', gateway };
      if (controller.run({ kind: 'beginClientSession', session }, options) === undefined) return false;
      clientSessions.push(sessionId);
      return true;
    }
    case 'endSession': {
      const sessionId = clientSessions.pop();
      if (sessionId === undefined) return true;
      return controller.run({ kind: 'endClientSessions', sessionIds: [sessionId] }, options) !== undefined;
    }
    case 'nodes': {
      const sessionId = clientSessions.at(-1);
      const operations = nodeOperations(id, count, sessionId !== undefined);
      return controller.run({ kind: 'writeNodes', operations, sessionId }, options) !== undefined;
    }
    default:
      return controller.run({ kind: 'sweepNodes' }, options) !== undefined;
  }
}

/** A few operations on a few nodes, of which some are refused. */
function nodeOperations(id: number, count: number, hasSession: boolean): NodeOperation[] {
  const path = `/n${id}`;
  const data = Buffer.from(String(count));
  const version = undefined;
  const create = (at: string, { ephemeral = false, sequential = false } = {}): NodeOperation => ({
    kind: 'create',
    path: at,
    data,
    ephemeral,
    sequential,
  });
  switch (count % 7) {
    case 0:
      return [{ kind: 'delete', path, version }];
    case 1:
      return [{ kind: 'set', path, data, version }];
    case 2:
      return [create(path), create(`${path}/child`)];
    case 3:
      return [create(`${path}/s-`, { sequential: true })];
    case 4:
      return [create(`/e${id}`, { ephemeral: hasSession })];
    case 5:
      return [{ kind: 'delete', path: `/e${id}`, version }, create(`/e${id}`, { ephemeral: hasSession })];
    default:
      return [{ kind: 'delete', path: `${path}/child`, version }, { kind: 'delete', path, version }, create(path)];
  }
}

test('a broker that was drained and unregistered is so for it as well', async () => {
  const store = new MemoryStore();
  const controller = new TestController(store);
  controller.register(1);
  controller.register(2);
  const replica = await follow(store);
  controller.drain(1);
  controller.endSession(2);
  controller.unregister(2);
  await new Promise((resolve) => setImmediate(resolve));
  expect(replica.isLost).toBe(false);
  expect([brokerId(1), brokerId(2)].map((id) => replica.image.stateOf(id))).toEqual(['draining', 'gone']);
});

/** A store whose watches can be lost. */
class LosingStore extends MemoryStore {
  readonly handlers: WatchHandlers[] = [];

  override watch(...[request, handlers]: Parameters<MemoryStore['watch']>): ReturnType<MemoryStore['watch']> {
    this.handlers.push(handlers);
    return super.watch(request, handlers);
  }
}

test('whose watch is lost is no copy any more, and says so to who waits', async () => {
  const store = new LosingStore();
  const replica = await follow(store);
  const waiting = replica.until(() => false, { signal: never });
  store.handlers[0]!.lost({ kind: 'compacted' });
  expect(await waiting).toBe(false);
  expect(replica.isLost).toBe(true);
});

test('what a watch tells once more is not taken in again', async () => {
  const store = new LosingStore();
  const replica = await follow(store);
  const controller = new TestController(store);
  controller.register(1);
  await new Promise((resolve) => setImmediate(resolve));
  const { revision } = replica;
  const events = [{ kind: 'delete', key: '/controller' }] as const;
  store.handlers[0]!.revised({ revision, events });
  expect(replica.isLost).toBe(false);
  expect(replica.image.claim).toBeDefined();
});

test('what makes no sense to it makes it no copy, instead of a wrong one', async () => {
  const store = new LosingStore();
  const replica = await follow(store);
  const events = [{ kind: 'delete', key: '/topics/never-heard-of' }] as const;
  store.handlers[0]!.revised({ revision: asRevision(7), events });
  expect(replica.isLost).toBe(true);
});
