import { create } from '@bufbuild/protobuf';
import { uuidFromBytes } from '@weir/base/ids.ts';
import {
  AlterConfigsRequestSchema,
  ConfigOperationKind,
  ConfigResourceType,
  CoordinatorService,
  CreatePartitionsRequestSchema,
  CreateTopicsRequestSchema,
  DeleteTopicsRequestSchema,
  DrainBrokerRequestSchema,
  ElectLeadersRequestSchema,
  UndrainBrokerRequestSchema,
  UnregisterBrokerRequestSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { Follower } from './cluster/follower.ts';
import type { SimulatedBroker } from './cluster/broker.ts';
import type { Chance } from './engine/chance.ts';
import type { Parts } from './parts.ts';
import type { Swarm } from './swarm.ts';

const { method } = CoordinatorService;
const CREATE_TOPICS = protobufMethod(method.createTopics);
const CREATE_PARTITIONS = protobufMethod(method.createPartitions);
const DELETE_TOPICS = protobufMethod(method.deleteTopics);
const ALTER_CONFIGS = protobufMethod(method.alterConfigs);
const DRAIN_BROKER = protobufMethod(method.drainBroker);
const UNDRAIN_BROKER = protobufMethod(method.undrainBroker);
const UNREGISTER_BROKER = protobufMethod(method.unregisterBroker);
const ELECT_LEADERS = protobufMethod(method.electLeaders);

/** Requests that wait for an answer, past which none is sent: while nobody answers they would only be many. */
const PENDING_MAX = 8;

/** A client that administers the cluster: what it is told is held against the store. */
export class Load {
  readonly follower: Follower;
  readonly #parts: Parts<Swarm>;
  readonly #brokers: readonly SimulatedBroker[];
  readonly #chance: Chance;
  #operations = 0;
  #pending = 0;
  #isStopped = false;

  constructor(
    parts: Parts<Swarm>,
    options: { readonly coordinators: readonly string[]; readonly brokers: readonly SimulatedBroker[] },
  ) {
    this.#parts = parts;
    this.#brokers = options.brokers;
    this.#chance = parts.chanceFor('load');
    const { coordinators } = options;
    this.follower = new Follower('administrator', parts, { coordinators, member: { kind: 'observer', name: 'load' } });
    this.#next();
  }

  /** Requests sent so far. */
  get operations(): number {
    return this.#operations;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Creates a topic of its own; whether it was told that it exists. */
  async probe(name: string): Promise<boolean> {
    return (await this.#create([name], 1)) === 1;
  }

  #next(): void {
    this.#parts.ground.scheduler.in(this.#chance.between(0, 2 * this.#parts.swarm.operationMs), () => {
      if (this.#isStopped) return;
      this.#next();
      if (this.#pending >= PENDING_MAX) return;
      this.#operations++;
      this.#pending++;
      void this.#operation().finally(() => this.#pending--);
    });
  }

  #operation(): Promise<unknown> {
    const chance = this.#chance;
    const draw = chance.unit();
    if (draw < 0.3) {
      const names = chance.happens(0.8) ? [this.#name()] : [this.#name(), this.#name(), this.#name()];
      return this.#create(names, chance.whole(1, this.#parts.swarm.partitionsMax));
    }
    if (draw < 0.5) return this.#delete(this.#name());
    if (draw < 0.65) return this.#grow(this.#name());
    if (draw < 0.8) return this.#alter();
    if (draw < 0.9) return chance.pick(this.#brokers).allocateProducerIds();
    if (draw < 0.95) return this.#drain(chance.pick(this.#brokers).id);
    if (draw < 0.96) return this.follower.ask(ELECT_LEADERS, create(ElectLeadersRequestSchema));
    return this.#unregister();
  }

  #name(): string {
    return `topic-${this.#chance.whole(1, this.#parts.swarm.names)}`;
  }

  /** How many were created. */
  async #create(names: readonly string[], partitionCount: number): Promise<number> {
    const replicationFactor = this.#chance.whole(1, this.#parts.swarm.replicationFactorMax);
    const topics = names.map((name) => ({ name, partitionCount, replicationFactor }));
    const answer = await this.follower.ask(CREATE_TOPICS, create(CreateTopicsRequestSchema, { topics }));
    const created = (answer?.results ?? []).filter(({ code }) => code === 'NONE');
    for (const { name, topic, revision } of created) {
      const id = uuidFromBytes(topic!.id);
      this.#parts.checks.promises.created(name, { id, partitionCount, revision: Number(revision) });
    }
    return created.length;
  }

  async #delete(name: string): Promise<void> {
    const { promises } = this.#parts.checks;
    promises.deletionAsked(name);
    const id = this.#chance.happens(0.5) ? this.follower.session.image.topic(name)?.idBytes : undefined;
    const topics = [{ name, ...(id === undefined ? {} : { id }) }];
    const answer = await this.follower.ask(DELETE_TOPICS, create(DeleteTopicsRequestSchema, { topics }));
    for (const result of answer?.results ?? []) {
      if (result.code === 'NONE') promises.deleted(uuidFromBytes(result.topicId), Number(result.revision));
    }
  }

  async #grow(name: string): Promise<void> {
    const totalCount = this.#chance.whole(2, this.#parts.swarm.partitionsMax + 3);
    const request = create(CreatePartitionsRequestSchema, { topics: [{ name, totalCount }] });
    const answer = await this.follower.ask(CREATE_PARTITIONS, request);
    for (const { code, partitionCount, revision } of answer?.results ?? []) {
      if (code === 'NONE') this.#parts.checks.promises.grown(name, { partitionCount, revision: Number(revision) });
    }
  }

  /** Drains a broker, in the epoch that this client knows; or takes that back. */
  async #drain(brokerId: number): Promise<void> {
    const broker = this.follower.session.image.broker(brokerId);
    if (broker === undefined) return;
    const { brokers } = this.#parts.checks;
    const { epoch } = broker;
    const request = { brokerId, brokerEpoch: BigInt(epoch) };
    if (this.#chance.happens(broker.draining ? 0.3 : 0.8)) {
      const answer = await this.follower.ask(DRAIN_BROKER, create(DrainBrokerRequestSchema, request));
      if (answer === undefined) return;
      brokers.drained(brokerId, { epoch, revision: Number(answer.revision), ledCount: answer.ledCount });
    } else {
      const answer = await this.follower.ask(UNDRAIN_BROKER, create(UndrainBrokerRequestSchema, request));
      if (answer !== undefined) brokers.undrained(brokerId, { epoch, revision: Number(answer.revision) });
    }
  }

  /** Whether it is gone is not asked here: it may be back by the time that somebody is told. */
  async #unregister(): Promise<void> {
    const away = [...this.follower.session.image.brokers()].filter(({ active }) => !active);
    const brokerId = away.length > 0 ? this.#chance.pick(away).id : this.#chance.pick(this.#brokers).id;
    await this.follower.ask(UNREGISTER_BROKER, create(UnregisterBrokerRequestSchema, { brokerId }));
  }

  async #alter(): Promise<void> {
    const chance = this.#chance;
    const isTopic = chance.happens(0.5);
    const name = isTopic ? this.#name() : chance.pick(['', String(chance.pick(this.#brokers).id)]);
    const config = isTopic ? 'retention.ms' : 'log.retention.ms';
    const value = chance.happens(0.3) ? undefined : String(chance.whole(1, 5) * 1_000);
    const kind = value === undefined ? ConfigOperationKind.DELETE : ConfigOperationKind.SET;
    const type = isTopic ? ConfigResourceType.TOPIC : ConfigResourceType.BROKER;
    const operations = [{ name: config, kind, value: value ?? '' }];
    const request = create(AlterConfigsRequestSchema, { resources: [{ type, name, operations }] });
    const answer = await this.follower.ask(ALTER_CONFIGS, request);
    const key = isTopic ? `/topics/${name}` : `/configs/brokers/${name === '' ? 'default' : name}`;
    for (const { code, revision } of answer?.results ?? []) {
      if (code === 'NONE')
        this.#parts.checks.promises.altered(key, { name: config, value, revision: Number(revision) });
    }
  }
}
