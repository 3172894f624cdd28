import { create } from '@bufbuild/protobuf';
import { brokerId, uuidFromBytes } from '@weir/base/ids.ts';
import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import type { Codec, Connection, Handler, Method, Stream, StreamHandlers, Transport } from '@weir/base/transport.ts';
import { AlterIsrResultSchema, BrokerState, ChangeSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  AlterIsrRequest,
  AlterIsrResult,
  Change,
  DoubtfulReplica,
  ReportDoubtfulReplicasRequest,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { testWorld } from '@weir/runtime/test-world.ts';
import type { Registry } from '@weir/runtime/world.ts';
import type { LastRun } from './partition/open-log.ts';
import type { Partition } from './partition/partition.ts';
import type { PartitionsReplicator } from './partition/partitions-parts.ts';
import { ColdGate } from './rpc/cold-gate.ts';
import { changesOf, epochOf, TestClock, TestPartitions, TOPIC_ID_BYTES } from './test-broker.ts';
import type { TestTopic } from './test-broker.ts';
import { Replication } from './replication.ts';

/** How a partition of the one topic is placed. */
type PartitionState = TestTopic['partitions'][number];

/** Streams between brokers that bring what was sent when the test says so, in order. */
class TestNetwork {
  readonly #listening = new Map<string, readonly Handler[]>();
  #queue: (() => void)[] = [];
  /** Addresses that nobody reaches, and whose streams are silent. */
  readonly silent = new Set<string>();

  transportOf(from: string): Transport {
    return {
      connect: (address) => this.#connect(from, address),
      listen: async (address, handlers) => {
        this.#listening.set(address, handlers);
        return { address, close: async () => void this.#listening.delete(address) };
      },
    };
  }

  /** Delivers what is under way. True: there was something. */
  deliver(): boolean {
    const queue = this.#queue;
    this.#queue = [];
    for (const act of queue) act();
    return queue.length > 0;
  }

  #connect(from: string, to: string): Connection {
    const open = <Request, Response>(
      method: Method<Request, Response>,
      client: StreamHandlers<Response>,
    ): Stream<Request> => this.#open(from, to, method, client);
    return {
      call: async () => {
        throw new Error('only streams');
      },
      open,
      openBulk: (method, _slabs, client) => open(method, client),
      close() {},
      cut() {},
    };
  }

  #open<Request, Response>(
    from: string,
    to: string,
    method: Method<Request, Response>,
    client: StreamHandlers<Response>,
  ): Stream<Request> {
    const handler = this.#listening.get(to)?.find((one) => one.method.path === method.path);
    let isOpen = true;
    const isSilent = (): boolean => this.silent.has(from) || this.silent.has(to);
    const soon = (act: () => void): void => void this.#queue.push(() => isOpen && !isSilent() && act());
    if (handler?.kind !== 'stream') {
      soon(() => client.closed({ kind: 'unreachable', code: 'NETWORK_EXCEPTION', message: 'nobody listens' }));
      return { send: () => true, end() {}, abort() {} };
    }
    const server = handler.accept(
      {
        send: (message) => {
          const bytes = copyOf(handler.method.response, message);
          soon(() => client.message(method.response.decode(bytes)));
          return true;
        },
        end: () => soon(() => client.closed(undefined)),
        abort: (failure) => soon(() => client.closed(failure)),
      },
      {},
      from,
    );
    return {
      send: (message) => {
        const bytes = copyOf(method.request, message);
        soon(() => server.message(handler.method.request.decode(bytes)));
        return true;
      },
      end: () => soon(() => server.closed(undefined)),
      abort: () => {
        isOpen = false;
        this.#queue.push(() => server.closed(undefined));
      },
    };
  }
}

function copyOf<T>(codec: Codec<T>, message: T): Buffer {
  return Buffer.from(codec.encode(message));
}

/** One broker of a test's cluster. */
export interface TestReplicaBroker {
  readonly id: number;
  readonly partitions: TestPartitions;
  readonly replication: Replication;
  /** Its metrics. */
  readonly registry: Registry;
}

/** Brokers 1 to n with one topic, whose metadata the test makes; they replicate over a network that it drives. */
export class TestCluster {
  readonly clock = new TestClock();
  readonly network = new TestNetwork();
  readonly brokers = new Map<number, TestReplicaBroker>();
  /** What leaders asked for; answered by `answerIsr`. */
  readonly asked: { readonly request: AlterIsrRequest; readonly answer: (results: AlterIsrResult[]) => void }[] = [];
  /** What brokers reported; answered by `takeReport`. */
  readonly reported: {
    readonly request: ReportDoubtfulReplicasRequest;
    readonly answer: (results: object[]) => void;
  }[] = [];
  readonly #configs: Record<string, string>;
  readonly #memory: { readonly tailCacheBytes?: number };
  #partitions: PartitionState[] = [];

  constructor(
    count: number,
    configs: Record<string, string> = {},
    { tailCacheBytes }: { tailCacheBytes?: number } = {},
  ) {
    this.#configs = configs;
    this.#memory = tailCacheBytes === undefined ? {} : { tailCacheBytes };
    for (let id = 1; id <= count; id++) this.start(id);
  }

  /** Starts a broker, with the disk that it had. */
  start(id: number, disk?: SimulatedDisk, lastRun: Partial<LastRun> = {}): TestReplicaBroker {
    // Told before there is anything that could tell it something.
    let replication: Replication | undefined;
    const replicator: PartitionsReplicator = {
      follows: (partition) => replication?.follows(partition),
      leaves: (partition) => replication?.leaves(partition),
      isDurable: (partition) => replication?.isDurable(partition),
      mayAlterIsr: (partition) => replication?.mayAlterIsr(partition),
      isrChanged: (partition) => replication?.isrChanged(partition),
      resigns: (partition, leadership) => replication?.resigns(partition, leadership),
      doubtful: () => replication?.doubtful(),
      beginsAnew: (partition) => replication?.beginsAnew(partition),
    };
    const partitions = new TestPartitions({
      brokerId: id,
      clock: this.clock,
      replicator,
      ...this.#memory,
      ...(disk ? { disk } : {}),
    });
    partitions.recover(lastRun);
    const address = `broker-${id}`;
    const world = testWorld({ clock: this.clock, transport: this.network.transportOf(address) });
    replication = new Replication({
      world,
      turn: partitions.turn,
      slabs: partitions.slabs,
      coldGate: new ColdGate(4),
      brokerId: brokerId(id),
      partitions: () => partitions.partitions,
      image: () => partitions.image,
      call: (method, request) => this.#called(method.path, request),
      brokerEpoch: () => epochOf(id),
      clusterId: () => 'cluster',
    });
    void replication.serve({ listen: address, advertise: undefined });
    const broker = { id, partitions, replication, registry: world.registry };
    this.brokers.set(id, broker);
    return broker;
  }

  /** What brokers ask of the coordinator waits until the test answers. */
  #called<Response>(path: string, request: unknown): Promise<Response> {
    return new Promise((resolve) => {
      const answered = (results: readonly unknown[]): void => resolve({ results } as Response);
      if (path.endsWith('/AlterIsr')) this.asked.push({ request: request as AlterIsrRequest, answer: answered });
      else this.reported.push({ request: request as ReportDoubtfulReplicasRequest, answer: answered });
    });
  }

  /** Kills a broker: its disk keeps what it was told to keep. */
  kill(id: number): SimulatedDisk {
    const { disk } = this.brokers.get(id)!.partitions;
    this.brokers.get(id)!.replication.stop({ code: 'SHUTTING_DOWN', message: 'killed' });
    this.brokers.delete(id);
    this.network.deliver();
    disk.crash();
    return disk;
  }

  /** The metadata from now on, for all brokers or for some. */
  place(partitions: PartitionState[], ...to: number[]): this {
    this.#partitions = partitions;
    for (const { id, partitions: told, replication } of this.brokers.values()) {
      if (to.length > 0 && !to.includes(id)) continue;
      told.apply(...this.#brokerChanges(), ...changesOf({ configs: this.#configs, partitions }));
      replication.metadataChanged([{ kind: 'all' }]);
    }
    return this;
  }

  /** Writes what a leader asked for last, and tells everybody. */
  async grantIsr(): Promise<void> {
    const { request, answer } = this.asked.shift()!;
    const partitions = [...this.#partitions];
    for (const { partition, isr, partitionEpoch } of request.partitions) {
      const before = partitions[partition]!;
      partitions[partition] = { ...before, isr: isr.map((m) => m.brokerId), partitionEpoch: partitionEpoch + 1 };
    }
    answer(request.partitions.map(() => create(AlterIsrResultSchema, { code: 'NONE' })));
    await Promise.resolve();
    this.place(partitions);
  }

  /** Takes the report of one replica as the coordinator does, and tells everybody. */
  async takeReport(): Promise<void> {
    const { request, answer } = this.reported.shift()!;
    const [{ partition, leaderEpoch, partitionEpoch }] = request.replicas as [DoubtfulReplica];
    const partitions = [...this.#partitions];
    const before = partitions[partition]!;
    const isr = (before.isr ?? [before.leader]).filter((broker) => broker !== request.brokerId);
    const leader = before.leader === request.brokerId ? (isr[0] ?? -1) : before.leader;
    const epoch = Math.max(before.epoch, leaderEpoch + 1);
    partitions[partition] = { ...before, leader, epoch, isr, partitionEpoch: partitionEpoch + 1 };
    answer([{ code: 'NONE' }]);
    await Promise.resolve();
    this.place(partitions);
  }

  /** Lets everything happen that can happen without time. */
  settle(): this {
    for (let i = 0; i < 1_000; i++) {
      this.clock.advance(0);
      this.clock.endTurns();
      let busy = this.network.deliver();
      for (const { partitions } of this.brokers.values()) {
        if (partitions.disk.pendingSyncs + partitions.disk.pendingReads > 0) busy = true;
        partitions.disk.completeSyncs();
        partitions.disk.completeReads();
      }
      if (!busy) {
        this.clock.endTurns();
        return this;
      }
    }
    throw new Error('it does not settle');
  }

  /** Lets time pass, in small steps, and everything happen in it. */
  pass(ms: number): this {
    for (let passed = 0; passed < ms; passed += 10) {
      this.clock.advance(Math.min(10, ms - passed));
      this.settle();
    }
    return this;
  }

  replica(id: number, index = 0): Partition {
    for (const partition of this.brokers.get(id)!.partitions.partitions.all()) {
      if (partition.key.index === index) return partition;
    }
    throw new Error(`broker ${id} has no replica ${index} of ${uuidFromBytes(TOPIC_ID_BYTES)}`);
  }

  /** End, durable end and high watermark of each replica. */
  ends(...ids: number[]): number[][] {
    return ids.map((id) => {
      const { endOffset, durableEnd, highWatermark } = this.replica(id);
      return [endOffset, durableEnd, highWatermark];
    });
  }

  #brokerChanges(): Change[] {
    return [1, 2, 3, 4].map((id) =>
      create(ChangeSchema, {
        change: {
          case: 'broker',
          value: {
            id,
            epoch: BigInt(epochOf(id)),
            replicationAddress: `broker-${id}`,
            state: this.brokers.has(id) ? BrokerState.ACTIVE : BrokerState.FENCED,
          },
        },
      }),
    );
  }
}
