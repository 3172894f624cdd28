import { describe, expect, test } from 'vitest';
import { SESSION_REATTACH_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { BrokerState, DoubtReason } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { broker, observer, startCoordinator, TestClient, uuid } from './test-coordinator.ts';

describe('a session', () => {
  test('a broker registers, an observer sees it, and a topic gets a leader', async () => {
    const { service } = await startCoordinator();
    const follower = new TestClient(service).hello(observer);
    expect(await follower.welcome()).toMatchObject({ sessionId: '', sessionTimeoutMs: 0, brokerEpoch: 0n });
    const member = new TestClient(service).hello(broker());
    const welcome = await member.welcome();
    expect(welcome.sessionTimeoutMs).toBe(SESSION_TIMEOUT_MS);
    expect(welcome.brokerEpoch).toBeGreaterThan(0n);
    await expect
      .poll(() => follower.brokers.get(1))
      .toMatchObject({ state: BrokerState.ACTIVE, epoch: welcome.brokerEpoch });
    const [result] = await follower.createTopics([
      { name: 'orders', partitionCount: 3, configs: { flush: 'interval' } },
    ]);
    expect(result).toMatchObject({ code: 'NONE', replicationFactor: 1, topic: { partitionCount: 3 } });
    expect(result!.revision).toBeGreaterThan(welcome.brokerEpoch);
    await expect.poll(() => follower.topics.has('orders') && member.topics.has('orders')).toBe(true);
    expect(
      [...follower.partitions.values()].map(({ leader, isr, isrEpochs }) => [leader, isr, isrEpochs.map(Number)]),
    ).toEqual(Array.from({ length: 3 }, () => [1, [1], [Number(welcome.brokerEpoch)]]));
  });

  test('followers are told where Kafka clients and other brokers reach a broker, in deltas and in snapshots', async () => {
    const { service } = await startCoordinator();
    const follower = new TestClient(service).hello(observer);
    await follower.welcome();
    const addresses = { kafkaAddress: 'broker-1:9092', replicationAddress: 'broker-1:7072' };
    await new TestClient(service).hello(broker(addresses)).welcome();
    await expect.poll(() => follower.brokers.get(1)).toMatchObject(addresses);
    const later = new TestClient(service).hello(observer);
    await later.welcome();
    expect(later.brokers.get(1)).toMatchObject(addresses);
  });

  test('a broker that registers an address that is none is refused', async () => {
    const { service } = await startCoordinator();
    for (const [name, what] of [
      ['kafkaAddress', 'Kafka address "nonsense"'],
      ['replicationAddress', 'replication address "nonsense"'],
    ] as const) {
      const member = new TestClient(service).hello(broker({ [name]: 'nonsense' }));
      expect(await member.fenced()).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining(what) });
    }
  });

  test('heartbeats are answered with their number and the newest revision', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    const { brokerEpoch } = await member.welcome();
    member.send({ case: 'heartbeat', value: { sequence: 5n, appliedRevision: brokerEpoch } });
    const answer = await member.until((response) => response.case === 'heartbeatAnswer');
    expect(answer.value).toMatchObject({ sequence: 5n, revision: brokerEpoch });
  });

  test('a broken connection attaches again to the same session, with nothing changed for others', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    const before = await member.welcome();
    await member.createTopics([{ name: 'a' }]);
    member.cut();
    member.hello(broker(), { sessionId: before.sessionId, clusterId: before.clusterId });
    expect(await member.welcome()).toMatchObject({ sessionId: before.sessionId, brokerEpoch: before.brokerEpoch });
    expect([...member.partitions.values()]).toMatchObject([{ leader: 1, leaderEpoch: 0 }]);
  });

  test('a broker that is gone is fenced and leads nothing, and leads again when it is back', async () => {
    const { service, world } = await startCoordinator();
    const follower = new TestClient(service).hello(observer);
    const member = new TestClient(service).hello(broker());
    const before = await member.welcome();
    await member.createTopics([{ name: 'a' }]);
    const cutAt = world.clock.monotonicMs();
    member.cut();
    await expect.poll(() => follower.brokers.get(1)?.state, { timeout: 5_000 }).toBe(BrokerState.FENCED);
    expect(world.clock.monotonicMs() - cutAt).toBeGreaterThanOrEqual(SESSION_REATTACH_MS);
    await expect
      .poll(() => [...follower.partitions.values()][0])
      .toMatchObject({ leader: -1, leaderEpoch: 1, isr: [] });
    member.hello(broker(), { sessionId: before.sessionId });
    const after = await member.welcome();
    expect(after.sessionId).not.toBe(before.sessionId);
    expect(after.brokerEpoch).toBeGreaterThan(before.brokerEpoch);
    await expect
      .poll(() => [...follower.partitions.values()][0])
      .toMatchObject({ leader: 1, leaderEpoch: 2, isr: [1] });
    const text = await world.registry.metrics();
    expect(text).toContain('weir_coordinator_sessions 1');
    expect(text).toContain('weir_coordinator_leaderless_partitions 0');
    expect(text).toContain('weir_coordinator_sessions_expired_total{reason="disconnected"} 1');
  });

  test('a broker that is connected and silent is fenced, and its heartbeat is not answered any more', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    expect(await member.fenced()).toMatchObject({
      code: 'SESSION_EXPIRED',
      message: expect.stringContaining('no heartbeat'),
    });
    member.send({ case: 'heartbeat', value: { sequence: 1n } });
    await expect.poll(() => member.closed).toBeDefined();
    expect(member.responses.some((response) => response.case === 'heartbeatAnswer')).toBe(false);
  });

  test('the same directory fences the old session at once, another one is refused', async () => {
    const { service } = await startCoordinator();
    const first = new TestClient(service).hello(broker());
    await first.welcome();
    const other = new TestClient(service).hello(broker({ directoryId: uuid(3) }));
    expect(await other.fenced()).toMatchObject({ code: 'DUPLICATE_BROKER_ID' });
    const second = new TestClient(service).hello(broker({ incarnationId: uuid(4), registeredIncarnationId: uuid(2) }));
    await second.welcome();
    expect(await first.fenced()).toMatchObject({ code: 'SESSION_EXPIRED' });
    await expect.poll(() => first.closed).toBeDefined();
  });

  test('a directory that forgets the last run is not trusted', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    await member.createTopics([{ name: 'a', partitionCount: 1 }]);
    member.send({ case: 'goodbye', value: {} });
    await member.fenced();
    const run = { incarnationId: uuid(4), registeredIncarnationId: uuid(2) };
    const next = new TestClient(service).hello(broker(run));
    await next.welcome();
    expect([...next.partitions.values()].map(({ leader }) => leader)).toEqual([1]);
    next.send({ case: 'goodbye', value: {} });
    await next.fenced();
    const copy = { incarnationId: uuid(5), registeredIncarnationId: uuid(2) };
    const older = new TestClient(service).hello(broker(copy));
    await older.welcome();
    expect([...older.partitions.values()].map(({ leader }) => leader)).toEqual([-1]);
  });

  test('a directory that never joined is not trusted where it has, and one of a Weir that kept no runs is', async () => {
    for (const [hasJoined, leader] of [
      [false, -1],
      [true, 1],
    ] as const) {
      const { service } = await startCoordinator();
      const member = new TestClient(service).hello(broker());
      const { clusterId } = await member.welcome();
      await member.createTopics([{ name: 'a', partitionCount: 1 }]);
      member.send({ case: 'goodbye', value: {} });
      await member.fenced();
      const again = new TestClient(service);
      again.hello(broker({ incarnationId: uuid(4) }), hasJoined ? { clusterId } : {});
      await again.welcome();
      expect([...again.partitions.values()].map((partition) => partition.leader)).toEqual([leader]);
    }
  });

  test('a doubtful replica is not trusted, and its partition has no leader', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const [result] = await member.createTopics([{ name: 'a', partitionCount: 2 }]);
    const doubtfulReplicas = [{ topicId: result!.topic!.id, partition: 1, reason: DoubtReason.DAMAGED }];
    const run = { incarnationId: uuid(5), registeredIncarnationId: uuid(2) };
    const again = new TestClient(service).hello(broker({ ...run, doubtfulReplicas }));
    await again.welcome();
    expect([...again.partitions.values()].map(({ leader }) => leader)).toEqual([1, -1]);
  });

  test('what a client may not say is refused by name', async () => {
    const { service } = await startCoordinator();
    const say = async (member: object, options = {}) =>
      (await new TestClient(service).hello(member, options).fenced()).code;
    expect(await say(observer, { clusterId: 'another' })).toBe('INCONSISTENT_CLUSTER_ID');
    expect(await say({ case: undefined })).toBe('INVALID_REQUEST');
    expect(await say(broker({ brokerId: -1 }))).toBe('INVALID_REQUEST');
    expect(await say(broker({ directoryId: new Uint8Array(3) }))).toBe('INVALID_REQUEST');
    expect(await say(broker({ registeredIncarnationId: new Uint8Array(3) }))).toBe('INVALID_REQUEST');
    expect(await say(broker({ grpcAddress: 'nowhere' }))).toBe('INVALID_REQUEST');
    const twice = new TestClient(service).hello(observer);
    await twice.welcome();
    twice.send({ case: 'hello', value: { member: observer } });
    expect((await twice.fenced()).code).toBe('INVALID_REQUEST');
  });
});
