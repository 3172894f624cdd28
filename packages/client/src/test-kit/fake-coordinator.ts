import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { onCall, onStream } from '@weir/base/transport.ts';
import type { Handler, Stream } from '@weir/base/transport.ts';
import {
  AlterConfigsResponseSchema,
  BrokerState,
  CoordinatorService,
  CreatePartitionsResponseSchema,
  CreateTopicsResponseSchema,
  DeleteTopicsResponseSchema,
  SessionResponseSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
  ChangeSchema,
  CreatePartitionsRequest,
  CreatePartitionsResponse,
  CreateTopicsRequest,
  CreateTopicsResponse,
  DeleteTopicsRequest,
  DeleteTopicsResponse,
  Hello,
  SessionRequest,
  SessionResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';

type ChangeInit = NonNullable<MessageInitShape<typeof ChangeSchema>['change']>;
type ResponseInit = NonNullable<MessageInitShape<typeof SessionResponseSchema>['response']>;

/** A topic's id in tests: its number in all 16 bytes. */
export function testTopicId(number: number): Uint8Array {
  return new Uint8Array(16).fill(number);
}

/** Says what a test wants it to say: welcomes, tells its image, answers heartbeats, creates topics on request. */
export class FakeCoordinator {
  readonly hellos: Hello[] = [];
  readonly deletions: DeleteTopicsRequest[] = [];
  readonly growths: CreatePartitionsRequest[] = [];
  readonly alterations: AlterConfigsRequest[] = [];
  /** The heartbeats that came, answered or not. */
  heartbeats = 0;
  answersHeartbeats = true;
  answersHellos = true;
  /** Refuses every hello with it. */
  refuses: { readonly code: string; readonly message: string; readonly activeAddress?: string } | undefined;
  sessionTimeoutMs = 6_000;
  revision = 1;
  autoCreates = true;
  sessionId = 'session-1';
  readonly streams = new Set<Stream<SessionResponse>>();
  readonly #changes = new Map<string, ChangeInit>();
  #topics = 0;

  readonly handlers: readonly Handler[] = [
    onStream(protobufMethod(CoordinatorService.method.session), (stream) => {
      this.streams.add(stream);
      return {
        message: (request) => this.#receive(stream, request),
        drained: () => {},
        closed: () => void this.streams.delete(stream),
      };
    }),
    onCall(protobufMethod(CoordinatorService.method.createTopics), (request) => this.#create(request)),
    onCall(protobufMethod(CoordinatorService.method.createPartitions), (request) => this.#grow(request)),
    onCall(protobufMethod(CoordinatorService.method.alterConfigs), (request) => this.#alter(request)),
    onCall(protobufMethod(CoordinatorService.method.deleteTopics), (request) => this.#delete(request)),
  ];

  send(response: ResponseInit): void {
    for (const stream of this.streams) stream.send(create(SessionResponseSchema, { response }));
  }

  /** One transaction's changes, told to everybody and kept for later snapshots. */
  change(...changes: ChangeInit[]): void {
    for (const change of changes) this.#changes.set(keyOf(change), change);
    this.send({
      case: 'delta',
      value: { revision: BigInt(++this.revision), changes: changes.map((change) => ({ change })) },
    });
  }

  broker(id: number, grpcAddress: string, active = true): void {
    const state = active ? BrokerState.ACTIVE : BrokerState.FENCED;
    this.change({ case: 'broker', value: { id, grpcAddress, state, epoch: BigInt(this.revision) } });
  }

  /** Makes a topic whose partitions are led by the brokers in turn; tells its id. */
  topic(name: string, leaders: readonly number[], configs: Record<string, string> = {}): Uint8Array {
    const id = testTopicId(++this.#topics);
    const partitions = leaders.map((leader, index) => partitionChange(id, index, leader, 0));
    this.change(...partitions, { case: 'topic', value: { name, id, partitionCount: leaders.length, configs } });
    return id;
  }

  /** Deletes a topic, and tells everybody. */
  deleteTopic(name: string): Uint8Array {
    const known = this.#changes.get(`topic ${name}`);
    if (known?.case !== 'topic') throw new Error(`there is no topic ${name}`);
    const id = known.value.id!;
    this.#changes.delete(`topic ${name}`);
    for (const key of this.#changes.keys()) if (key.startsWith(`partition ${id.join()} `)) this.#changes.delete(key);
    const change: ChangeInit = { case: 'deletedTopic', value: { id, name } };
    this.send({ case: 'delta', value: { revision: BigInt(++this.revision), changes: [{ change }] } });
    return id;
  }

  leader(topicId: Uint8Array, index: number, leader: number, leaderEpoch: number): void {
    this.change(partitionChange(topicId, index, leader, leaderEpoch));
  }

  #receive(stream: Stream<SessionResponse>, { request }: SessionRequest): void {
    const say = (response: ResponseInit): boolean => stream.send(create(SessionResponseSchema, { response }));
    if (request.case === 'heartbeat') {
      this.heartbeats++;
      if (!this.answersHeartbeats) return;
      say({ case: 'heartbeatAnswer', value: { sequence: request.value.sequence, revision: BigInt(this.revision) } });
      return;
    }
    if (request.case !== 'hello') return;
    this.hellos.push(request.value);
    if (!this.answersHellos) return;
    if (this.refuses !== undefined) {
      say({ case: 'fenced', value: this.refuses });
      stream.end();
      return;
    }
    const isBroker = request.value.member.case === 'broker';
    const { sessionTimeoutMs, sessionId } = this;
    const brokerEpoch = isBroker ? BigInt(this.revision) : 0n;
    say({ case: 'welcome', value: { clusterId: 'cluster-1', sessionId, sessionTimeoutMs, brokerEpoch } });
    const changes = [...this.#changes.values()].map((change) => ({ change }));
    say({ case: 'snapshotPage', value: { revision: BigInt(this.revision), changes, last: true } });
  }

  async #create(request: CreateTopicsRequest): Promise<CreateTopicsResponse> {
    const results = request.topics.map(({ name, partitionCount }) => {
      if (request.autoCreate && !this.autoCreates) {
        return { name, code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `there is no topic "${name}"` };
      }
      if (this.#changes.has(`topic ${name}`)) {
        return { name, code: 'TOPIC_ALREADY_EXISTS', message: `there is a topic "${name}" already` };
      }
      this.topic(
        name,
        Array.from({ length: partitionCount || 1 }, () => 1),
      );
      return { name, code: 'NONE', revision: BigInt(this.revision) };
    });
    return create(CreateTopicsResponseSchema, { results });
  }

  /** Refuses every other one; what is done is told a moment later. */
  async #grow(request: CreatePartitionsRequest): Promise<CreatePartitionsResponse> {
    this.growths.push(request);
    const results = request.topics.map(({ name }, i) => this.#everyOther(i, { name }));
    return create(CreatePartitionsResponseSchema, { results });
  }

  async #alter(request: AlterConfigsRequest): Promise<AlterConfigsResponse> {
    this.alterations.push(request);
    const results = request.resources.map(({ type, name }, i) => this.#everyOther(i, { type, name }));
    return create(AlterConfigsResponseSchema, { results });
  }

  #everyOther<T>(i: number, one: T): T & { code: string; message: string; revision: bigint } {
    if (i % 2 === 1) return { ...one, code: 'INVALID_REQUEST', message: 'every other one is refused', revision: 0n };
    return { ...one, code: 'NONE', message: '', revision: BigInt(this.revision + 1) };
  }

  async #delete(request: DeleteTopicsRequest): Promise<DeleteTopicsResponse> {
    this.deletions.push(request);
    const results = request.topics.map(({ name }) => {
      if (!this.#changes.has(`topic ${name}`)) {
        return { name, code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `there is no topic ${name}` };
      }
      const topicId = this.deleteTopic(name);
      return { name, code: 'NONE', topicId, revision: BigInt(this.revision) };
    });
    return create(DeleteTopicsResponseSchema, { results });
  }
}

function partitionChange(topicId: Uint8Array, index: number, leader: number, leaderEpoch: number): ChangeInit {
  return {
    case: 'partition',
    value: { topicId, index, leader, leaderEpoch, replicas: [leader], isr: [leader], partitionEpoch: leaderEpoch },
  };
}

function keyOf(change: ChangeInit): string {
  switch (change.case) {
    case 'broker':
      return `broker ${change.value.id}`;
    case 'topic':
      return `topic ${change.value.name}`;
    case 'partition':
      return `partition ${change.value.topicId!.join()} ${change.value.index}`;
    default:
      return '';
  }
}
