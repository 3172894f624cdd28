import { refusal, isErrorCode } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { sleep } from '@weir/base/clock.ts';
import { METADATA_WAIT_MS, STOP_GRACE_MS } from '@weir/base/limits.ts';
import { ElectionType } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { drainProgressOf, leadersElectedOf } from './administer-brokers.ts';
import type { DrainProgress, LeadersElected } from './administer-brokers.ts';
import { alterationMessage } from './alter-configs.ts';
import type { AlteredConfigs, ConfigAlteration } from './alter-configs.ts';
import { Connections } from './connections.ts';
import type { ConsumerOptions } from './consumer/consumer-options.ts';
import { Fetcher } from './consumer/fetcher.ts';
import { GroupConsumer } from './consumer/group-consumer.ts';
import { listOffsets } from './consumer/list-offsets.ts';
import type { OffsetAnswer, OffsetQuery } from './consumer/list-offsets.ts';
import { read } from './consumer/read.ts';
import type { ReadRequest, ReadResult } from './consumer/read.ts';
import type { SubscribeRequest, Subscription, SubscriptionHandlers } from './consumer/subscription.ts';
import { deleteRecords } from './delete-records.ts';
import type { DeletedRecords, RecordsToDelete } from './delete-records.ts';
import { followBrokers } from './follow-brokers.ts';
import { GroupAdmin } from './group/group-admin.ts';
import { GroupCalls } from './group/group-calls.ts';
import type { LeaderCallParts } from './leader-calls.ts';
import type { BrokerInfo, ClusterImage, TopicInfo } from './metadata/cluster-image.ts';
import { Metadata } from './metadata/metadata.ts';
import { NamespaceClient } from './namespace/namespace-client.ts';
import { Producer } from './producer/producer.ts';
import type { ProducerOptions } from './producer/producer.ts';
import type { ClientWorld } from './world.ts';

/** What a client is told when it is made. */
export interface ClientOptions {
  /** host:port each; tried in turn. */
  readonly coordinators: readonly string[];
  /** What it calls itself in the coordinator's log, as "gateway/gw-1". */
  readonly name: string;
  /** Whether a topic that is produced to and does not exist is created, where the cluster allows that. */
  readonly autoCreateTopics?: boolean;
  readonly producer?: ProducerOptions;
}

/** A topic to create; what is absent has the cluster's default. */
export interface NewTopicSpec {
  readonly name: string;
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** What became of it. */
export interface CreatedTopic {
  readonly name: string;
  /** Absent when it was created. */
  readonly refusal?: Refusal;
}

/** How many partitions a topic is to have. */
export interface NewPartitionsSpec {
  readonly name: string;
  /** With those that there are. */
  readonly totalCount: number;
  /** Where the new ones' replicas are to be, in the order of the partitions; without them the coordinator chooses. */
  readonly assignments?: readonly (readonly number[])[];
}

/** What became of it. */
export interface CreatedPartitions {
  readonly name: string;
  /** Absent when they were created. */
  readonly refusal?: Refusal;
}

/** What became of a topic that was to be deleted. */
export interface DeletedTopic {
  readonly name: string;
  /** Absent when it was deleted. */
  readonly refusal?: Refusal;
}

/** The native client: metadata, producer, reader and administration of one cluster. */
export class Client {
  readonly producer: Producer;
  readonly #metadata: Metadata;
  readonly #connections: Connections;
  readonly #fetcher: Fetcher;
  readonly #world: ClientWorld;
  readonly #options: Pick<ClientOptions, 'coordinators' | 'name'>;
  readonly #groupCalls: GroupCalls;
  readonly #consumers = new Set<GroupConsumer>();
  /** Consumer groups, seen from outside. */
  readonly groups: GroupAdmin;
  #namespace: NamespaceClient | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ClientOptions, world: ClientWorld) {
    this.#world = world;
    this.#options = options;
    this.#connections = new Connections(world.transport);
    const { coordinators, name, autoCreateTopics = false } = options;
    this.#metadata = new Metadata({ coordinators, name, autoCreateTopics }, world);
    this.producer = new Producer(this.#metadata, this.#connections, world, options.producer);
    this.#fetcher = new Fetcher(this.#metadata, this.#connections, world);
    this.#groupCalls = new GroupCalls(this.#leaderCallParts);
    this.groups = new GroupAdmin(this.#leaderCallParts, this.#groupCalls);
    // Last, after producer and fetcher have left the links that lead nowhere any more.
    this.#metadata.listen(() => followBrokers(this.#metadata.image, this.#connections));
  }

  /**
   * Resolves once the cluster's metadata is here.
   *
   * @throws WeirError (as a rejection): COORDINATOR_UNAVAILABLE, or why the coordinator refuses this client
   */
  ready(timeoutMs: number): Promise<void> {
    return this.#metadata.ready(timeoutMs);
  }

  /** Whether a coordinator keeps the metadata current. Without one the client goes on with what it knows. */
  get attached(): boolean {
    return this.#metadata.attached;
  }

  /** The metadata's revision; -1 before there is any. */
  get revision(): number {
    return this.#metadata.image.revision;
  }

  /** Empty before the first welcome. */
  get clusterId(): string {
    return this.#metadata.clusterId;
  }

  /** The namespace of small nodes. It is closed with the client. */
  get namespace(): NamespaceClient {
    this.#namespace ??= new NamespaceClient(this.#options, this.#world, this.#leaderCallParts);
    return this.#namespace;
  }

  /** In no order. */
  topics(): TopicInfo[] {
    return [...this.#metadata.image.topics()];
  }

  topic(name: string): TopicInfo | undefined {
    return this.#metadata.image.topic(name);
  }

  /**
   * The topic, after a question to the coordinator when it is not known here; created where that is allowed.
   *
   * @throws WeirError (as a rejection): UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, COORDINATOR_UNAVAILABLE
   */
  awaitTopic(name: string): Promise<TopicInfo> {
    return this.#metadata.awaitTopic(name);
  }

  /** Registered brokers, by id. */
  brokers(): BrokerInfo[] {
    return [...this.#metadata.image.brokers()].toSorted((a, b) => a.id - b.id);
  }

  /** What was set of a broker, or as the default for all of them; {} when nothing was. */
  brokerConfigs(id: number | 'default'): Readonly<Record<string, string>> {
    return this.#metadata.image.brokerConfigs(id);
  }

  /** Broker configs that the coordinator was started with. */
  staticConfigs(): Readonly<Record<string, string>> {
    return this.#metadata.image.staticConfigs();
  }

  /**
   * Creates topics, each on its own, and waits (METADATA_WAIT_MS at most) until they are known here and have leaders.
   *
   * @returns what became of each, in the order given
   * @throws WeirError (as a rejection) COORDINATOR_UNAVAILABLE or REQUEST_TIMED_OUT: nothing is known of any
   */
  async createTopics(topics: readonly NewTopicSpec[]): Promise<readonly CreatedTopic[]> {
    const { results } = await this.#metadata.createTopics({
      topics: topics.map(({ name, partitions = 0, replicationFactor = 0, configs = {} }) => ({
        name,
        partitionCount: partitions,
        replicationFactor,
        configs,
      })),
    });
    const made = results.filter(({ code }) => code === 'NONE').map(({ name }) => name);
    const revision = results.reduce((newest, result) => Math.max(newest, Number(result.revision)), 0);
    // Too late is not failed: the topics exist, and whoever uses one waits for its leader.
    await this.#metadata
      .await(
        (image) => (image.revision >= revision && made.every((name) => hasLeaders(image, name)) ? true : undefined),
        METADATA_WAIT_MS,
        () => refusal('LEADER_NOT_AVAILABLE', 'a new topic has no leaders yet'),
      )
      .catch((error: unknown) => this.#world.logger.debug({ err: error }, 'created topics are not ready yet'));
    return results.map(outcomeOf);
  }

  /**
   * Deletes topics with all their records, each on its own, and waits (METADATA_WAIT_MS at most) until they are gone here.
   *
   * @returns what became of each, in the order given
   * @throws WeirError (as a rejection) COORDINATOR_UNAVAILABLE or REQUEST_TIMED_OUT: nothing is known of any
   */
  async deleteTopics(names: readonly string[]): Promise<readonly DeletedTopic[]> {
    const { results } = await this.#metadata.deleteTopics(names);
    await this.#untilKnown(results);
    return results.map(outcomeOf);
  }

  /**
   * Adds partitions to topics, each on its own, and waits (METADATA_WAIT_MS at most) until they are known here.
   *
   * @returns what became of each, in the order given
   * @throws WeirError (as a rejection) COORDINATOR_UNAVAILABLE or REQUEST_TIMED_OUT: nothing is known of any
   */
  async createPartitions(
    topics: readonly NewPartitionsSpec[],
    { validateOnly = false }: { readonly validateOnly?: boolean } = {},
  ): Promise<readonly CreatedPartitions[]> {
    const { results } = await this.#metadata.createPartitions({
      topics: topics.map(({ name, totalCount, assignments = [] }) => ({
        name,
        totalCount,
        assignments: assignments.map((brokerIds) => ({ brokerIds: [...brokerIds] })),
      })),
      validateOnly,
    });
    await this.#untilKnown(results);
    return results.map(outcomeOf);
  }

  /**
   * Alters configs of topics, brokers and the cluster, each resource on its own, and waits (METADATA_WAIT_MS at most)
   * until they are known here.
   *
   * @returns what became of each, in the order given
   * @throws WeirError (as a rejection) COORDINATOR_UNAVAILABLE or REQUEST_TIMED_OUT: nothing is known of any
   */
  async alterConfigs(
    alterations: readonly ConfigAlteration[],
    { validateOnly = false }: { readonly validateOnly?: boolean } = {},
  ): Promise<readonly AlteredConfigs[]> {
    const resources = alterations.map(alterationMessage);
    const { results } = await this.#metadata.alterConfigs({ resources, validateOnly });
    await this.#untilKnown(results);
    return results.map((result, i) => {
      const { name: _, ...outcome } = outcomeOf(result);
      return { resource: alterations[i]!.resource, ...outcome };
    });
  }

  /**
   * Moves leadership away from a broker that is going to stop, as far as other in-sync replicas can take it; asked again, it
   * says how far that is. The drain ends with `undrainBroker`, or with the registration that has this epoch.
   *
   * @throws WeirError (as a rejection): BROKER_ID_NOT_REGISTERED, BROKER_NOT_AVAILABLE, STALE_BROKER_EPOCH,
   *   COORDINATOR_UNAVAILABLE
   */
  async drainBroker({ id, epoch }: Pick<BrokerInfo, 'id' | 'epoch'>): Promise<DrainProgress> {
    const answer = await this.#metadata.drainBroker({ brokerId: id, brokerEpoch: BigInt(epoch) });
    await this.#untilKnown([answer]);
    return drainProgressOf(answer);
  }

  /** Takes a drain back. Rejects as `drainBroker` does. */
  async undrainBroker({ id, epoch }: Pick<BrokerInfo, 'id' | 'epoch'>): Promise<void> {
    await this.#untilKnown([await this.#metadata.undrainBroker({ brokerId: id, brokerEpoch: BigInt(epoch) })]);
  }

  /**
   * Makes the cluster forget a broker that is gone for good.
   *
   * @throws WeirError (as a rejection): BROKER_ID_NOT_REGISTERED, BROKER_ACTIVE, BROKER_HOLDS_REPLICAS,
   *   COORDINATOR_UNAVAILABLE
   */
  async unregisterBroker(id: number): Promise<void> {
    await this.#untilKnown([await this.#metadata.unregisterBroker({ brokerId: id })]);
  }

  /**
   * Elects the preferred replicas, the first in replica order, of all topics or of some, where they are in sync. With
   * `unclean` any replica that lives, where nobody leads: acknowledged records that it lacks are lost.
   *
   * @throws WeirError (as a rejection): UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_UNAVAILABLE
   */
  async electLeaders(
    topics: readonly string[] = [],
    { unclean = false }: { readonly unclean?: boolean } = {},
  ): Promise<LeadersElected> {
    const type = unclean ? ElectionType.UNCLEAN : ElectionType.PREFERRED;
    const answer = await this.#metadata.electLeaders({ topics: [...topics], type });
    await this.#untilKnown([answer]);
    return leadersElectedOf(answer);
  }

  /**
   * Deletes the oldest records of a topic's partitions, each on its own: their first offset moves up, durably and on all replicas
   * that may lead next.
   *
   * @returns what became of each, in the order given
   * @throws WeirError (as a rejection): UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_UNAVAILABLE
   */
  deleteRecords(topic: string, records: readonly RecordsToDelete[]): Promise<readonly DeletedRecords[]> {
    return deleteRecords(this.#leaderCallParts, topic, records);
  }

  /**
   * Reads what is there from an offset on, and waits only when that is nothing.
   *
   * @throws WeirError (as a rejection): OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE
   */
  read(request: ReadRequest): Promise<ReadResult> {
    return read(this.#fetcher, this.#world.clock, request);
  }

  /** Follows a partition from an offset on, over changes of leader. */
  subscribe(request: SubscribeRequest, handlers: SubscriptionHandlers): Subscription {
    return this.#fetcher.subscribe(request, handlers);
  }

  /**
   * First, last and by-timestamp offsets, in the order asked.
   *
   * @throws WeirError (as a rejection) for the first partition that cannot be answered
   */
  listOffsets(topic: string, queries: readonly OffsetQuery[]): Promise<readonly OffsetAnswer[]> {
    return listOffsets(this.#leaderCallParts, topic, queries);
  }

  /**
   * A member of a consumer group, which begins to join at once. It is closed with the client.
   *
   * @throws WeirError INVALID_REQUEST for options that nothing can be done with
   */
  consumer(options: ConsumerOptions): GroupConsumer {
    const consumer = new GroupConsumer(options, {
      ...this.#leaderCallParts,
      fetcher: this.#fetcher,
      calls: this.#groupCalls,
      name: this.#options.name,
      closed: (closed) => void this.#consumers.delete(closed),
    });
    this.#consumers.add(consumer);
    return consumer;
  }

  /** Closes consumers, sends what is buffered (for `graceMs` at most), refuses the rest, and lets go of every connection. */
  close(graceMs: number = STOP_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    const flushed = new AbortController();
    const flushing = this.producer.flush().then(() => flushed.abort());
    await Promise.race([flushing, sleep(this.#world.clock, graceMs, flushed.signal)]);
    await this.#namespace?.close();
    this.producer.close();
    this.#groupCalls.close();
    this.#fetcher.close();
    this.#metadata.close();
    this.#connections.close();
  }

  /** Too late is not failed: it is done, and this client does not know it yet. */
  async #untilKnown(results: readonly { readonly revision: bigint }[]): Promise<void> {
    const revision = results.reduce((newest, result) => Math.max(newest, Number(result.revision)), 0);
    await this.#metadata
      .await(
        (image) => (image.revision >= revision ? true : undefined),
        METADATA_WAIT_MS,
        () => refusal('COORDINATOR_UNAVAILABLE', 'the metadata does not come'),
      )
      .catch((error: unknown) => this.#world.logger.debug({ err: error }, 'what was done is not known here yet'));
  }

  get #leaderCallParts(): LeaderCallParts {
    return { metadata: this.#metadata, connections: this.#connections, world: this.#world };
  }
}

function outcomeOf({ name, code, message }: { name: string; code: string; message: string }): {
  name: string;
  refusal?: Refusal;
} {
  if (code === 'NONE') return { name };
  return { name, refusal: refusal(isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR', message) };
}

function hasLeaders(image: ClusterImage, name: string): boolean {
  return image.topic(name)?.partitions.every(({ leader }) => leader !== -1) === true;
}
