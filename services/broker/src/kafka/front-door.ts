import type { BrokerId } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { ImageChange } from '@weir/client/metadata/cluster-image.ts';
import type { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import type { World } from '@weir/runtime/world.ts';
import type { Budgets } from '../budgets.ts';
import type { DiskRoom } from '../disk-room.ts';
import { GroupCoordinator } from '../group/group-coordinator.ts';
import { GroupCounters } from '../group/group-counters.ts';
import { groupMetrics } from '../group/group-metrics.ts';
import { groupOptions } from '../group/group-settings.ts';
import type { GroupSettings } from '../group/group-settings.ts';
import { LagWatch } from '../group/lag-watch.ts';
import { LogEndsCalls } from '../log-ends-calls.ts';
import type { BrokerMetrics, KafkaGauges } from '../metrics.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { FlushPolicy } from '../partition/topic-settings.ts';
import type { Turn } from '../partition/turn.ts';
import type { ColdGate } from '../rpc/cold-gate.ts';
import { Admin } from './admin.ts';
import { kafkaApis } from './apis.ts';
import { ClusterView } from './cluster-view.ts';
import { KafkaFetch } from './fetch.ts';
import { KafkaServer } from './kafka-server.ts';
import { advertised, parseListeners } from '@weir/base/listeners.ts';
import { ProducerIds } from './producer-ids.ts';
import { KafkaProduce } from './produce.ts';
import type { ListenForSockets } from './socket.ts';

/** What the front door is made of. */
export interface FrontDoorParts {
  readonly world: World;
  readonly turn: Turn;
  readonly slabs: Slabs;
  readonly partitions: Partitions;
  readonly metrics: BrokerMetrics;
  readonly room: DiskRoom;
  readonly coldGate: ColdGate;
  readonly brokerId: BrokerId;
  /** The data directory. */
  readonly path: string;
  readonly budgets: Budgets;
  /** For topics that do not say. */
  readonly flush: FlushPolicy;
  readonly groups: GroupSettings;
  /** Undefined before there is one. */
  readonly session: () => CoordinatorSession | undefined;
  /** Undefined before the first registration. */
  readonly brokerEpoch: () => number | undefined;
}

/** Where Kafka clients are served. */
export interface KafkaNetwork {
  /** Listeners, as `parseListeners` reads them. */
  readonly listen: string;
  readonly advertise: string | undefined;
  readonly sockets: ListenForSockets;
}

/** All that answers Kafka's protocol, put together. */
export class FrontDoor implements KafkaGauges {
  readonly #server: KafkaServer;
  readonly #fetch: KafkaFetch;
  readonly #produce: KafkaProduce;
  /** Shared with the native API. */
  readonly producerIds: ProducerIds;
  readonly groups: GroupCoordinator;
  readonly #lags: LagWatch;

  constructor(parts: FrontDoorParts) {
    const { turn, slabs, partitions, metrics, room, path, session, brokerId, budgets, coldGate } = parts;
    const { clock, random, logger, registry, transport } = parts.world;
    const cluster = new ClusterView(
      () => session()?.image,
      () => session()?.clusterId ?? '',
    );
    const admin = new Admin({ clock, session, toTakeUp: () => partitions.toTakeUp });
    const pendingBytesMax = budgets.appendPendingBytes;
    this.#produce = new KafkaProduce({ partitions, cluster, clock, metrics, slabs, pendingBytesMax });
    this.#fetch = new KafkaFetch({
      partitions,
      cluster,
      clock,
      random,
      turn,
      metrics,
      slabs,
      coldGate,
    });
    this.producerIds = new ProducerIds(admin, () => ({ brokerId, brokerEpoch: parts.brokerEpoch() ?? 0 }));
    const counters = new GroupCounters();
    this.groups = new GroupCoordinator({
      clock,
      logger,
      counters,
      turn,
      slabs,
      coldGate,
      partitions,
      image: () => session()?.image,
      options: groupOptions(parts.groups),
      offsetsRetentionMs: parts.groups.offsetsRetentionMs,
    });
    this.#lags = new LagWatch({
      clock,
      brokerId,
      partitions,
      image: () => session()?.image,
      groups: () => this.groups.groups(),
      isHere: (groupId) => this.groups.isHere(groupId),
      counters,
      leaders: new LogEndsCalls({ transport, logger }),
    });
    groupMetrics(registry, { counters, groups: () => this.groups.groups(), lags: this.#lags });
    this.#server = new KafkaServer({
      clock,
      logger,
      turn,
      slabs,
      handlers: kafkaApis({
        cluster,
        partitions,
        clock,
        admin,
        produce: this.#produce,
        fetch: this.#fetch,
        producerIds: this.producerIds,
        groups: this.groups,
        random,
        room,
        configs: { cluster, brokerId, statics: { flush: parts.flush } },
        path,
      }),
      frameBytesMax: budgets.kafkaRequestBytes,
      measure: (api, durationMs) => metrics.kafkaRequest(api, durationMs / 1_000),
      sweep: (nowMs) => this.#produce.sweep(nowMs),
    });
    this.#produce.onRoom = () => this.#server.resume();
  }

  get connections(): number {
    return this.#server.connections;
  }

  get fetchesWaiting(): number {
    return this.#fetch.waiting;
  }

  get requestBytes(): number {
    return this.#server.frameBytes;
  }

  get ended(): Readonly<Record<string, number>> {
    return this.#server.ended;
  }

  /**
   * Listens.
   *
   * @returns where clients are told that they reach it, in the form that brokers register with
   * @throws Error (as a rejection) that names what cannot be bound, or is advertised and does not listen
   */
  async serve({ listen, advertise, sockets }: KafkaNetwork): Promise<string> {
    this.#lags.start();
    return advertised(await this.#server.serve(parseListeners(listen), sockets), advertise);
  }

  /** The metadata has changed, or partitions are led that were not: who coordinates which groups follows from both. */
  look(changes: readonly ImageChange[]): void {
    this.groups.look();
    for (const change of changes) if (change.kind === 'topicDeleted') this.groups.topicDeleted(change.name);
  }

  /** Takes no more batches, and coordinates no groups any more; `idle` is called once those that were taken are answered. */
  stopProducing(idle: () => void): void {
    this.#server.stopListening();
    this.groups.stop();
    this.#lags.stop();
    this.#produce.stop(idle);
  }

  /** Answers readers that wait, and ends all connections. */
  close(graceMs: number): Promise<void> {
    this.#fetch.stop();
    return this.#server.close(graceMs);
  }
}
