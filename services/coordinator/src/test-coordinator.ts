import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, vi } from 'vitest';
import { resolveOptions } from '@weir/base/options.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import {
  AllocateProducerIdsRequestSchema,
  AlterConfigsRequestSchema,
  CoordinatorService,
  CreatePartitionsRequestSchema,
  CreateTopicsRequestSchema,
  DeleteTopicsRequestSchema,
  DescribeTopicIdsRequestSchema,
  SessionRequestSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  BrokerState,
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

/** Starts one on a store of its own, until the test is over. */
export async function startCoordinator(directory = temporaryDirectory(), values: Record<string, unknown> = {}) {
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
export class TestClient {
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

/** A UUID made of a digit. */
export const uuid = (digit: number): Uint8Array =>
  uuidToBytes(`${String(digit).repeat(8)}-1111-4111-8111-111111111111`);
/** Who a hello says it is: a client that reads. */
export const observer = { case: 'observer', value: { name: 'test' } };
/** The same: a broker that registers. */
export const broker = (values: object = {}) => ({
  case: 'broker',
  value: {
    brokerId: 1,
    directoryId: uuid(1),
    incarnationId: uuid(2),
    grpcAddress: '127.0.0.1:7071',
    ...values,
  },
});
