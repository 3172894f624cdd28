import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import { SESSION_REATTACH_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { resolveOptions } from '@weir/base/options.ts';
import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';
import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { MemoryTransport } from '@weir/client/test-kit/memory-transport.ts';
import {
  KeepSessionRequestSchema,
  ListChildrenRequestSchema,
  NamespaceService,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { temporaryDirectory, testWorld } from '@weir/runtime/test-world.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import { coordinatorOptions } from './options.ts';
import { start } from './start.ts';

const ADDRESS = '127.0.0.1:7000';
const KEEP_SESSION = protobufMethod(NamespaceService.method.keepSession);
const LIST_CHILDREN = protobufMethod(NamespaceService.method.listChildren);
const cleanUps: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** A coordinator and its clients, on a network in memory and in time that passes when a test says so. */
class Setting {
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport();
  readonly #store = `sqlite:${join(temporaryDirectory(), 'metadata.db')}`;
  #service: Service | undefined;

  static async begin(): Promise<Setting> {
    const setting = new Setting();
    await setting.start();
    cleanUps.push(() => setting.stop());
    return setting;
  }

  get world(): World {
    return testWorld({ clock: this.clock, transport: this.transport });
  }

  async start(): Promise<void> {
    const values = { store: this.#store, 'grpc-listen': ADDRESS };
    const resolved = resolveOptions(coordinatorOptions, [{ label: (name) => name, values }]);
    if (!resolved.ok) throw new Error(resolved.problems.join('; '));
    this.#service = await this.settled(start(resolved.values, this.world));
  }

  async stop(): Promise<void> {
    const service = this.#service;
    this.#service = undefined;
    if (service !== undefined) await this.settled(service.stop());
  }

  client(name = 'a test'): NamespaceClient {
    const client = new NamespaceClient({ coordinators: [ADDRESS], name }, this.world);
    cleanUps.push(() => this.settled(client.close()));
    return client;
  }

  /** What becomes of a promise, while everything happens that is due. */
  settled<T>(promise: Promise<T>): Promise<T> {
    return this.clock.meanwhile(promise);
  }

  async session(client: NamespaceClient): Promise<NamespaceSession> {
    return this.settled(client.openSession());
  }

  async names(client: NamespaceClient, path: string): Promise<readonly string[]> {
    return (await this.settled(client.children(path))).names;
  }
}

/** A watch that remembers. */
function recorded(client: NamespaceClient, path: string, from?: number) {
  const told: { revision: number; kind: string; path: string }[] = [];
  const record = { told, started: undefined as number | undefined, ended: undefined as string | undefined };
  client.watch(
    { path, kind: 'recursive', ...(from === undefined ? {} : { from }) },
    {
      started: (revision) => (record.started = revision),
      events(revision, events: readonly TreeEvent[]) {
        for (const event of events) told.push({ revision, kind: event.kind, path: event.path });
      },
      ended: ({ code }) => (record.ended = code),
    },
  );
  return record;
}

describe('client sessions', () => {
  test('an ephemeral node lives for as long as its session has heartbeats', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const session = await setting.session(client);
    const node = await setting.settled(client.create('/e', 'x', { session }));
    expect(node.ephemeralOwner).toBe(session.owner);
    await setting.clock.advance(10 * SESSION_TIMEOUT_MS);
    expect(session.signal.aborted).toBe(false);
    expect(await setting.names(client, '/')).toContain('e');
    await setting.settled(session.close());
    expect(session.signal.aborted).toBe(true);
    expect(await setting.names(client, '/')).not.toContain('e');
  });

  test('a client that is gone without a word loses its nodes after the time to come back', async () => {
    const setting = await Setting.begin();
    const [client, other] = [setting.client(), setting.client()];
    const session = await setting.session(client);
    await setting.settled(client.create('/e', '', { session }));
    const watch = recorded(other, '/e');
    await setting.clock.advance(100);
    session.abandon('it died');
    await setting.clock.advance(SESSION_REATTACH_MS - 100);
    expect(watch.told).toEqual([]);
    await setting.clock.advance(300);
    expect(watch.told.map(({ kind }) => kind)).toEqual(['deleted']);
  });

  test('a session without a stream lives while it is called, by whoever has its id, and ends one timeout after that', async () => {
    const setting = await Setting.begin();
    const [client, other] = [setting.client(), setting.client()];
    const session = await setting.settled(client.beginCalledSession('a test'));
    const node = await setting.settled(client.create('/e', 'x', { session }));
    expect(node.ephemeralOwner).toBe(session.owner);
    const touch = (by: NamespaceClient) => setting.settled(by.touchCalledSession(session.id));
    for (let i = 0; i < 4; i++) {
      await setting.clock.advance(0.8 * SESSION_TIMEOUT_MS);
      expect(await touch(i % 2 === 0 ? client : other)).toEqual(session);
    }
    await setting.clock.advance(SESSION_TIMEOUT_MS - 100);
    expect(await setting.names(client, '/')).toContain('e');
    await setting.clock.advance(400);
    expect(await setting.names(client, '/')).not.toContain('e');
    await expect(touch(client)).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
    await expect(setting.settled(client.create('/f', '', { session }))).rejects.toMatchObject({
      code: 'SESSION_EXPIRED',
    });
  });

  test('one whose stream broke goes on by calls, and is then one that has none', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const session = await setting.session(client);
    await setting.settled(client.create('/e', '', { session }));
    session.abandon('it died');
    await setting.clock.advance(SESSION_REATTACH_MS / 2);
    await setting.settled(client.touchCalledSession(session.id));
    await setting.clock.advance(SESSION_TIMEOUT_MS - 200);
    expect(await setting.names(client, '/')).toContain('e');
    await setting.clock.advance(500);
    expect(await setting.names(client, '/')).not.toContain('e');
  });

  test('one that a stream attached to ends with that as others do, and not by it while it is called', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const attach = async (sessionId: string) => {
      const told: (string | undefined)[] = [];
      const stream = setting.transport.connect(ADDRESS).open(KEEP_SESSION, {
        message: ({ response }) => void told.push(response.case),
        drained: () => {},
        closed: () => {},
      });
      stream.send(create(KeepSessionRequestSchema, { request: { case: 'open', value: { sessionId } } }));
      await setting.clock.advance(10);
      expect(told).toEqual(['opened']);
      return stream;
    };
    const [called, left] = [
      await setting.settled(client.beginCalledSession('called')),
      await setting.settled(client.beginCalledSession('left')),
    ];
    await setting.settled(client.create('/called', '', { session: called }));
    await setting.settled(client.create('/left', '', { session: left }));
    for (const { id } of [called, left])
      (await attach(id)).abort({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'it died' });
    await setting.settled(client.touchCalledSession(called.id));
    await setting.clock.advance(SESSION_REATTACH_MS + 200);
    const names = await setting.names(client, '/');
    expect([names.includes('called'), names.includes('left')]).toEqual([true, false]);
  });

  test('one that is ended by a call is gone with its nodes, and so is one that has a stream', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const called = await setting.settled(client.beginCalledSession('a test'));
    const streamed = await setting.session(client);
    await setting.settled(client.create('/e1', '', { session: called }));
    await setting.settled(client.create('/e2', '', { session: streamed }));
    for (const { id } of [called, streamed, called]) await setting.settled(client.endCalledSession(id));
    await setting.clock.advance(100);
    const names = await setting.names(client, '/');
    expect([names.includes('e1'), names.includes('e2')]).toEqual([false, false]);
    expect(streamed.signal.aborted).toBe(true);
  });

  test('sessions and their nodes live through a restart of the coordinator, and can go on creating nodes', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const session = await setting.session(client);
    await setting.settled(client.create('/e1', '', { session }));
    await setting.stop();
    await setting.clock.advance(2_000);
    await setting.start();
    await setting.clock.advance(3 * SESSION_TIMEOUT_MS);
    expect(session.signal.aborted).toBe(false);
    await setting.settled(client.create('/e2', '', { session }));
    expect(await setting.names(client, '/')).toEqual(expect.arrayContaining(['e1', 'e2']));
  });

  test('a client takes its session for lost a timeout after its last answered heartbeat, and its nodes go', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const session = await setting.session(client);
    await setting.settled(client.create('/e', '', { session }));
    await setting.stop();
    await setting.clock.advance(SESSION_TIMEOUT_MS + 100);
    expect(session.signal.aborted).toBe(true);
    await expect(setting.settled(client.create('/f', '', { session }))).rejects.toMatchObject({
      code: 'SESSION_EXPIRED',
    });
    await setting.start();
    expect(await setting.names(client, '/')).toContain('e');
    await setting.clock.advance(SESSION_TIMEOUT_MS + 200);
    expect(await setting.names(client, '/')).not.toContain('e');
  });

  test('sessions that end together are gone together, however many they are', async () => {
    const setting = await Setting.begin();
    const other = setting.client();
    const clients = [setting.client(), setting.client(), setting.client()];
    await setting.settled(other.create('/all'));
    const sessions: NamespaceSession[] = [];
    for (const client of clients) {
      for (let i = 0; i < 50; i++) {
        const session = await setting.session(client);
        await setting.settled(client.create('/all/n-', '', { session, sequential: true }));
        sessions.push(session);
      }
    }
    const watch = recorded(other, '/all');
    await setting.clock.advance(100);
    for (const session of sessions) session.abandon('it died');
    await setting.clock.advance(SESSION_TIMEOUT_MS + SESSION_REATTACH_MS + 300);
    expect(watch.told).toHaveLength(150);
    // A transaction has 128 operations.
    expect(new Set(watch.told.map(({ revision }) => revision)).size).toBe(2);
    expect(await setting.names(other, '/all')).toEqual([]);
  });

  test('a gateway is shown for as long as its session lives', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const watch = recorded(client, '/gateways');
    await setting.clock.advance(100);
    const session = await setting.settled(
      client.openSession({ gateway: { id: 'gw-1', httpAddress: '127.0.0.1:8080' } }),
    );
    const { node } = await setting.settled(client.get('/gateways/ids/gw-1'));
    expect(JSON.parse(Buffer.from(node.data).toString())).toEqual({ version: 1, http: '127.0.0.1:8080' });
    expect(node.ephemeralOwner).toBe(session.owner);
    await setting.settled(session.close());
    await setting.clock.advance(100);
    expect(watch.told.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'created /gateways/ids/gw-1',
      'deleted /gateways/ids/gw-1',
    ]);
  });
});

describe('watches', () => {
  test('what happened since a revision comes first, then what happens', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const { createRevision: first } = await setting.settled(client.create('/a'));
    await setting.settled(client.set('/a', '1'));
    const watch = recorded(client, '/a', first);
    await setting.clock.advance(100);
    await setting.settled(client.delete('/a'));
    await setting.clock.advance(100);
    expect(watch.told.map(({ kind }) => kind)).toEqual(['created', 'changed', 'deleted']);
    expect(watch.told.map(({ revision }) => revision)).toEqual([first, first + 1, first + 2]);
  });

  test('a watch that saw everything goes on behind a restart, and one that did not is told', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    await setting.settled(client.create('/a'));
    const watch = recorded(client, '/a');
    await setting.clock.advance(100);
    await setting.settled(client.set('/a', '1'));
    await setting.clock.advance(100);
    await setting.stop();
    await setting.start();
    await setting.clock.advance(2_000);
    await setting.settled(client.set('/a', '2'));
    await setting.clock.advance(2_000);
    expect(watch.ended).toBeUndefined();
    expect(watch.told.map(({ kind }) => kind)).toEqual(['changed', 'changed']);
    await setting.settled(client.set('/a', '3'));
    const { revision } = await setting.settled(client.exists('/a'));
    await setting.stop();
    await setting.start();
    const late = recorded(client, '/a', revision);
    await setting.clock.advance(2_000);
    expect(late.ended).toBe('COMPACTED');
    const current = recorded(client, '/a', revision + 1);
    await setting.clock.advance(2_000);
    expect(current.ended).toBeUndefined();
    expect(current.started).toBeGreaterThan(revision);
  });

  test('a watch of nothing that ever happens stays current while much else does', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const watch = recorded(client, '/quiet');
    await setting.clock.advance(100);
    await setting.settled(client.create('/loud'));
    for (let i = 0; i < 20; i++) await setting.settled(client.set('/loud', String(i)));
    await setting.clock.advance(6_000);
    await setting.stop();
    await setting.start();
    await setting.clock.advance(2_000);
    await setting.settled(client.create('/quiet'));
    await setting.clock.advance(1_000);
    expect(watch.ended).toBeUndefined();
    expect(watch.told.map(({ kind }) => kind)).toEqual(['created']);
  });
});

describe('reads', () => {
  test('children come in pages that fit together, and what is not there is told apart', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    await setting.settled(client.create('/many'));
    for (let page = 0; page < 25; page++) {
      const operations = Array.from({ length: 100 }, () => ({
        kind: 'create' as const,
        path: '/many/n-',
        sequential: true,
      }));
      await setting.settled(client.multi(operations));
    }
    const names = await setting.names(client, '/many');
    expect(names).toHaveLength(2_500);
    expect(names).toEqual(names.toSorted());
    expect(names.at(-1)).toBe('n-0000002499');
    const connection = setting.transport.connect(ADDRESS);
    const paged: string[] = [];
    for (let more = true; more;) {
      const request = create(ListChildrenRequestSchema, { path: '/many', after: paged.at(-1) ?? '', limit: 700 });
      const page = await setting.settled(connection.call(LIST_CHILDREN, request, { deadlineMs: 1_000 }));
      expect(page.names.length).toBeLessThanOrEqual(700);
      paged.push(...page.names);
      more = page.more;
    }
    expect(paged).toEqual(names);
    await expect(setting.settled(client.get('/none'))).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' });
    await expect(setting.settled(client.children('/none'))).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' });
    const ofBrokers = create(ListChildrenRequestSchema, { path: '/consumers' });
    await expect(
      setting.settled(connection.call(LIST_CHILDREN, ofBrokers, { deadlineMs: 1_000 })),
    ).rejects.toMatchObject({ failure: { code: 'INVALID_REQUEST' } });
    expect((await setting.settled(client.children('/'))).names).toContain('consumers');
    await expect(setting.settled(client.get('none'))).rejects.toMatchObject({ code: 'INVALID_PATH' });
  });

  test('a write of several steps names the one that cannot be done, and does none', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    const write = client.multi([
      { kind: 'create', path: '/a' },
      { kind: 'create', path: '/a/b' },
      { kind: 'check', path: '/a/b', version: 1 },
    ]);
    await expect(setting.settled(write)).rejects.toMatchObject({ code: 'BAD_VERSION', operation: 2 });
    expect((await setting.settled(client.exists('/a'))).node).toBeUndefined();
  });

  test('the roots of the cluster are there and cannot be written, and /controller is who decides', async () => {
    const setting = await Setting.begin();
    const client = setting.client();
    expect(await setting.names(client, '/')).toEqual(['brokers', 'config', 'consumers', 'controller', 'gateways']);
    const { node } = await setting.settled(client.get('/controller'));
    expect(JSON.parse(Buffer.from(node.data).toString())).toEqual({ version: 1, coordinator: 1, grpc: ADDRESS });
    expect(node.ephemeralOwner).toBe(node.createRevision);
    await expect(setting.settled(client.create('/controller'))).rejects.toMatchObject({ code: 'NODE_EXISTS' });
    await expect(setting.settled(client.set('/brokers/ids/1', ''))).rejects.toThrow('weir topic');
  });
});
