import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { resolveOptions } from '@weir/base/options.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import { SESSION_REATTACH_MS, SESSION_TIMEOUT_MS, TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  AllocateProducerIdsRequestSchema,
  AlterConfigsRequestSchema,
  BrokerState,
  ConfigOperationKind,
  ConfigResourceType,
  CoordinatorService,
  CreatePartitionsRequestSchema,
  CreateTopicsRequestSchema,
  DeleteTopicsRequestSchema,
  DescribeTopicIdsRequestSchema,
  DoubtReason,
  SessionRequestSchema,
  TopicIdState,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  ConfigAlterationSchema,
  NewPartitionsSchema,
  NewTopicSchema,
  Partition,
  SessionResponse,
  TopicToDeleteSchema,
  Welcome,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { temporaryDirectory, testWorld } from '@weir/runtime/test-world.ts';
import type { Service } from '@weir/runtime/world.ts';
import type { Connection, Stream, TransportFailure } from '@weir/base/transport.ts';
import { coordinatorOptions } from './options.ts';
import { start } from './start.ts';

const session = protobufMethod(CoordinatorService.method.session);
const createTopicsMethod = protobufMethod(CoordinatorService.method.createTopics);
const deleteTopicsMethod = protobufMethod(CoordinatorService.method.deleteTopics);
const createPartitionsMethod = protobufMethod(CoordinatorService.method.createPartitions);
const alterConfigsMethod = protobufMethod(CoordinatorService.method.alterConfigs);
const allocateProducerIdsMethod = protobufMethod(CoordinatorService.method.allocateProducerIds);
const describeTopicIdsMethod = protobufMethod(CoordinatorService.method.describeTopicIds);
const cleanUps: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

function optionsWith(values: Record<string, unknown>) {
  const resolved = resolveOptions(coordinatorOptions, [{ label: (name) => `--${name}`, values }]);
  if (!resolved.ok) throw new Error(resolved.problems.join('; '));
  return resolved.values;
}

async function startCoordinator(directory = temporaryDirectory(), values: Record<string, unknown> = {}) {
  const world = testWorld();
  const store = `sqlite:${join(directory, 'metadata.db')}`;
  const options = optionsWith({ 'grpc-listen': '127.0.0.1:0', 'ops-listen': '127.0.0.1:0', store, ...values });
  const service = await start(options, world);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (!stopped) await service.stop();
    stopped = true;
  };
  cleanUps.push(stop);
  return { directory, world, service, stop };
}

/** A client of the session stream that remembers what it was told. */
class TestClient {
  readonly responses: SessionResponse['response'][] = [];
  readonly partitions = new Map<string, Partition>();
  readonly brokers = new Map<number, { state: BrokerState; epoch: bigint }>();
  readonly topics = new Set<string>();
  readonly brokerConfigs = new Map<string, { configs: object; staticConfigs: object }>();
  closed: { failure: TransportFailure | undefined } | undefined;
  readonly connection: Connection;
  #stream: Stream<unknown> | undefined;

  constructor(service: Service) {
    this.connection = testWorld().transport.connect(service.addresses['grpc']!);
    cleanUps.push(() => this.connection.close());
  }

  hello(member: object, { sessionId = '', clusterId = '' } = {}): this {
    this.responses.length = 0;
    this.closed = undefined;
    this.#stream = this.connection.open(session, {
      message: (response: SessionResponse) => this.#take(response.response),
      drained() {},
      closed: (failure) => void (this.closed = { failure }),
    }) as Stream<unknown>;
    this.send({ case: 'hello', value: { clusterId, sessionId, member } });
    return this;
  }

  send(request: object): void {
    this.#stream!.send(create(SessionRequestSchema, { request } as never));
  }

  /** Cuts the connection, as a process does that is killed. */
  cut(): void {
    this.#stream!.abort({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'cut' });
  }

  async welcome(): Promise<Welcome> {
    const found = await this.until((response) => response.case === 'snapshotPage' || response.case === 'fenced');
    if (found.case === 'fenced') throw new Error(found.value.code);
    const first = this.responses[0]!;
    if (first.case !== 'welcome') throw new Error(`first comes ${first.case}`);
    return first.value;
  }

  async fenced(): Promise<{ code: string; message: string }> {
    const found = await this.until((response) => response.case === 'fenced');
    return found.value as { code: string; message: string };
  }

  async until(matches: (response: SessionResponse['response']) => boolean, timeoutMs = 10_000) {
    await vi.waitUntil(() => this.responses.some(matches), { interval: 5, timeout: timeoutMs });
    return this.responses.find(matches)!;
  }

  async createTopics(topics: MessageInitShape<typeof NewTopicSchema>[], options: object = {}) {
    const request = create(CreateTopicsRequestSchema, { topics, ...options });
    return (await this.connection.call(createTopicsMethod, request, { deadlineMs: 10_000 })).results;
  }

  async deleteTopics(topics: MessageInitShape<typeof TopicToDeleteSchema>[]) {
    const request = create(DeleteTopicsRequestSchema, { topics });
    return (await this.connection.call(deleteTopicsMethod, request, { deadlineMs: 10_000 })).results;
  }

  async createPartitions(topics: MessageInitShape<typeof NewPartitionsSchema>[], validateOnly = false) {
    const request = create(CreatePartitionsRequestSchema, { topics, validateOnly });
    return (await this.connection.call(createPartitionsMethod, request, { deadlineMs: 10_000 })).results;
  }

  async alterConfigs(resources: MessageInitShape<typeof ConfigAlterationSchema>[], client = '') {
    const request = create(AlterConfigsRequestSchema, { resources, client });
    return (await this.connection.call(alterConfigsMethod, request, { deadlineMs: 10_000 })).results;
  }

  allocateProducerIds(brokerId: number, brokerEpoch: bigint) {
    const request = create(AllocateProducerIdsRequestSchema, { brokerId, brokerEpoch });
    return this.connection.call(allocateProducerIdsMethod, request, { deadlineMs: 10_000 });
  }

  async describeTopicIds(...topicIds: Uint8Array[]) {
    const request = create(DescribeTopicIdsRequestSchema, { topicIds });
    return (await this.connection.call(describeTopicIdsMethod, request, { deadlineMs: 10_000 })).states;
  }

  #take(response: SessionResponse['response']): void {
    this.responses.push(response);
    if (response.case !== 'snapshotPage' && response.case !== 'delta') return;
    for (const { change } of response.value.changes) {
      if (change.case === 'broker') this.brokers.set(change.value.id, change.value);
      if (change.case === 'brokerConfigs') this.brokerConfigs.set(change.value.name, change.value);
      if (change.case === 'topic') this.topics.add(change.value.name);
      if (change.case === 'deletedTopic') this.topics.delete(change.value.name);
      if (change.case === 'partition') {
        this.partitions.set(`${Buffer.from(change.value.topicId).toString('hex')}/${change.value.index}`, change.value);
      }
    }
  }
}

const uuid = (digit: number): Uint8Array => uuidToBytes(`${String(digit).repeat(8)}-1111-4111-8111-111111111111`);
const observer = { case: 'observer', value: { name: 'test' } };
const broker = (values: object = {}) => ({
  case: 'broker',
  value: {
    brokerId: 1,
    directoryId: uuid(1),
    incarnationId: uuid(2),
    grpcAddress: '127.0.0.1:7071',
    ...values,
  },
});

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
    expect([...follower.partitions.values()].map(({ leader, isr }) => [leader, isr])).toEqual(
      Array.from({ length: 3 }, () => [1, [1]]),
    );
  });

  test('followers are told where Kafka clients reach a broker, in deltas and in snapshots', async () => {
    const { service } = await startCoordinator();
    const follower = new TestClient(service).hello(observer);
    await follower.welcome();
    await new TestClient(service).hello(broker({ kafkaAddress: 'broker-1:9092' })).welcome();
    await expect.poll(() => follower.brokers.get(1)).toMatchObject({ kafkaAddress: 'broker-1:9092' });
    const later = new TestClient(service).hello(observer);
    await later.welcome();
    expect(later.brokers.get(1)).toMatchObject({ kafkaAddress: 'broker-1:9092' });
  });

  test('a broker that registers an address that is none is refused', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker({ kafkaAddress: 'nonsense' }));
    expect(await member.fenced()).toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('Kafka address "nonsense"'),
    });
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
    const second = new TestClient(service).hello(broker({ incarnationId: uuid(4) }));
    await second.welcome();
    expect(await first.fenced()).toMatchObject({ code: 'SESSION_EXPIRED' });
    await expect.poll(() => first.closed).toBeDefined();
  });

  test('a doubtful replica is not trusted, and its partition has no leader', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const [result] = await member.createTopics([{ name: 'a', partitionCount: 2 }]);
    const doubtfulReplicas = [{ topicId: result!.topic!.id, partition: 1, reason: DoubtReason.DAMAGED }];
    const again = new TestClient(service).hello(broker({ incarnationId: uuid(5), doubtfulReplicas }));
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
    expect(await say(broker({ grpcAddress: 'nowhere' }))).toBe('INVALID_REQUEST');
    const twice = new TestClient(service).hello(observer);
    await twice.welcome();
    twice.send({ case: 'hello', value: { member: observer } });
    expect((await twice.fenced()).code).toBe('INVALID_REQUEST');
  });
});

describe('a coordinator', () => {
  test('restarting loses nothing: cluster, topics, sessions and leaders stay', async () => {
    const first = await startCoordinator();
    const member = new TestClient(first.service).hello(broker());
    const before = await member.welcome();
    await member.createTopics([{ name: 'a', partitionCount: 300 }]);
    await first.stop();
    await expect.poll(() => member.closed?.failure).toMatchObject({ code: 'SHUTTING_DOWN' });
    const second = await startCoordinator(first.directory);
    const again = new TestClient(second.service).hello(broker(), before);
    expect(await again.welcome()).toMatchObject({
      clusterId: before.clusterId,
      sessionId: before.sessionId,
      brokerEpoch: before.brokerEpoch,
    });
    expect(again.partitions.size).toBe(300);
    expect([...again.partitions.values()].every(({ leader, leaderEpoch }) => leader === 1 && leaderEpoch === 0)).toBe(
      true,
    );
  });

  test('a second one on the same store is refused, and so is a listener off loopback', async () => {
    const { directory } = await startCoordinator();
    await expect(startCoordinator(directory)).rejects.toThrow('is in use by another process');
    await expect(startCoordinator(undefined, { 'grpc-listen': '0.0.0.0:0' })).rejects.toThrow('--insecure');
  });

  test('a taken port is named, and the store is free again', async () => {
    const { service } = await startCoordinator();
    const directory = temporaryDirectory();
    const taken = service.addresses['grpc']!;
    await expect(startCoordinator(directory, { 'grpc-listen': taken })).rejects.toThrow(taken);
    await startCoordinator(directory);
  });

  test('too many topics in one request are refused as a whole', async () => {
    const { service } = await startCoordinator();
    const client = new TestClient(service);
    const topics = Array.from({ length: TOPICS_PER_REQUEST_MAX + 1 }, () => ({ name: 'a' }));
    await expect(client.createTopics(topics)).rejects.toMatchObject({ failure: { code: 'INVALID_REQUEST' } });
  });

  test('a deleted topic is told to followers, and that it was deleted to whoever asks, after a restart as well', async () => {
    const { service, directory, stop } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const [kept, gone] = await member.createTopics([{ name: 'kept' }, { name: 'gone', partitionCount: 200 }]);
    const ids = [kept!.topic!.id, gone!.topic!.id, uuid(9)] as const;
    const { EXISTS, DELETED, UNKNOWN } = TopicIdState;
    expect(await member.describeTopicIds(...ids)).toEqual([EXISTS, EXISTS, UNKNOWN]);
    const [result, refused] = await member.deleteTopics([{ name: 'gone' }, { name: 'nope' }]);
    expect(result).toMatchObject({ name: 'gone', code: 'NONE', topicId: ids[1] });
    expect(refused).toMatchObject({ name: 'nope', code: 'UNKNOWN_TOPIC_OR_PARTITION', revision: 0n });
    await expect.poll(() => [...member.topics]).toEqual(['kept']);
    expect(await member.describeTopicIds(...ids)).toEqual([EXISTS, DELETED, UNKNOWN]);
    await expect(member.describeTopicIds(new Uint8Array(3))).rejects.toMatchObject({
      failure: { code: 'INVALID_REQUEST' },
    });
    await stop();
    const again = new TestClient((await startCoordinator(directory)).service);
    expect(await again.describeTopicIds(...ids)).toEqual([EXISTS, DELETED, UNKNOWN]);
  });

  test('ten thousand partitions are created within a call, and deleted within another', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const [result] = await member.createTopics([{ name: 'big', partitionCount: 10_000 }]);
    expect(result).toMatchObject({ code: 'NONE' });
    await expect.poll(() => member.topics.has('big')).toBe(true);
    expect(member.partitions.size).toBe(10_000);
    expect(await member.deleteTopics([{ name: 'big' }])).toMatchObject([{ code: 'NONE' }]);
  });
});

describe('administration', () => {
  test('a topic gets more partitions, and followers hear of them', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    await member.createTopics([{ name: 'a', assignments: [{ partition: 0, brokerIds: [1] }] }]);
    const results = await member.createPartitions([
      { name: 'a', totalCount: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] },
      { name: 'b', totalCount: 3 },
    ]);
    expect(results).toMatchObject([
      { name: 'a', code: 'NONE', partitionCount: 3 },
      { name: 'b', code: 'UNKNOWN_TOPIC_OR_PARTITION', revision: 0n },
    ]);
    await expect.poll(() => [...member.partitions.values()].map(({ leader }) => leader)).toEqual([1, 1, 1]);
    const [valid] = await member.createPartitions([{ name: 'a', totalCount: 4 }], true);
    expect(valid).toMatchObject({ code: 'NONE', partitionCount: 4, revision: 0n });
    const [unplaced] = await member.createPartitions([
      { name: 'a', totalCount: 4, assignments: [{ brokerIds: [-7] }] },
    ]);
    expect(unplaced).toMatchObject({ code: 'INVALID_REPLICA_ASSIGNMENT' });
  });

  test('what is set of the cluster is told in deltas and snapshots, beside what the coordinator was started with', async () => {
    const directory = temporaryDirectory();
    const { service, stop } = await startCoordinator(directory, { 'default-partitions': 2 });
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const staticConfigs = { 'auto.create.topics.enable': 'false', 'num.partitions': '2' };
    expect(member.brokerConfigs.get('')).toMatchObject({ configs: {}, staticConfigs });
    const operations = [{ name: 'log.retention.ms', kind: ConfigOperationKind.SET, value: '5' }];
    const results = await member.alterConfigs([
      { type: ConfigResourceType.BROKER, name: '', operations },
      { type: ConfigResourceType.TOPIC, name: 'none', operations },
      { type: ConfigResourceType.UNSPECIFIED, name: '1', operations },
    ]);
    expect(results.map(({ type, name, code }) => [type, name, code])).toEqual([
      [ConfigResourceType.BROKER, '', 'NONE'],
      [ConfigResourceType.TOPIC, 'none', 'UNKNOWN_TOPIC_OR_PARTITION'],
      [ConfigResourceType.UNSPECIFIED, '1', 'INVALID_REQUEST'],
    ]);
    const configs = { 'log.retention.ms': '5' };
    await expect.poll(() => member.brokerConfigs.get('')).toMatchObject({ configs, staticConfigs });
    await stop();
    const later = new TestClient((await startCoordinator(directory)).service).hello(observer);
    await later.welcome();
    expect(later.brokerConfigs.get('')).toMatchObject({ configs, staticConfigs: { 'num.partitions': '1' } });
  });

  test('who altered which configs from what to what is a line of the audit log', async () => {
    const { service, world } = await startCoordinator();
    const info = vi.spyOn(world.logger, 'info');
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    await member.createTopics([{ name: 'a', configs: { 'retention.ms': '1', 'segment.ms': '60000' } }]);
    const alter = (value: string, client: string) => {
      const operations = [
        { name: 'retention.ms', kind: ConfigOperationKind.SET, value },
        { name: 'segment.ms', kind: ConfigOperationKind.DELETE },
      ];
      return member.alterConfigs([{ type: ConfigResourceType.TOPIC, name: 'a', operations }], client);
    };
    const [altered] = await alter('2', 'somebody '.repeat(1_000));
    await alter('2', 'nothing changes');
    const lines = info.mock.calls.filter(([facts]) => (facts as { audit?: boolean }).audit === true);
    expect(lines).toEqual([
      [
        {
          audit: true,
          resource: { type: 'topic', name: 'a' },
          configs: { 'retention.ms': { old: '1', new: '2' }, 'segment.ms': { old: '60000', new: null } },
          revision: Number(altered!.revision),
          peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
          client: 'somebody '.repeat(1_000).slice(0, 500),
        },
        'configs of topic "a" were altered: retention.ms from 1 to 2, segment.ms from 60000 to unset',
      ],
    ]);
  });

  test('a broker gets producer ids for its epoch, and others after a restart', async () => {
    const directory = temporaryDirectory();
    const first = await startCoordinator(directory);
    const member = new TestClient(first.service).hello(broker());
    const { brokerEpoch } = await member.welcome();
    expect(await member.allocateProducerIds(1, brokerEpoch)).toMatchObject({ firstId: 0n, count: 1_000 });
    await expect(member.allocateProducerIds(1, brokerEpoch - 1n)).rejects.toMatchObject({
      failure: { code: 'STALE_BROKER_EPOCH' },
    });
    await first.stop();
    const second = await startCoordinator(directory);
    const again = new TestClient(second.service).hello(broker());
    const welcome = await again.welcome();
    expect(await again.allocateProducerIds(1, welcome.brokerEpoch)).toMatchObject({ firstId: 1_000n, count: 1_000 });
  });
});
