import { seededRandom } from '@weir/base/random.ts';
import { expect, test, vi } from 'vitest';
import { silentLogger } from '../test-kit/fake-cluster.ts';
import { FakeCoordinator } from '../test-kit/fake-coordinator.ts';
import { ManualClock } from '../test-kit/manual-clock.ts';
import { MemoryTransport } from '../test-kit/memory-transport.ts';
import { CoordinatorSession } from './coordinator-session.ts';
import type { SessionMember } from './coordinator-session.ts';

const BROKER: SessionMember = { kind: 'broker', registration: () => ({ brokerId: 7 }) };

async function setUp(options: { coordinators?: string[]; member?: SessionMember } = {}) {
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const coordinator = new FakeCoordinator();
  await transport.listen('c1', coordinator.handlers);
  const heard: string[] = [];
  const session = new CoordinatorSession(
    { coordinators: options.coordinators ?? ['c1'], member: options.member ?? BROKER },
    { clock, transport, random: seededRandom(1), logger: silentLogger() },
    {
      changed: (image) => heard.push(`changed ${image.revision}`),
      welcomed: ({ brokerEpoch, resumed }) => heard.push(`welcomed ${brokerEpoch}${resumed ? ' again' : ''}`),
      fenced: ({ code }) => heard.push(`fenced ${code}`),
      lost: () => heard.push('lost'),
    },
  );
  return { clock, transport, coordinator, heard, session };
}

test('a session is welcomed, has the image, and follows its deltas', async () => {
  const { clock, coordinator, heard, session } = await setUp();
  await clock.advance(1);
  expect(heard).toEqual(['welcomed 1', 'changed 1']);
  coordinator.broker(3, 'b3:1');
  await clock.settle();
  expect(heard.at(-1)).toBe('changed 2');
  expect(session.image.broker(3)?.grpcAddress).toBe('b3:1');
  expect(session.clusterId).toBe('cluster-1');
});

test('six heartbeats go out in a timeout', async () => {
  const { clock, coordinator } = await setUp();
  await clock.advance(6_010);
  expect(coordinator.heartbeats).toBe(6);
});

test('after a broken stream the same session is attached to within the time that the coordinator waits', async () => {
  const { clock, transport, coordinator, heard } = await setUp();
  await clock.advance(1);
  transport.stop('c1');
  await clock.settle();
  await transport.listen('c1', coordinator.handlers);
  await clock.advance(799);
  expect(coordinator.hellos.map(({ sessionId, clusterId }) => [sessionId, clusterId])).toEqual([
    ['', ''],
    ['session-1', 'cluster-1'],
  ]);
  expect(heard).toContain('welcomed 1 again');
  expect(heard).not.toContain('lost');
});

test('the session is lost one timeout after the last answered heartbeat was sent, once', async () => {
  const { clock, coordinator, heard } = await setUp();
  await clock.advance(2_100);
  coordinator.answersHeartbeats = false;
  // The last that was answered was sent at 2,000 ms.
  await clock.advance(5_800);
  expect(heard).not.toContain('lost');
  coordinator.sessionId = 'session-2';
  await clock.advance(1_300);
  expect(heard.slice(-3)).toEqual(['lost', 'welcomed 1', 'changed 1']);
});

test('a connection on which nothing comes back, to a heartbeat or to a hello, is not used again', async () => {
  const { clock, transport, coordinator, heard } = await setUp();
  const connect = vi.spyOn(transport, 'connect');
  await clock.advance(100);
  expect(connect).toHaveBeenCalledTimes(1);
  coordinator.answersHeartbeats = false;
  await clock.advance(6_500);
  expect(heard).toContain('lost');
  expect(connect).toHaveBeenCalledTimes(2);
  coordinator.answersHellos = false;
  transport.stop('c1');
  await transport.listen('c1', coordinator.handlers);
  // Where nobody listens nothing is silent: the connection is tried again as it is.
  await clock.advance(100);
  expect(connect).toHaveBeenCalledTimes(2);
  await clock.advance(3_500);
  expect(connect).toHaveBeenCalledTimes(3);
});

test('the session is lost as well while no coordinator can be reached', async () => {
  const { clock, transport, heard } = await setUp();
  await clock.advance(1);
  transport.stop('c1');
  await clock.advance(7_010);
  expect(heard.filter((what) => what === 'lost')).toHaveLength(1);
});

test('a session that was lost while there was no coordinator is offered all the same, and may live on', async () => {
  const { clock, transport, coordinator, heard } = await setUp();
  await clock.advance(1);
  transport.stop('c1');
  await clock.advance(60_000);
  await transport.listen('c1', coordinator.handlers);
  await clock.advance(2_000);
  expect(coordinator.hellos.at(-1)?.sessionId).toBe('session-1');
  expect(heard).toEqual(['welcomed 1', 'changed 1', 'lost', 'welcomed 1 again', 'changed 1']);
});

test('coordinators are tried in turn until one answers', async () => {
  const { clock, heard } = await setUp({ coordinators: ['nobody', 'c1'] });
  await clock.advance(200);
  expect(heard).toContain('welcomed 1');
});

test('a refusal that may pass is told and tried again', async () => {
  const { clock, coordinator, heard } = await setUp();
  coordinator.refuses = { code: 'DUPLICATE_BROKER_ID', message: 'broker 7 lives' };
  await clock.advance(200);
  coordinator.refuses = undefined;
  await clock.advance(2_000);
  expect(heard).toContain('fenced DUPLICATE_BROKER_ID');
  expect(heard).toContain('welcomed 1');
});

test('a refusal for good ends the tries', async () => {
  const { clock, coordinator, heard } = await setUp();
  coordinator.refuses = { code: 'INCONSISTENT_CLUSTER_ID', message: 'another cluster' };
  await clock.advance(10_000);
  expect(heard).toEqual(['fenced INCONSISTENT_CLUSTER_ID']);
  expect(coordinator.hellos).toHaveLength(1);
});

test('a session that the coordinator has ended is lost, and a new one begins', async () => {
  const { clock, coordinator, heard } = await setUp();
  await clock.advance(1);
  coordinator.send({ case: 'fenced', value: { code: 'SESSION_EXPIRED', message: 'too late' } });
  await clock.advance(100);
  expect(heard).toEqual(['welcomed 1', 'changed 1', 'lost', 'welcomed 1', 'changed 1']);
  expect(coordinator.hellos.at(-1)?.sessionId).toBe('');
});

test('a coordinator whose snapshot is older than what is known is left', async () => {
  const { clock, coordinator, heard } = await setUp();
  await clock.advance(1);
  coordinator.broker(3, 'b3:1');
  await clock.settle();
  coordinator.send({ case: 'snapshotPage', value: { revision: 1n, last: true } });
  await clock.advance(100);
  expect(heard.filter((what) => what.startsWith('welcomed'))).toHaveLength(2);
});

test('who is behind is not asked again before the others', async () => {
  const { clock, transport, coordinator, heard, session } = await setUp({ coordinators: ['c1', 'c2'] });
  await clock.advance(1);
  coordinator.broker(3, 'b3:1');
  await clock.settle();
  // A predecessor that does not know of it, while the one that is active can be reached again a moment later.
  const behind = new FakeCoordinator();
  await transport.listen('c2', behind.handlers);
  transport.stop('c1');
  await clock.advance(500);
  expect(behind.hellos.length).toBeGreaterThan(0);
  await transport.listen('c1', coordinator.handlers);
  await clock.advance(500);
  expect(session.attached).toBe(true);
  expect(heard.at(-1)).toBe('changed 2');
});

test('a coordinator that is not the active one says which is, and its clients go there with the session that they have', async () => {
  const { clock, transport, coordinator, heard } = await setUp({ coordinators: ['c1', 'c2', 'c3', 'c4'] });
  await clock.advance(100);
  expect(heard).toContain('welcomed 1');
  const others = new Map(['c2', 'c3', 'c4'].map((name) => [name, new FakeCoordinator()]));
  for (const [name, other] of others) await transport.listen(name, other.handlers);
  coordinator.refuses = { code: 'NOT_CONTROLLER', message: 'stands by', activeAddress: 'c4' };
  coordinator.send({ case: 'fenced', value: coordinator.refuses });
  await clock.advance(200);
  expect(others.get('c4')!.hellos.map(({ sessionId }) => sessionId)).toEqual([coordinator.sessionId]);
  expect([others.get('c2')!.hellos, others.get('c3')!.hellos]).toEqual([[], []]);
  expect(heard).not.toContain('lost');
  expect(heard.filter((what) => what.startsWith('fenced'))).toEqual([]);
});

test('a coordinator that welcomes late is asked for a heartbeat at once, and not left for its silence before', async () => {
  const { clock, transport, coordinator, heard, session } = await setUp({ coordinators: ['c1', 'c2'] });
  const other = new FakeCoordinator();
  await transport.listen('c2', other.handlers);
  coordinator.answersHellos = false;
  await clock.advance(2_500);
  const { sessionId, sessionTimeoutMs } = coordinator;
  coordinator.send({
    case: 'welcome',
    value: { clusterId: 'cluster-1', sessionId, sessionTimeoutMs, brokerEpoch: 1n },
  });
  await clock.settle();
  expect(coordinator.heartbeats).toBe(1);
  await clock.advance(3_000);
  expect(heard).toEqual(['welcomed 1']);
  expect(session.attached).toBe(true);
  expect(other.hellos).toEqual([]);
});

test('a coordinator that names the one that was just given up is not believed, and the next one is asked', async () => {
  const { clock, transport, coordinator, heard } = await setUp({ coordinators: ['c1', 'c2', 'c3'] });
  await clock.advance(100);
  // It cannot reach the store, and does not know that there is a new one.
  const behind = new FakeCoordinator();
  behind.refuses = { code: 'NOT_CONTROLLER', message: 'stands by', activeAddress: 'c1' };
  await transport.listen('c2', behind.handlers);
  const active = new FakeCoordinator();
  await transport.listen('c3', active.handlers);
  coordinator.answersHeartbeats = coordinator.answersHellos = false;
  await clock.advance(5_000);
  expect(behind.hellos).toHaveLength(1);
  expect(active.hellos.map(({ sessionId }) => sessionId)).toEqual([coordinator.sessionId]);
  expect(heard).not.toContain('lost');
  // Once something else was given up since, it is believed again.
  active.refuses = { code: 'NOT_CONTROLLER', message: 'stands by', activeAddress: 'c1' };
  active.send({ case: 'fenced', value: active.refuses });
  coordinator.answersHellos = true;
  await clock.advance(500);
  expect(coordinator.hellos.at(-1)?.sessionId).toBe(coordinator.sessionId);
  expect(behind.hellos).toHaveLength(1);
});

test('with another one to ask, a coordinator that answers no heartbeat for 2 s is left, and the session offered there', async () => {
  const { clock, transport, coordinator, heard } = await setUp({ coordinators: ['c1', 'c2'] });
  await clock.advance(100);
  const other = new FakeCoordinator();
  await transport.listen('c2', other.handlers);
  coordinator.answersHeartbeats = false;
  await clock.advance(3_500);
  expect(other.hellos.map(({ sessionId }) => sessionId)).toEqual([coordinator.sessionId]);
  expect(heard).not.toContain('lost');
});

test('catching up waits for a heartbeat that was sent after the question', async () => {
  const { clock, coordinator, session } = await setUp();
  await clock.advance(1);
  const before = coordinator.heartbeats;
  const caughtUp: boolean[] = [];
  session.catchUp((done) => caughtUp.push(done));
  session.catchUp((done) => caughtUp.push(done));
  await clock.settle();
  expect(caughtUp).toEqual([true, true]);
  expect(coordinator.heartbeats - before).toBe(2);
});

test('catching up fails when the stream breaks', async () => {
  const { clock, transport, coordinator, session } = await setUp();
  await clock.advance(1);
  coordinator.answersHeartbeats = false;
  const caughtUp: boolean[] = [];
  session.catchUp((done) => caughtUp.push(done));
  transport.stop('c1');
  await clock.settle();
  expect(caughtUp).toEqual([false]);
});
