import { create } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import { CONTROLLER_LEASE_MS, ETCD_CALL_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { MemoryTransport } from '@weir/client/test-kit/memory-transport.ts';
import { TouchSessionRequestSchema } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { testWorld } from '@weir/runtime/test-world.ts';
import type { CommandResult } from '../controller/controller.ts';
import { coordinatorMetrics } from '../metrics.ts';
import { touchSession } from '../rpc/called-sessions.ts';
import { coordinatorHandlers } from '../rpc/handlers.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { StoreFault } from '../store/metadata-store.ts';
import type { MetadataStore, TxnRequest, TxnResult } from '../store/metadata-store.ts';
import { encodeValue } from '../store/records.ts';
import { Candidate } from './candidate.ts';

const policy = { autoCreateTopics: false, defaultPartitions: 1 };
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** A coordinator process. */
interface Process {
  readonly candidate: Candidate;
  readonly address: string;
  /** What the store does to it: `hangs` for a process that is stopped, too. */
  store: 'answers' | 'fails' | 'hangs';
}

/** Coordinators, a store that they share, and a network, in time that passes when a test says so. */
class Setting {
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport();
  readonly store = new MemoryStore({ clock: this.clock });
  readonly world = testWorld({ clock: this.clock, transport: this.transport });

  async start(coordinatorId: number, address = `coordinator-${coordinatorId}:7070`): Promise<Process> {
    const world = testWorld({ clock: this.clock, transport: this.transport });
    const process: { -readonly [Key in keyof Process]: Process[Key] } = {
      address,
      store: 'answers',
      candidate: undefined as unknown as Candidate,
    };
    const store = reached(this.store, this.clock, () => process.store);
    const metrics = coordinatorMetrics(world.registry, () => process.candidate);
    process.candidate = new Candidate({ store, isShared: true, coordinatorId, address, policy }, world, metrics);
    await this.transport.listen(address, coordinatorHandlers(process.candidate, world));
    void process.candidate.start();
    await this.clock.advance(100);
    cleanUps.push(() => this.stop(process));
    return process;
  }

  /** It ends in good order. */
  async stop(process: Process): Promise<void> {
    process.store = 'answers';
    await this.settled(process.candidate.stop());
    this.transport.stop(process.address);
  }

  /** It dies: nobody listens at its address any more. */
  kill(process: Process): void {
    process.store = 'hangs';
    this.transport.stop(process.address);
  }

  client(...processes: readonly Process[]): NamespaceClient {
    const coordinators = processes.map(({ address }) => address);
    const client = new NamespaceClient({ coordinators, name: 'a test' }, this.world);
    cleanUps.push(() => this.settled(client.close()));
    return client;
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return this.clock.meanwhile(promise);
  }

  /** Milliseconds until something is so. */
  async until(condition: () => boolean): Promise<number> {
    const beganMs = this.clock.monotonicMs();
    while (!condition() && this.clock.monotonicMs() - beganMs < 20_000) await this.clock.advance(10);
    if (!condition()) throw new Error('it did not come to be within 20 s');
    return this.clock.monotonicMs() - beganMs;
  }
}

/** A store as one process reaches it. */
function reached(store: MemoryStore, clock: ManualClock, how: () => Process['store']): MetadataStore {
  const via = <T>(call: () => Promise<T>): Promise<T> => {
    const fault = new StoreFault('nobody answers', { retriable: true });
    if (how() === 'hangs') return new Promise((_, reject) => void clock.after(ETCD_CALL_MS, () => reject(fault)));
    return how() === 'fails' ? Promise.reject(fault) : call();
  };
  return {
    txn: (request) => via(() => store.txn(request)),
    range: (request) => via(() => store.range(request)),
    grantLease: (ttlMs) => via(() => store.grantLease(ttlMs)),
    keepLeaseAlive: (id) => via(() => store.keepLeaseAlive(id)),
    revokeLease: (id) => via(() => store.revokeLease(id)),
    compact: (before) => via(() => store.compact(before)),
    watch: (request, handlers) => store.watch(request, handlers),
    close: () => Promise.resolve(),
  };
}

const isActive = ({ candidate }: Process): boolean => candidate.active !== undefined;

describe('who is active', () => {
  test('the first one is, and the second one is ready to be', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    expect([isActive(a), isActive(b)]).toEqual([true, false]);
    expect([a.candidate.notReady(), b.candidate.notReady()]).toEqual([undefined, undefined]);
    expect(b.candidate.notActive()).toEqual({
      code: 'NOT_CONTROLLER',
      message: 'coordinator 2 stands by: coordinator 1 at coordinator-1:7070 is the active one',
      activeAddress: 'coordinator-1:7070',
    });
    expect(b.candidate.image?.claim).toMatchObject({ coordinatorId: 1 });
    await setting.clock.advance(10 * CONTROLLER_LEASE_MS);
    expect([isActive(a), isActive(b)]).toEqual([true, false]);
  });

  test('one that ends in good order is followed at once', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    const stopping = setting.stop(a);
    expect(await setting.until(() => isActive(b))).toBeLessThanOrEqual(300);
    await stopping;
    expect(b.candidate.image?.claim).toMatchObject({ coordinatorId: 2, address: 'coordinator-2:7070' });
  });

  test('one that is dead, so that nobody listens where it was, is followed within a second', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    setting.kill(a);
    expect(await setting.until(() => isActive(b))).toBeLessThanOrEqual(1_000);
  });

  test.each(['hangs', 'fails'] as const)(
    'one for which the store %s is followed when its lease has ended, and answers nothing by then',
    async (how) => {
      const setting = new Setting();
      const [a, b] = [await setting.start(1), await setting.start(2)];
      a.store = how;
      const took = await setting.until(() => {
        expect(isActive(a) && isActive(b)).toBe(false);
        return isActive(b);
      });
      expect(took).toBeGreaterThan(CONTROLLER_LEASE_MS - 600);
      expect(took).toBeLessThanOrEqual(4_000);
      a.store = 'answers';
      await setting.clock.advance(5_000);
      expect([isActive(a), isActive(b)]).toEqual([false, true]);
      expect(a.candidate.notReady()).toBeUndefined();
      expect(a.candidate.notActive().activeAddress).toBe(b.address);
    },
  );

  test('one that was deposed leads again when its turn comes', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    a.store = 'fails';
    await setting.until(() => isActive(b));
    a.store = 'answers';
    await setting.clock.advance(5_000);
    setting.kill(b);
    expect(await setting.until(() => isActive(a))).toBeLessThanOrEqual(1_000);
  });

  test('one that is started again where it was takes its own place, without waiting for the lease', async () => {
    const setting = new Setting();
    const a = await setting.start(1);
    setting.kill(a);
    const again = await setting.start(1);
    expect(isActive(again)).toBe(true);
  });

  test('two that were told the same address do not take it from each other in turn', async () => {
    const setting = new Setting();
    const a = await setting.start(1, 'shared:7070');
    const b = await setting.start(2, 'shared:7070');
    expect(isActive(b)).toBe(true);
    await setting.clock.advance(10_000);
    expect([isActive(a), isActive(b)]).toEqual([false, true]);
  });

  test('a claim that no lease ends, of a Weir that had none, is taken away', async () => {
    const setting = new Setting();
    const value = encodeValue({ coordinatorId: 7, incarnation: 'of an older Weir' });
    await setting.store.txn({ compare: [], success: [{ kind: 'put', key: '/controller', value }] });
    expect(isActive(await setting.start(1))).toBe(true);
  });

  test('of many that stand by one takes over, and the others stand by for it', async () => {
    const setting = new Setting();
    const all = [await setting.start(1), await setting.start(2), await setting.start(3), await setting.start(4)];
    setting.kill(all[0]!);
    await setting.clock.advance(2_000);
    const rest = all.slice(1);
    const active = rest.filter(isActive);
    expect(active).toHaveLength(1);
    const followed = rest.filter((one) => !isActive(one)).map(({ candidate }) => candidate.notActive().activeAddress);
    expect(followed).toEqual([active[0]!.address, active[0]!.address]);
  });
});

describe('clients', () => {
  test('find the active one from any place in their list', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    const client = setting.client(b, a);
    await setting.settled(client.create('/a', 'x'));
    expect(await setting.settled(client.get('/a'))).toMatchObject({ node: { path: '/a' } });
  });

  test('keep their sessions and ephemeral nodes over a death, a silence and an orderly end', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    const client = setting.client(a, b);
    const session = await setting.settled(client.openSession());
    await setting.settled(client.create('/e', '', { session }));
    setting.kill(a);
    await setting.clock.advance(3 * SESSION_TIMEOUT_MS);
    const again = await setting.start(1);
    b.store = 'hangs';
    await setting.clock.advance(3 * SESSION_TIMEOUT_MS);
    b.store = 'answers';
    await setting.clock.advance(1_000);
    expect(isActive(again)).toBe(true);
    await setting.stop(again);
    await setting.clock.advance(3 * SESSION_TIMEOUT_MS);
    expect(isActive(b)).toBe(true);
    expect(session.signal.aborted).toBe(false);
    expect(await setting.settled(client.get('/e'))).toMatchObject({ node: { ephemeralOwner: session.owner } });
  });

  test('that keep a session by calls have its whole timeout from when a coordinator has taken over', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    const client = setting.client(a, b);
    const session = await setting.settled(client.beginCalledSession('a test'));
    await setting.settled(client.create('/e', '', { session }));
    await setting.clock.advance(SESSION_TIMEOUT_MS - 500);
    setting.kill(a);
    await setting.until(() => isActive(b));
    await setting.clock.advance(SESSION_TIMEOUT_MS - 500);
    expect(await setting.settled(client.get('/e'))).toMatchObject({ node: { ephemeralOwner: session.owner } });
    expect(await setting.settled(client.touchCalledSession(session.id))).toEqual(session);
    await setting.clock.advance(SESSION_TIMEOUT_MS + 300);
    await expect(setting.settled(client.get('/e'))).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' });
    await expect(setting.settled(client.touchCalledSession(session.id))).rejects.toMatchObject({
      code: 'SESSION_EXPIRED',
    });
  });

  test('are not told that a session has ended by one that cannot confirm that it is the active one', async () => {
    const setting = new Setting();
    const a = await setting.start(1);
    const client = setting.client(a);
    const session = await setting.settled(client.beginCalledSession('a test'));
    const { namespace } = a.candidate.active!;
    a.store = 'fails';
    await setting.clock.advance(CONTROLLER_LEASE_MS + 100);
    expect(isActive(a)).toBe(false);
    for (const sessionId of [session.id, 'unknown']) {
      const touch = () => touchSession(namespace, create(TouchSessionRequestSchema, { sessionId }));
      expect(touch).toThrow(expect.objectContaining({ code: 'NOT_CONTROLLER' }));
    }
    a.store = 'answers';
    await setting.until(() => isActive(a));
    expect(await setting.settled(client.touchCalledSession(session.id))).toEqual(session);
  });

  test('watches go on over a change of coordinator, and tell each change once, of whichever roots', async () => {
    const setting = new Setting();
    const [a, b] = [await setting.start(1), await setting.start(2)];
    const [client, writer] = [setting.client(a, b), setting.client(b, a)];
    const told: string[] = [];
    const handlers = {
      events: (_revision: number, events: readonly TreeEvent[]) =>
        void told.push(...events.map(({ kind, path }) => `${kind} ${path}`)),
      ended: ({ code }: { code: string }) => void told.push(code),
    };
    client.watch({ path: '/', kind: 'recursive' }, handlers);
    client.watch({ path: '/controller', kind: 'data' }, handlers);
    await setting.clock.advance(500);
    await setting.settled(writer.create('/a', ''));
    setting.kill(a);
    await setting.settled(writer.create('/b', ''));
    await setting.settled(writer.create('/c', ''));
    await setting.clock.advance(10_000);
    expect(told.filter((one) => !one.endsWith('/controller'))).toEqual(['created /a', 'created /b', 'created /c']);
    expect(told.filter((one) => one.endsWith('/controller'))).toEqual(['deleted /controller', 'created /controller']);
  });
});

/** A store that can stop answering: what is asked is done all the same. */
class MuteStore extends MemoryStore {
  isMute = false;

  override async txn(request: TxnRequest): Promise<TxnResult> {
    const result = this.txnNow(request);
    if (this.isMute) throw new StoreFault('no answer', { retriable: true });
    return result;
  }
}

test('one that stops says of what it had begun that it may have been done, and of the rest that it was not', async () => {
  const store = new MuteStore();
  const world = testWorld();
  const metrics = coordinatorMetrics(world.registry, () => undefined);
  const options = { store, isShared: false, coordinatorId: 1, address: 'here:7070', policy };
  const candidate = new Candidate(options, world, metrics);
  await candidate.start();
  const operations = [{ name: 'log.retention.ms', kind: 'set', value: '5' }] as const;
  const alterations = [{ resource: { type: 'broker', name: '' }, replaceAll: false, operations }] as const;
  const requester = { peer: '10.0.0.1:40000', client: 'a test' };
  const answers: CommandResult[] = [];
  store.isMute = true;
  for (let i = 0; i < 2; i++) {
    candidate.active!.submit({ kind: 'alterConfigs', alterations, validateOnly: false, requester }, (result) =>
      answers.push(result),
    );
  }
  await candidate.stop();
  expect(answers).toMatchObject([{ refusal: { code: 'REQUEST_TIMED_OUT' } }, { refusal: { code: 'SHUTTING_DOWN' } }]);
  expect(store.rangeNow({ prefix: '/configs/brokers/default' }).items).toHaveLength(1);
});
