import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { assert } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import { OFFSETS_RETENTION_MS } from '@weir/base/group-limits.ts';
import { KAFKA_REQUEST_BYTES_USED_MAX } from '@weir/base/limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import type { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import {
  BrokerState,
  ChangeSchema,
  DeltaSchema,
  SnapshotPageSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { BrokerSchema, Change } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Logger } from '@weir/runtime/world.ts';
import { DiskRoom } from '../disk-room.ts';
import { GroupCoordinator } from '../group/group-coordinator.ts';
import { GroupCounters } from '../group/group-counters.ts';
import { groupOptions } from '../group/group-settings.ts';
import { ColdGate } from '../rpc/cold-gate.ts';
import { changesOf, TestPartitions, TOPIC_ID_BYTES } from '../test-broker.ts';
import type { TestTopic } from '../test-broker.ts';
import { Admin } from './admin.ts';
import { kafkaApis } from './apis.ts';
import { ClusterView } from './cluster-view.ts';
import type { Handler } from './exchange.ts';
import { KafkaFetch } from './fetch.ts';
import { KafkaServer } from './kafka-server.ts';
import { KafkaProduce } from './produce.ts';
import { ProducerIds } from './producer-ids.ts';
import type { KafkaSocket, SocketOwner } from './socket.ts';
import { TestClient, TestSocket } from './test-client.ts';

/** Another topic, which no test has unless it says so. */
export const OTHER_ID_BYTES: Uint8Array = uuidToBytes('0a1b2c3d-0000-4000-8000-000000000002');
/** An id that no topic has. */
export const NO_SUCH_ID_BYTES: Uint8Array = uuidToBytes('0a1b2c3d-0000-4000-8000-00000000ffff');

/** Stands where the session with the coordinator does. What it is called for is answered by the test. */
export class TestCoordinator {
  readonly image = new ClusterImage();
  clusterId = 'test-cluster';
  readonly calls: { readonly method: string; readonly request: any }[] = [];
  answer: (method: string, request: any) => object | Promise<object> = () => {
    throw new WeirError('COORDINATOR_UNAVAILABLE', 'the coordinator is away');
  };

  async call({ path }: { readonly path: string }, request: object): Promise<object> {
    const method = path.slice(path.lastIndexOf('/') + 1);
    this.calls.push({ method, request });
    return await this.answer(method, request);
  }
}

/** How a door is set up; the rest is one topic with a partition that this broker leads, and another broker. */
export interface TestDoorOptions {
  readonly topic?: TestTopic;
  readonly tailCacheBytes?: number;
  readonly appendPendingBytesMax?: number;
  readonly frameBytesMax?: number;
  readonly coldReadsMax?: number;
  /** The coordinator has not been heard of. */
  readonly isToldNothing?: boolean;
  /** Instead of all that are served. */
  readonly handlers?: ReadonlyMap<number, Handler>;
}

const LED: TestTopic = { partitions: [{ leader: 1, epoch: 0 }] };
const MICROTASKS = 30;
const ROUNDS_MAX = 1_000;
/** What requests bring lies in slabs of 1 MiB, and that is what the cache counts. */
const TAIL_CACHE_BYTES = 8 * 1024 * 1024;

/** All that answers Kafka's protocol, on a simulated disk, without a network and with a clock that tests move. */
export class TestDoor {
  readonly broker: TestPartitions;
  readonly coordinator = new TestCoordinator();
  readonly fetch: KafkaFetch;
  readonly produce: KafkaProduce;
  readonly server: KafkaServer;
  readonly cluster: ClusterView;
  readonly room: DiskRoom;
  readonly groups: GroupCoordinator;
  readonly groupCounters = new GroupCounters();
  /** What was logged, level in front. */
  readonly logged: string[] = [];
  /** By API, how many were answered. */
  readonly measured = new Map<string, number>();
  readonly #sockets: TestSocket[] = [];
  readonly #accept = new Map<string, (socket: KafkaSocket) => SocketOwner | undefined>();
  readonly #sweeps: (() => void)[] = [];
  #revision = 0;

  private constructor(options: TestDoorOptions) {
    const broker = new TestPartitions({ tailCacheBytes: TAIL_CACHE_BYTES, ...options }).recover();
    this.broker = broker;
    const { partitions, turn, metrics, slabs, disk } = broker;
    // Nothing sweeps by itself.
    const clock: Clock = {
      monotonicMs: () => broker.clock.monotonicMs(),
      wallMs: () => broker.clock.wallMs(),
      after: (delayMs, callback) => broker.clock.after(delayMs, callback),
      every: (_intervalMs, callback) => {
        this.#sweeps.push(callback);
        return () => this.#sweeps.splice(this.#sweeps.indexOf(callback), 1);
      },
      endOfTurn: (callback) => broker.clock.endOfTurn(callback),
    };
    const session = (): CoordinatorSession => this.coordinator as unknown as CoordinatorSession;
    this.cluster = new ClusterView(
      () => session().image,
      () => session().clusterId,
    );
    const { cluster } = this;
    const admin = new Admin({ clock, session, toTakeUp: () => partitions.toTakeUp });
    const pendingBytesMax = options.appendPendingBytesMax ?? 1024 * 1024;
    this.produce = new KafkaProduce({ partitions, cluster, clock, metrics, slabs, pendingBytesMax });
    const random = seededRandom(3);
    const coldGate = new ColdGate(options.coldReadsMax ?? 16);
    this.fetch = new KafkaFetch({ partitions, cluster, clock, random, turn, metrics, slabs, coldGate });
    const { produce } = this;
    const room = new DiskRoom(disk, clock);
    room.look();
    this.room = room;
    const producerIds = new ProducerIds(admin, () => ({ brokerId: 1, brokerEpoch: 7 }));
    const configs = { cluster, brokerId: 1, statics: { flush: 'commit' } };
    this.groups = new GroupCoordinator({
      clock,
      counters: this.groupCounters,
      logger: this.#logger(),
      turn,
      slabs,
      coldGate,
      partitions,
      image: () => session().image,
      options: groupOptions({ initialRebalanceDelayMs: 0, offsetsRetentionMs: OFFSETS_RETENTION_MS }),
      offsetsRetentionMs: OFFSETS_RETENTION_MS,
    });
    this.server = new KafkaServer({
      clock,
      logger: this.#logger(),
      turn,
      slabs,
      handlers:
        options.handlers ??
        kafkaApis({
          cluster,
          partitions,
          clock,
          admin,
          produce,
          fetch: this.fetch,
          producerIds,
          groups: this.groups,
          random,
          room,
          configs,
          path: '/data',
        }),
      frameBytesMax: options.frameBytesMax ?? KAFKA_REQUEST_BYTES_USED_MAX,
      measure: (api) => this.measured.set(api, (this.measured.get(api) ?? 0) + 1),
      sweep: (nowMs) => produce.sweep(nowMs),
    });
    produce.onRoom = () => this.server.resume();
  }

  static async open(options: TestDoorOptions = {}): Promise<TestDoor> {
    const door = new TestDoor(options);
    const listeners = [
      { name: 'default', address: 'broker-1:9092' },
      { name: 'outside', address: 'broker-1:9093' },
    ];
    await door.server.serve(listeners, async (address, accept) => {
      door.#accept.set(address, accept);
      return { address, close: () => door.#accept.delete(address) };
    });
    if (options.isToldNothing === true) return door;
    const snapshot = [
      brokerOf({ id: 1, kafkaAddress: 'default=broker-1:9092,outside=one.example:19092', rack: 'a' }),
      brokerOf({ id: 2, kafkaAddress: 'default=broker-2:9092,outside=two.example:19092' }),
      ...changesOf(options.topic ?? LED),
    ];
    const revision = BigInt(++door.#revision);
    const page = create(SnapshotPageSchema, { revision, changes: snapshot, last: true });
    const applied = door.coordinator.image.applyPage(page);
    assert(applied.kind === 'applied', 'a snapshot is applied');
    door.broker.partitions.apply(door.coordinator.image, applied.changes);
    await door.settle();
    return door;
  }

  /** What the coordinator tells. */
  apply(...changes: Change[]): void {
    const { image } = this.coordinator;
    const applied = image.applyDelta(create(DeltaSchema, { revision: BigInt(++this.#revision), changes }));
    assert(applied.kind === 'applied', 'a delta is applied');
    this.broker.partitions.apply(image, applied.changes);
    this.groups.look();
    for (const change of applied.changes) if (change.kind === 'topicDeleted') this.groups.topicDeleted(change.name);
  }

  get revision(): number {
    return this.#revision;
  }

  /** A client that came by a listener. */
  connect({ port = 9092, host = '10.0.0.1' } = {}): TestClient {
    const socket = new TestSocket(host);
    const owner = this.#accept.get(`broker-1:${port}`)?.(socket);
    if (owner === undefined) {
      socket.destroy();
    } else {
      socket.start(owner);
      this.#sockets.push(socket);
    }
    return new TestClient(socket, () => this.settle());
  }

  /** Lets happen whatever happens by itself, the disk's work included. */
  settle(): Promise<void> {
    const { disk } = this.broker;
    return this.#until(() => {
      const isBusy = disk.pendingReads + disk.pendingSyncs > 0;
      this.broker.settle();
      // Partitions may have been taken up.
      this.groups.look();
      return isBusy;
    });
  }

  /** The same, with the disk at rest: reads and syncs stay under way. */
  settleWithoutDisk(): Promise<void> {
    const { clock, disk } = this.broker;
    return this.#until(() => {
      const before = disk.pendingReads + disk.pendingSyncs;
      clock.endTurns();
      return disk.pendingReads + disk.pendingSyncs !== before;
    });
  }

  /** Moves the time, with all that is due, and looks at deadlines. */
  async pass(ms: number): Promise<void> {
    this.broker.clock.advance(ms);
    for (const sweep of this.#sweeps) sweep();
    await this.settle();
  }

  /** Payload memory that somebody holds once all topics are gone, and with them what the tail cache had: a leak. */
  async leakedBytes(): Promise<number> {
    for (const { id, name, idBytes } of this.coordinator.image.topics()) {
      this.apply(create(ChangeSchema, { change: { case: 'deletedTopic', value: { id: idBytes, name } } }));
      assert(this.coordinator.image.topicById(id) === undefined, 'a deleted topic is gone');
    }
    await this.settle();
    return this.broker.slabs.usedBytes;
  }

  /** Goes on until two rounds in a row bring nothing new: what promises do is seen in the next one. */
  async #until(step: () => boolean): Promise<void> {
    for (let round = 0, quiet = 0; quiet < 2; round++) {
      if (round === ROUNDS_MAX) throw new Error('it does not settle');
      const hasMoved = this.#pump();
      quiet = step() || hasMoved ? 0 : quiet + 1;
      await microtasks();
    }
  }

  #pump(): boolean {
    let moved = false;
    for (const socket of this.#sockets) moved = socket.pump() || moved;
    return moved;
  }

  #logger(): Logger {
    const log =
      (level: string) =>
      (facts: unknown, message?: string): void => {
        this.logged.push(`${level}: ${message ?? String(facts)}`);
      };
    return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') } as unknown as Logger;
  }
}

/** A registered broker. */
export function brokerOf(broker: MessageInitShape<typeof BrokerSchema>): Change {
  const value = { epoch: 1n, state: BrokerState.ACTIVE, ...broker };
  return create(ChangeSchema, { change: { case: 'broker', value } });
}

/** The changes that stand for a second topic. */
export function otherTopic(topic: TestTopic): Change[] {
  return changesOf(topic, OTHER_ID_BYTES, 'other');
}

/** What a Produce request has of one topic, by name and by id. */
export function topicData(
  partitionData: readonly { readonly index: number; readonly records: readonly Uint8Array[] | null }[],
  name = 'orders',
  topicId = TOPIC_ID_BYTES,
): { name: string; topicId: Uint8Array; partitionData: typeof partitionData } {
  return { name, topicId, partitionData };
}

/** Promises that are ready go on. */
export async function microtasks(): Promise<void> {
  for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
}
