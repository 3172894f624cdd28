import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, expect, test, vi } from 'vitest';
import { errorCodeOf } from '@weir/base/errors.ts';
import { resolveOptions } from '@weir/base/options.ts';
import { onStream } from '@weir/base/transport.ts';
import type { Connection, Listener, Stream, TransportFailure } from '@weir/base/transport.ts';
import {
  Acks,
  BrokerService,
  FetchRequestSchema,
  ListOffsetsRequestSchema,
  ProduceRequestSchema,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import type {
  FetchRequest,
  FetchResponse,
  ProduceRequest,
  ProduceResponse,
  ProduceResult,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import { CoordinatorService, SessionResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  BrokerRegistration,
  SessionRequest,
  SessionResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { temporaryDirectory, testWorld } from '@weir/runtime/test-world.ts';
import type { Service } from '@weir/runtime/world.ts';
import { brokerOptions } from './options.ts';
import { start } from './start.ts';
import { batchOf, changesOf, epochOf, TOPIC_ID_BYTES } from './test-broker.ts';
import type { TestTopic } from './test-broker.ts';

const CLUSTER = 'c0ffee00-0000-4000-8000-000000000000';
const cleanUps: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** A coordinator that welcomes every broker and has one topic. */
class StubCoordinator {
  readonly registrations: BrokerRegistration[] = [];
  topic: TestTopic;
  clusterId = CLUSTER;
  #listener: Listener | undefined;

  constructor(topic: TestTopic) {
    this.topic = topic;
  }

  get address(): string {
    return this.#listener!.address;
  }

  async start(): Promise<this> {
    const method = protobufMethod(CoordinatorService.method.session);
    const handler = onStream<SessionRequest, SessionResponse>(method, (stream) => ({
      message: ({ request }) => this.#answer(stream, request),
      drained: () => {},
      closed: () => {},
    }));
    this.#listener = await testWorld().transport.listen('127.0.0.1:0', [handler]);
    cleanUps.push(() => this.#listener!.close(0));
    return this;
  }

  #answer(stream: Stream<SessionResponse>, request: SessionRequest['request']): void {
    const say = (response: MessageInitShape<typeof SessionResponseSchema>['response']): void => {
      stream.send(create(SessionResponseSchema, { response: response! }));
    };
    if (request.case === 'heartbeat') {
      say({ case: 'heartbeatAnswer', value: { sequence: request.value.sequence, revision: 1n } });
    }
    if (request.case !== 'hello' || request.value.member.case !== 'broker') return;
    this.registrations.push(request.value.member.value);
    const { clusterId } = this;
    if (request.value.clusterId !== '' && request.value.clusterId !== clusterId) {
      say({ case: 'fenced', value: { code: 'INCONSISTENT_CLUSTER_ID', message: 'another cluster' } });
      return;
    }
    const brokerEpoch = BigInt(epochOf(1));
    say({ case: 'welcome', value: { clusterId, sessionId: 's', sessionTimeoutMs: 6_000, brokerEpoch } });
    say({ case: 'snapshotPage', value: { revision: brokerEpoch, changes: changesOf(this.topic), last: true } });
  }
}

async function startBroker(
  coordinator: StubCoordinator,
  dataDir: string,
  options: Record<string, unknown> = {},
  world = testWorld(),
): Promise<Service> {
  const values = {
    'data-dir': dataDir,
    coordinators: coordinator.address,
    'grpc-listen': '127.0.0.1:0',
    'kafka-listen': '127.0.0.1:0',
    'replication-listen': '127.0.0.1:0',
    ...options,
  };
  const resolved = resolveOptions(brokerOptions, [{ label: (name) => `--${name}`, values }]);
  if (!resolved.ok) throw new Error(resolved.problems.join('; '));
  const service = await start(resolved.values, world);
  cleanUps.push(() => service.stop());
  return service;
}

async function startReady(...parameters: Parameters<typeof startBroker>): Promise<Service> {
  const service = await startBroker(...parameters);
  await vi.waitFor(() => expect(service.notReady()).toBeUndefined(), { timeout: 10_000, interval: 5 });
  return service;
}

/** A client without any of the client package's cleverness. */
class BareClient {
  readonly connection: Connection;
  readonly results = new Map<bigint, ProduceResult>();
  readonly frames: FetchResponse[] = [];
  window = 0n;
  produceFailure: TransportFailure | 'ended' | undefined;
  fetchEnded = false;
  readonly #produce: Stream<ProduceRequest>;
  readonly #fetch: Stream<FetchRequest>;
  #ids = 0n;

  constructor(service: Service) {
    this.connection = testWorld().transport.connect(service.addresses['grpc']!);
    cleanUps.push(() => this.connection.close());
    this.#produce = this.connection.open<ProduceRequest, ProduceResponse>(
      protobufMethod(BrokerService.method.produce),
      {
        message: ({ response }) => {
          if (response.case === 'window') this.window = response.value.bytes;
          else if (response.case === 'result') this.results.set(response.value.id, response.value);
        },
        drained: () => {},
        closed: (failure) => void (this.produceFailure = failure ?? 'ended'),
      },
    );
    this.#fetch = this.connection.open<FetchRequest, FetchResponse>(protobufMethod(BrokerService.method.fetch), {
      message: (frame) => void this.frames.push(frame),
      drained: () => {},
      closed: () => void (this.fetchEnded = true),
    });
  }

  send(batches: Buffer[], options: { partition?: number; acks?: Acks; traceparent?: string } = {}): bigint {
    const id = ++this.#ids;
    const { partition = 0, acks = Acks.ALL, traceparent = '' } = options;
    const request = batches.map((records) => ({ topicId: TOPIC_ID_BYTES, partition, leaderEpoch: -1, records }));
    this.#produce.send(create(ProduceRequestSchema, { id, acks, traceparent, batches: request }));
    return id;
  }

  /** The answer's offsets, error codes where there is none. */
  async answer(id: bigint): Promise<(number | string)[]> {
    const result = await vi.waitUntil(() => this.results.get(id), { timeout: 10_000, interval: 2 });
    return result.results.map(({ errorCode, baseOffset }) =>
      errorCode === 0 ? Number(baseOffset) : errorCodeOf(errorCode),
    );
  }

  subscribe(offset: number, subscription = 1n): void {
    const value = {
      subscription,
      topicId: TOPIC_ID_BYTES,
      leaderEpoch: -1,
      offset: BigInt(offset),
      creditBytes: 1n << 40n,
    };
    this.#fetch.send(create(FetchRequestSchema, { request: { case: 'subscribe', value } }));
  }

  async recordBytes(bytes: number): Promise<Buffer> {
    const all = (): Buffer => Buffer.concat(this.frames.map(({ records }) => records));
    await vi.waitUntil(() => all().length >= bytes, { timeout: 10_000, interval: 2 });
    return all();
  }

  async listOffsets(timestamps: number[]): Promise<[number, number][]> {
    const partitions = timestamps.map((timestamp) => ({
      topicId: TOPIC_ID_BYTES,
      leaderEpoch: -1,
      timestamp: BigInt(timestamp),
    }));
    const method = protobufMethod(BrokerService.method.listOffsets);
    const request = create(ListOffsetsRequestSchema, { partitions });
    const response = await this.connection.call(method, request, { deadlineMs: 5_000 });
    return response.results.map(({ offset, timestamp }) => [Number(offset), Number(timestamp)]);
  }
}

const ONE_PARTITION: TestTopic = { partitions: [{ leader: 1, epoch: 0 }] };

test('records go in and come out over gRPC, byte for byte but for offset and epoch, and survive a restart', async () => {
  const coordinator = await new StubCoordinator(ONE_PARTITION).start();
  const dataDir = temporaryDirectory();
  const service = await startReady(coordinator, dataDir);
  const client = new BareClient(service);
  const batches = [batchOf(3, 'one', 1_000), batchOf(2, 'two', 2_000), batchOf(1, 'three', 3_000)];
  expect(await client.answer(client.send(batches.slice(0, 2)))).toEqual([0, 3]);
  expect(await client.answer(client.send(batches.slice(2), { acks: Acks.LEADER }))).toEqual([5]);
  expect(client.window).toBeGreaterThan(0n);
  const bytes = batches.reduce((sum, { length }) => sum + length, 0);
  client.subscribe(0);
  const read = await client.recordBytes(bytes);
  // Past base offset (8), length (4) and epoch (4) nothing has changed.
  expect(read.subarray(16, batches[0]!.length).equals(batches[0]!.subarray(16))).toBe(true);
  expect(await client.listOffsets([-1, -2, 2_001, 2_500, 9_000])).toEqual([
    [6, -1],
    [0, -1],
    [4, 2_001],
    [5, 3_000],
    [-1, -1],
  ]);
  await service.stop();
  await vi.waitUntil(() => client.fetchEnded && client.produceFailure !== undefined, { timeout: 5_000 });
  expect(errorCodeOf(client.frames.at(-1)!.errorCode)).toBe('SHUTTING_DOWN');

  coordinator.topic = { partitions: [{ leader: 1, epoch: 1 }] };
  const again = new BareClient(await startReady(coordinator, dataDir));
  again.subscribe(0);
  expect((await again.recordBytes(bytes)).equals(read)).toBe(true);
  expect(await again.answer(again.send([batchOf(1)]))).toEqual([6]);
  expect(coordinator.registrations.map(({ directoryId }) => Buffer.from(directoryId).toString('hex'))).toHaveLength(2);
  expect(coordinator.registrations[0]!.directoryId).toEqual(coordinator.registrations[1]!.directoryId);
  expect(coordinator.registrations[0]!.incarnationId).not.toEqual(coordinator.registrations[1]!.incarnationId);
  expect(coordinator.registrations[1]!.doubtfulReplicas).toEqual([]);
});

test('each batch of a request is answered on its own, good or bad', async () => {
  const coordinator = await new StubCoordinator(ONE_PARTITION).start();
  const client = new BareClient(await startReady(coordinator, temporaryDirectory()));
  const corrupt = batchOf(1);
  corrupt[20]! ^= 1;
  const answer = await client.answer(client.send([batchOf(1), corrupt, Buffer.from('junk'), batchOf(2)]));
  expect(answer).toEqual([0, 'CORRUPT_MESSAGE', 'INVALID_RECORD', 1]);
  expect(await client.answer(client.send([batchOf(1)], { partition: 7 }))).toEqual(['UNKNOWN_TOPIC_OR_PARTITION']);
  expect(await client.answer(client.send([batchOf(1)], { acks: Acks.UNSPECIFIED }))).toEqual(['INVALID_REQUEST']);
  expect(await client.answer(client.send([]))).toEqual([]);
});

test('a broker that never registered is not ready and says why; with another cluster it gives up', async () => {
  const coordinator = await new StubCoordinator(ONE_PARTITION).start();
  const dataDir = temporaryDirectory();
  const service = await startReady(coordinator, dataDir);
  await service.stop();
  expect(service.notReady()).toBe('stopping');
  coordinator.clusterId = 'other';
  const fatal: Error[] = [];
  const world = testWorld({ fatal: (error) => void fatal.push(error) });
  const stranger = await startBroker(coordinator, dataDir, {}, world);
  expect(stranger.notReady()).toContain('not registered');
  await vi.waitUntil(() => fatal.length > 0, { timeout: 5_000 });
  expect(fatal[0]!.message).toContain('INCONSISTENT_CLUSTER_ID');
});

test('bad starts are refused with a message that names the option or the directory', async () => {
  const coordinator = await new StubCoordinator(ONE_PARTITION).start();
  const dataDir = temporaryDirectory();
  const refused = (options: Record<string, unknown>) => startBroker(coordinator, dataDir, options);
  await expect(refused({ 'grpc-listen': '10.0.0.1:0' })).rejects.toThrow('--insecure');
  await expect(refused({ 'grpc-listen': '0.0.0.0:0', insecure: true })).rejects.toThrow('--grpc-advertise');
  const service = await startReady(coordinator, dataDir);
  await expect(refused({})).rejects.toThrow('in use');
  await service.stop();
  await expect(refused({ id: 2 })).rejects.toThrow('belongs to broker 1, this is broker 2');
});

test('the metrics tell what went in and out, per topic', async () => {
  const coordinator = await new StubCoordinator(ONE_PARTITION).start();
  const world = testWorld();
  const client = new BareClient(await startReady(coordinator, temporaryDirectory(), {}, world));
  const batch = batchOf(2);
  await client.answer(client.send([batch, Buffer.from('junk')]));
  client.subscribe(0);
  await client.recordBytes(batch.length);
  const text = await world.registry.metrics();
  expect(text).toContain(`weir_broker_bytes_in_total{topic="orders"} ${batch.length}`);
  expect(text).toContain('weir_broker_batches_in_total{topic="orders"} 1');
  expect(text).toContain(`weir_broker_bytes_out_total{topic="orders"} ${batch.length}`);
  expect(text).toContain('weir_broker_refused_batches_total{code="INVALID_RECORD"} 1');
  expect(text).toContain('weir_broker_partitions{state="leader"} 1');
  expect(text).toContain('weir_broker_append_seconds_count 1');
  expect(text).toContain('weir_broker_sync_seconds_count 1');
});
