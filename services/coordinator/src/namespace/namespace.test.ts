import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { EPHEMERAL_NODES_PER_SESSION_MAX, NODE_DATA_BYTES_MAX, NODE_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { TestController } from '../controller/test-controller.ts';
import { MemoryStore } from '../store/memory-store.ts';
import type { NodeEvent } from './node.ts';
import { parentOf } from '@weir/base/tree-path.ts';
import type { NodeOperation } from './write-nodes.ts';

const text = (data: Uint8Array): string => Buffer.from(data).toString();
const create = (path: string, options: Partial<Extract<NodeOperation, { kind: 'create' }>> = {}): NodeOperation => ({
  kind: 'create',
  path,
  data: Buffer.from(''),
  ephemeral: false,
  sequential: false,
  ...options,
});
const set = (path: string, data: string, version?: number): NodeOperation => ({
  kind: 'set',
  path,
  data: Buffer.from(data),
  version,
});
const remove = (path: string, version?: number): NodeOperation => ({ kind: 'delete', path, version });
const check = (path: string, version?: number): NodeOperation => ({ kind: 'check', path, version });

/** Runs a write; "ok", or the code of the refusal. */
function write(controller: TestController, operations: readonly NodeOperation[], sessionId?: string): string {
  const result = controller.run({ kind: 'writeNodes', operations, sessionId });
  if (result?.kind === 'nodesRefused') return result.refusal.code;
  return result?.kind === 'nodesWritten' ? 'ok' : String(result?.kind);
}

function begin(controller: TestController, id: string): void {
  controller.run({ kind: 'beginClientSession', session: { id, name: 'a test', gateway: undefined } });
}

function sweepAll(controller: TestController): void {
  while (controller.image.namespace.stale.size > 0) controller.run({ kind: 'sweepNodes' });
}

/** Every node with all that is known of it. */
function dump(controller: TestController, path = '/'): Record<string, unknown> {
  const { namespace } = controller.image;
  const found: Record<string, unknown> = {};
  for (const name of namespace.children(path)) {
    const child = path === '/' ? `/${name}` : `${path}/${name}`;
    const node = namespace.get(child)!;
    found[child] = { data: text(node.data()), ...node.stat };
    Object.assign(found, dump(controller, child));
  }
  return found;
}

interface ModelNode {
  data: string;
  version: number;
  createRevision: number;
  modRevision: number;
  owner: string | undefined;
  creations: number;
}

/** The namespace as a few lines say it: a map of paths, copied before a write and put back when a step is refused. */
class Model {
  nodes = new Map<string, ModelNode>();
  sessions = new Map<string, number>();
  creations = 0;

  write(operations: readonly NodeOperation[], sessionId: string | undefined, revision: number): string {
    if (sessionId !== undefined && !this.sessions.has(sessionId)) return 'SESSION_EXPIRED';
    const before = [structuredClone(this.nodes), this.creations] as const;
    for (const operation of operations) {
      const code = this.#apply(operation, sessionId, revision);
      if (code === 'ok') continue;
      [this.nodes, this.creations] = before;
      return code;
    }
    return 'ok';
  }

  endSession(id: string): void {
    this.sessions.delete(id);
    for (const [path, node] of this.nodes) if (node.owner === id) this.nodes.delete(path);
  }

  children(path: string): number {
    return [...this.nodes.keys()].filter((other) => parentOf(other) === path).length;
  }

  dump(): Record<string, unknown> {
    return Object.fromEntries(
      [...this.nodes].map(([path, { owner, creations, ...node }]) => {
        const childCount = this.children(path);
        const ephemeralOwner = owner === undefined ? 0 : this.sessions.get(owner);
        return [path, { ...node, childCount, childrenVersion: 2 * creations - childCount, ephemeralOwner }];
      }),
    );
  }

  #apply(operation: NodeOperation, owner: string | undefined, revision: number): string {
    if (operation.kind === 'create') {
      const parent = parentOf(operation.path);
      const above = this.nodes.get(parent);
      if (parent !== '/' && above === undefined) return 'NODE_NOT_FOUND';
      if (above?.owner !== undefined) return 'NO_CHILDREN_FOR_EPHEMERALS';
      if (operation.ephemeral && owner === undefined) return 'INVALID_REQUEST';
      const number = above?.creations ?? this.creations;
      const path = operation.path + (operation.sequential ? String(number).padStart(10, '0') : '');
      if (this.nodes.has(path)) return 'NODE_EXISTS';
      if (above === undefined) this.creations++;
      else above.creations++;
      const holder = operation.ephemeral ? owner : undefined;
      const revisions = { createRevision: revision, modRevision: revision };
      this.nodes.set(path, { data: text(operation.data), version: 0, ...revisions, owner: holder, creations: 0 });
      return 'ok';
    }
    const node = this.nodes.get(operation.path);
    if (node === undefined) return 'NODE_NOT_FOUND';
    if (operation.version !== undefined && operation.version !== node.version) return 'BAD_VERSION';
    if (operation.kind === 'delete') {
      if (this.children(operation.path) > 0) return 'NODE_NOT_EMPTY';
      this.nodes.delete(operation.path);
    }
    if (operation.kind === 'set') {
      node.data = text(operation.data);
      node.version++;
      node.modRevision = revision;
    }
    return 'ok';
  }
}

// Few, so that operations meet.
const paths = fc.constantFrom('/a', '/a', '/b', '/a/x', '/a/y', '/a/x/p');
const versions = fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined, freq: 2 });
const data = fc.constantFrom('', 'one', 'two', '\u0000\ufffd', 'é'.repeat(10));
const ephemeral = fc.constantFrom(true, false, false);
const operation: fc.Arbitrary<NodeOperation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ path: paths, data, ephemeral })
      .map(({ path, data: value, ...rest }) => create(path, { data: Buffer.from(value), ...rest })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ path: fc.constantFrom('/q-', '/a/q-', '/a/x/q-'), ephemeral })
      .map(({ path, ...rest }) => create(path, { sequential: true, ...rest })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ path: paths, data, version: versions })
      .map(({ path, data: value, version }) => set(path, value, version)),
  },
  {
    weight: 1,
    arbitrary: fc.record({ path: paths, version: versions }).map(({ path, version }) => remove(path, version)),
  },
  {
    weight: 1,
    arbitrary: fc.record({ path: paths, version: versions }).map(({ path, version }) => check(path, version)),
  },
);
const session = fc.constantFrom('s1', 's2');
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      // Most are of one step: of several, one is refused soon.
      operations: fc.oneof(
        { weight: 6, arbitrary: operation.map((one) => [one]) },
        { weight: 1, arbitrary: fc.array(operation, { minLength: 2, maxLength: 4 }) },
        // What is below a node goes with it, in one write.
        {
          weight: 1,
          arbitrary: fc.constantFrom('/a/x', '/a/y', '/a/x/p').map((path) => [remove(path), remove(parentOf(path))]),
        },
      ),
      session: fc.option(session, { nil: undefined, freq: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin' as const), session }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), session }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

test('the namespace is what a simple model says, with its store, its events and after restarts', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), (steps) => {
      const store = new MemoryStore();
      let controller = new TestController(store);
      const model = new Model();
      /** What somebody has who applies every event to what was there. */
      const mirror = new Map<string, string>();
      const begun = new Map<string, string>();
      let sessions = 0;
      let seen = 0;
      for (const one of steps) {
        const next = controller.store.rangeNow({ prefix: '/' }).revision + 1;
        if (one.kind === 'write') {
          const id = one.session === undefined ? undefined : begun.get(one.session);
          const expected = model.write(one.operations, id, next);
          const code = write(controller, one.operations, id);
          assert(code === expected, `a write was answered ${code}, and the model says ${expected}`);
        } else if (one.kind === 'begin' && !begun.has(one.session)) {
          const id = `${one.session}-${++sessions}`;
          begun.set(one.session, id);
          begin(controller, id);
          model.sessions.set(id, next);
        } else if (one.kind === 'end' && begun.has(one.session)) {
          const id = begun.get(one.session)!;
          begun.delete(one.session);
          controller.run({ kind: 'endClientSessions', sessionIds: [id] });
          model.endSession(id);
        } else if (one.kind === 'sweep') {
          controller.run({ kind: 'sweepNodes' });
        } else if (one.kind === 'restart') {
          controller = new TestController(store);
          seen = 0;
        }
        expect(dump(controller)).toEqual(model.dump());
        for (const effect of controller.effects.slice(seen)) {
          if (effect.kind === 'nodesChanged') effect.users.forEach((event) => replay(mirror, event));
        }
        seen = controller.effects.length;
        const told = [...model.nodes].map(([path, node]) => [path, node.data] as const);
        expect(mirror).toEqual(new Map(told));
      }
      sweepAll(controller);
      const stored = store.rangeNow({ prefix: '/nodes/' }).items.map(({ key }) => key.slice('/nodes'.length));
      expect(stored).toEqual([...model.nodes.keys()].toSorted());
      const counted = store.rangeNow({ prefix: '/node-creations/' }).items.map(({ key }) => key);
      const parents = [...model.nodes].filter(([, { creations }]) => creations > 0).map(([path]) => path);
      if (model.creations > 0) parents.push('/');
      expect(counted).toEqual(parents.map((path) => `/node-creations${path}`).toSorted());
    }),
    { numRuns: 400 },
  );
});

/** Applies an event; throws for one that does not fit what is there. */
function replay(mirror: Map<string, string>, event: NodeEvent): void {
  const { kind, path } = event;
  assert(mirror.has(path) === (kind !== 'created'), `${kind} ${path} does not fit what is there`);
  if (kind === 'deleted') {
    assert(![...mirror.keys()].some((other) => parentOf(other) === path), `${path} goes before its children`);
    mirror.delete(path);
    return;
  }
  assert(parentOf(path) === '/' || mirror.has(parentOf(path)), `${path} comes before its parent`);
  mirror.set(path, text(event.node.data()));
}

describe('writes', () => {
  test('a sequential node gets a number of ten digits that its parent never gives again', () => {
    const controller = new TestController();
    write(controller, [create('/locks')]);
    write(controller, [create('/locks/n-', { sequential: true }), create('/locks/', { sequential: true })]);
    expect(controller.image.namespace.children('/locks')).toEqual(['0000000001', 'n-0000000000']);
    write(controller, [remove('/locks/n-0000000000'), remove('/locks/0000000001')]);
    const next = new TestController(controller.store);
    write(next, [create('/locks/n-', { sequential: true })]);
    expect(next.image.namespace.children('/locks')).toEqual(['n-0000000002']);
  });

  test('a parent that is created again counts from 0', () => {
    const controller = new TestController();
    write(controller, [create('/p'), create('/p/n-', { sequential: true }), remove('/p/n-0000000000'), remove('/p')]);
    expect(write(controller, [create('/p'), create('/p/n-', { sequential: true })])).toBe('ok');
    expect(controller.image.namespace.children('/p')).toEqual(['n-0000000000']);
  });

  test('a node that is deleted and created in one write is another one, with a higher create revision', () => {
    const controller = new TestController();
    write(controller, [create('/leader')]);
    const first = controller.image.namespace.get('/leader')!.stat.createRevision;
    write(controller, [remove('/leader'), create('/leader')]);
    const second = controller.image.namespace.get('/leader')!.stat.createRevision;
    expect(second).toBeGreaterThan(first);
    expect(new TestController(controller.store).image.namespace.get('/leader')!.stat.createRevision).toBe(second);
    const events = controller.effects.flatMap((effect) => (effect.kind === 'nodesChanged' ? effect.users : []));
    expect(events.slice(1).map(({ kind }) => kind)).toEqual(['deleted', 'created']);
  });

  test('the nodes of a session are gone at one revision, and another may take their place before they are removed', () => {
    const controller = new TestController();
    begin(controller, 's');
    const operations = Array.from({ length: 90 }, (_, i) => create(`/e${i}`, { ephemeral: true }));
    expect(write(controller, operations, 's')).toBe('ok');
    expect(write(controller, [create('/f1', { ephemeral: true }), create('/f2', { ephemeral: true })], 's')).toBe('ok');
    const before = controller.effects.length;
    controller.run({ kind: 'endClientSessions', sessionIds: ['s'] });
    const ended = controller.effects.slice(before).filter((effect) => effect.kind === 'nodesChanged');
    expect(ended).toHaveLength(1);
    expect(ended[0]!.users).toHaveLength(92);
    expect(controller.store.rangeNow({ prefix: '/nodes/' }).items).toHaveLength(92);
    expect(write(controller, [create('/e0')])).toBe('ok');
    expect(dump(controller)).toHaveProperty('/e0');
    const next = new TestController(controller.store);
    expect(Object.keys(dump(next))).toEqual(['/e0']);
    expect(next.image.namespace.stale.size).toBe(91);
    sweepAll(next);
    expect(next.store.rangeNow({ prefix: '/nodes/' }).items.map(({ key }) => key)).toEqual(['/nodes/e0']);
  });

  test('a session that has ended writes nothing, not even what is not ephemeral', () => {
    const controller = new TestController();
    begin(controller, 's');
    controller.run({ kind: 'endClientSessions', sessionIds: ['s'] });
    expect(write(controller, [create('/e', { ephemeral: true })], 's')).toBe('SESSION_EXPIRED');
    expect(write(controller, [create('/p')], 's')).toBe('SESSION_EXPIRED');
    expect(write(controller, [create('/p')], 'never begun')).toBe('SESSION_EXPIRED');
  });

  test('paths have one spelling, whichever they come in', () => {
    const controller = new TestController();
    expect(write(controller, [create('/a b%2Fc%7e')])).toBe('ok');
    expect(controller.image.namespace.children('/')).toEqual(['a%20b%2Fc~']);
    expect(write(controller, [create('/a%20b%2fc~')])).toBe('NODE_EXISTS');
  });

  test.each([
    ['a', 'INVALID_PATH'],
    ['', 'INVALID_PATH'],
    ['/a/', 'INVALID_PATH'],
    ['//a', 'INVALID_PATH'],
    ['/..', 'INVALID_PATH'],
    ['/%2e', 'INVALID_PATH'],
    ['/100%', 'INVALID_PATH'],
    ['/%ff', 'INVALID_PATH'],
    ['/\ud800', 'INVALID_PATH'],
    [`/${'x'.repeat(1024)}`, 'INVALID_PATH'],
    ['/', 'NODE_EXISTS'],
    ['/controller', 'NODE_EXISTS'],
    ['/controller/x', 'FORBIDDEN'],
    ['/brokers/ids/1', 'FORBIDDEN'],
    ['/config/x', 'FORBIDDEN'],
    ['/gateways/ids/g', 'FORBIDDEN'],
    ['/consumers', 'FORBIDDEN'],
    ['/brokersx', 'ok'],
  ])('creating %j is answered with %s', (path, code) => {
    expect(write(new TestController(), [create(path)])).toBe(code);
  });

  test('data of every kind comes back byte for byte, at its largest', () => {
    const controller = new TestController();
    const kinds = [
      Buffer.alloc(NODE_DATA_BYTES_MAX),
      Buffer.alloc(NODE_DATA_BYTES_MAX, 0xff),
      Buffer.alloc(NODE_DATA_BYTES_MAX, '"'),
      Buffer.from('\ufefftext'),
      Buffer.from([0xed, 0xa0, 0x80]),
    ];
    kinds.forEach((bytes, i) => expect(write(controller, [create(`/n${i}`, { data: bytes })])).toBe('ok'));
    const { namespace } = new TestController(controller.store).image;
    kinds.forEach((bytes, i) => expect(Buffer.compare(namespace.get(`/n${i}`)!.data(), bytes)).toBe(0));
    const tooMuch = Buffer.alloc(NODE_DATA_BYTES_MAX + 1);
    expect(write(controller, [create('/more', { data: tooMuch })])).toBe('MESSAGE_TOO_LARGE');
  });

  test('what does not fit one transaction is refused as a whole', () => {
    const controller = new TestController();
    const many = Array.from({ length: NODE_OPERATIONS_MAX + 1 }, (_, i) => create(`/n${i}`));
    expect(write(controller, many)).toBe('INVALID_REQUEST');
    const large = [0, 1, 2].map((i) => create(`/n${i}`, { data: Buffer.alloc(400_000, 'x') }));
    expect(write(controller, large)).toBe('MESSAGE_TOO_LARGE');
    expect(dump(controller)).toEqual({});
    expect(write(controller, many.slice(1))).toBe('ok');
  });

  test('a session has so many ephemeral nodes and no more', () => {
    const controller = new TestController();
    begin(controller, 's');
    const { namespace } = controller.image;
    for (let i = 0; i < EPHEMERAL_NODES_PER_SESSION_MAX; i++) {
      const path = `/n${i}`;
      const node = { path, data: Buffer.from(''), version: 0, created: undefined, owner: 's' };
      namespace.load({ kind: 'node', node }, controller.image.revision);
    }
    expect(write(controller, [create('/more', { ephemeral: true })], 's')).toBe('POLICY_VIOLATION');
    expect(write(controller, [create('/more')], 's')).toBe('ok');
  });
});
