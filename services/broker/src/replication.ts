import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Listener, Method } from '@weir/base/transport.ts';
import type { ClusterImage, ImageChange } from '@weir/client/metadata/cluster-image.ts';
import { CoordinatorService } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { World } from '@weir/runtime/world.ts';
import { DoubtReporter } from './doubt-reporter.ts';
import type { Partition } from './partition/partition.ts';
import type { PartitionsReplicator } from './partition/partitions-parts.ts';
import type { Partitions } from './partition/partitions.ts';
import type { Turn } from './partition/turn.ts';
import type { ColdGate } from './rpc/cold-gate.ts';
import { CatchUpThrottle } from './replication/catch-up-throttle.ts';
import type { IsrMember } from './replication/in-sync-replicas.ts';
import { IsrKeeper } from './replication/isr-keeper.ts';
import type { Led } from './replication/isr-keeper.ts';
import type { LinkKind } from './replication/leader-link.ts';
import { ReplicationClient } from './replication/replication-client.ts';
import { ReplicationCounters, replicationMetrics } from './replication/replication-metrics.ts';
import { ReplicationServer } from './replication/replication-server.ts';

const ALTER_ISR = protobufMethod(CoordinatorService.method.alterIsr);
const REPORT_DOUBTFUL_REPLICAS = protobufMethod(CoordinatorService.method.reportDoubtfulReplicas);

/** What replication needs of its broker. */
export interface ReplicationParts {
  readonly world: World;
  readonly turn: Turn;
  readonly slabs: Slabs;
  readonly coldGate: ColdGate;
  readonly brokerId: BrokerId;
  readonly partitions: () => Partitions;
  /** Undefined before there is one. */
  readonly image: () => ClusterImage | undefined;
  /**
   * Asks the coordinator something.
   *
   * @throws WeirError (as a rejection) when it did not answer, or refused the whole request
   */
  readonly call: <Request, Response>(method: Method<Request, Response>, request: Request) => Promise<Response>;
  /** Undefined before the first registration. */
  readonly brokerEpoch: () => number | undefined;
  readonly clusterId: () => string;
}

/** All of a broker's replication: it is followed, it follows, and it asks for the in-sync replicas of what it leads. */
export class Replication implements PartitionsReplicator {
  readonly #counters = new ReplicationCounters();
  readonly #parts: ReplicationParts;
  readonly #client: ReplicationClient;
  readonly #isr: IsrKeeper;
  readonly #doubts: DoubtReporter;
  #server: ReplicationServer | undefined;
  #listener: Listener | undefined;

  constructor(parts: ReplicationParts) {
    this.#parts = parts;
    const { world, turn, slabs, brokerId } = parts;
    const { clock, transport, logger } = world;
    let subscriptions = 0n;
    this.#client = new ReplicationClient({
      nextSubscription: () => ++subscriptions,
      clock,
      transport,
      turn,
      slabs,
      logger,
      hello: () => {
        const brokerEpoch = parts.brokerEpoch();
        return brokerEpoch === undefined ? undefined : { clusterId: parts.clusterId(), brokerId, brokerEpoch };
      },
      addressOf: (broker) => parts.image()?.broker(broker)?.replicationAddress || undefined,
      counters: this.#counters,
      isInSync: (partition) => this.#infoOf(partition)?.isr.includes(brokerId) === true,
    });
    this.#isr = new IsrKeeper({
      clock,
      logger,
      counters: this.#counters,
      brokerId,
      brokerEpoch: parts.brokerEpoch,
      isEligible: (member) => this.#isEligible(member),
      partitions: () => parts.partitions().all(),
      stalled: (why) => this.stalls(why),
      ask: (request, answered) => {
        parts.call(ALTER_ISR, request).then(
          ({ results }) => answered(results),
          (error: unknown) => answered({ error }),
        );
      },
    });
    this.#doubts = new DoubtReporter({
      clock,
      logger,
      brokerId,
      brokerEpoch: parts.brokerEpoch,
      toReport: () => parts.partitions().doubtsToReport(),
      ask: async (request) => (await parts.call(REPORT_DOUBTFUL_REPLICAS, request)).results,
    });
    replicationMetrics(world.registry, {
      clock,
      counters: this.#counters,
      partitions: () => parts.partitions().all(),
      followed: () => this.followed,
      subscriptions: () => this.#server?.subscriptions ?? 0,
    });
  }

  /**
   * Listens for followers, and looks after in-sync replicas from now on.
   *
   * @returns host:port at which others reach it
   * @throws Error (as a rejection) that names the address when it cannot be bound
   */
  async serve({
    listen,
    advertise,
  }: {
    readonly listen: string;
    readonly advertise: string | undefined;
  }): Promise<string> {
    const { world, turn, slabs, coldGate, partitions, clusterId } = this.#parts;
    const { clock, transport } = world;
    const server = new ReplicationServer({
      clock,
      partitions: partitions(),
      turn,
      slabs,
      coldGate,
      throttle: new CatchUpThrottle(() => partitions().appendedBytes),
      epochOf: (broker) => {
        const info = this.#parts.image()?.broker(broker);
        return info?.active === true ? info.epoch : undefined;
      },
      clusterId,
      counters: this.#counters,
    });
    this.#server = server;
    this.#listener = await transport.listen(listen, [server.handler]);
    this.#isr.start();
    return advertise ?? this.#listener.address;
  }

  follows(partition: Partition): void {
    this.#client.follows(partition);
  }

  leaves(partition: Partition): void {
    this.#client.leaves(partition);
  }

  isDurable(partition: Partition): void {
    this.#client.isDurable(partition);
  }

  isrChanged(partition: Partition): void {
    this.#client.isrChanged(partition);
  }

  mayAlterIsr(partition: Partition): void {
    this.#isr.consider(partition);
  }

  resigns(partition: Partition, leadership: Led): void {
    this.#isr.resigns(partition, leadership);
  }

  doubtful(): void {
    this.#doubts.look();
  }

  beginsAnew({ folder, name, topic }: Partition): void {
    this.#counters.truncated('damaged');
    this.#parts.world.logger.warn(
      { partition: folder, topic: topic.name },
      `${name} begins anew: what it held was damaged or missing`,
    );
  }

  /** This broker stalls: others are to lead what they can. */
  stalls(why: string): void {
    this.#parts.world.logger.error(`${why}: others are to lead what this broker leads`);
    this.#isr.resignAll();
  }

  /** Partitions that are followed, by the kind of their link. */
  get followed(): Readonly<Record<LinkKind, number>> {
    return this.#client.counts();
  }

  /** This broker has another broker epoch. */
  registered(): void {
    this.#client.registered();
  }

  /** The partitions have heard of it before. */
  metadataChanged(changes: readonly ImageChange[]): void {
    if (changes.some(({ kind }) => kind === 'broker' || kind === 'all')) this.#client.leadersMayHaveMoved();
  }

  /** Follows nothing, and is followed by nobody, any more. */
  stop(why: Refusal): void {
    this.#isr.stop();
    this.#doubts.stop();
    this.#client.stop();
    this.#server?.stop(why);
  }

  async close(graceMs: number): Promise<void> {
    await this.#listener?.close(graceMs);
  }

  #infoOf({ key }: Partition) {
    return this.#parts.image()?.topicById(key.topicId)?.partitions[key.index];
  }

  #isEligible({ broker, epoch }: IsrMember): boolean {
    const info = this.#parts.image()?.broker(broker);
    return info !== undefined && info.active && !info.draining && info.epoch === epoch;
  }
}
