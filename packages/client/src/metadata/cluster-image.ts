import { brokerId, topicId, uuidFromBytes } from '@weir/base/ids.ts';
import type { BrokerId, Revision, TopicId } from '@weir/base/ids.ts';
import { topicDefaults } from '@weir/base/broker-configs.ts';
import { MESSAGE_BYTES_MAX } from '@weir/base/limits.ts';
import { BrokerState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  Broker,
  BrokerConfigs,
  Change,
  DeletedTopic,
  Delta,
  Partition,
  SnapshotPage,
  Topic,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';

/** A registered broker. */
export interface BrokerInfo {
  readonly id: BrokerId;
  /** The revision of its registration. */
  readonly epoch: number;
  /** host:port. */
  readonly grpcAddress: string;
  /** host:port that Kafka clients are told; empty when it does not listen for them. */
  readonly kafkaAddress: string;
  /** host:port where other brokers follow what it leads; empty when it is not reached for that. */
  readonly replicationAddress: string;
  /** Failure domain; empty for none. */
  readonly rack: string;
  /** False: its session ended and it leads nothing. */
  readonly active: boolean;
  /** It is going to stop: it leads only what nobody else in sync can. */
  readonly draining: boolean;
}

/** One state of a partition. A change brings a new object. */
export interface PartitionInfo {
  readonly index: number;
  /** -1: no leader. */
  readonly leader: BrokerId | -1;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** Of each in-sync replica, in the order of `isr`, the broker epoch under which it is in sync. */
  readonly isrEpochs: readonly number[];
  /** Brokers that left the in-sync replicas while these were too few, and may lead (KIP-966). */
  readonly elr: readonly number[];
  readonly partitionEpoch: number;
  /** The leader epoch that the last unclean election began; -1: there was none. */
  readonly uncleanEpoch: number;
}

/** A topic as the image has it now: the object lives on, its partitions are replaced one by one. */
export interface TopicInfo {
  readonly name: string;
  readonly id: TopicId;
  /** The same id as it travels. */
  readonly idBytes: Uint8Array;
  /** By index, without gaps. */
  readonly partitions: readonly PartitionInfo[];
  /** What was set; what is absent has the cluster's default. */
  readonly configs: Readonly<Record<string, string>>;
  /** Largest batch that it takes, whoever has set it: `max.message.bytes`. */
  readonly messageBytesMax: number;
}

/** What a step of the image changed. `all`: a snapshot has taken the place of everything. */
export type ImageChange =
  | { readonly kind: 'all' }
  | { readonly kind: 'broker'; readonly broker: BrokerInfo }
  /** It was unregistered. */
  | { readonly kind: 'brokerGone'; readonly id: BrokerId }
  | { readonly kind: 'topic'; readonly topic: TopicInfo }
  /** Configs of a broker were set or unset, or the cluster-wide default: then `brokerId` is 'default'. */
  | { readonly kind: 'configs'; readonly brokerId: number | 'default' }
  /** Proof that the topic was deleted, whether it was in the image or not. */
  | { readonly kind: 'topicDeleted'; readonly id: TopicId; readonly name: string }
  | { readonly kind: 'partition'; readonly topic: TopicInfo; readonly partition: PartitionInfo };

/** `gathering`: a snapshot's page that is not its last; `stale`: older than what the image stands for, dropped. */
export type Applied =
  | { readonly kind: 'applied'; readonly changes: readonly ImageChange[] }
  | { readonly kind: 'gathering' }
  | { readonly kind: 'stale' };

interface TopicEntry extends TopicInfo {
  partitions: PartitionInfo[];
  messageBytesMax: number;
}

/** Everything a snapshot brings; it replaces the former as a whole. */
class Contents {
  readonly brokers = new Map<number, BrokerInfo>();
  readonly topicsByName = new Map<string, TopicEntry>();
  readonly topicsById = new Map<string, TopicEntry>();
  /** Partitions that came before their topic, which is written last. */
  readonly early = new Map<string, PartitionInfo[]>();
  readonly brokerConfigs = new Map<number | 'default', Readonly<Record<string, string>>>();
  staticConfigs: Readonly<Record<string, string>> = {};

  apply(change: Change): ImageChange | undefined {
    switch (change.change.case) {
      case 'broker':
        return this.#applyBroker(change.change.value);
      case 'topic':
        return this.#applyTopic(change.change.value);
      case 'partition':
        return this.#applyPartition(change.change.value);
      case 'deletedTopic':
        return this.#applyDeletedTopic(change.change.value);
      case 'brokerConfigs':
        return this.#applyBrokerConfigs(change.change.value);
      case undefined:
        // A kind of change that a newer coordinator knows and we do not.
        return undefined;
    }
  }

  #applyBroker(broker: Broker): ImageChange {
    if (broker.state === BrokerState.GONE) {
      this.brokers.delete(broker.id);
      return { kind: 'brokerGone', id: brokerId(broker.id) };
    }
    const info: BrokerInfo = {
      id: brokerId(broker.id),
      epoch: Number(broker.epoch),
      grpcAddress: broker.grpcAddress,
      kafkaAddress: broker.kafkaAddress,
      replicationAddress: broker.replicationAddress,
      rack: broker.rack,
      // A state that a newer coordinator knows and we do not is not taken for an absence: who leads is said by partitions.
      active: broker.state !== BrokerState.FENCED && broker.state !== BrokerState.UNSPECIFIED,
      draining: broker.state === BrokerState.DRAINING,
    };
    this.brokers.set(info.id, info);
    return { kind: 'broker', broker: info };
  }

  #applyTopic(topic: Topic): ImageChange {
    const id = topicId(uuidFromBytes(topic.id));
    const known = this.topicsById.get(id);
    const partitions = known?.partitions ?? this.early.get(id) ?? [];
    this.early.delete(id);
    for (let index = 0; index < topic.partitionCount; index++) partitions[index] ??= leaderless(index);
    const { name, configs } = topic;
    const messageBytesMax = this.#messageBytesMax(configs);
    const entry: TopicEntry = { name, id, idBytes: topic.id.slice(), partitions, configs, messageBytesMax };
    const namesake = this.topicsByName.get(topic.name);
    if (namesake !== undefined && namesake.id !== id) this.topicsById.delete(namesake.id);
    this.topicsByName.set(entry.name, entry);
    this.topicsById.set(id, entry);
    return { kind: 'topic', topic: entry };
  }

  #applyBrokerConfigs({ name, configs, staticConfigs }: BrokerConfigs): ImageChange {
    const id = name === '' ? 'default' : Number(name);
    this.brokerConfigs.set(id, configs);
    if (id === 'default') {
      this.staticConfigs = staticConfigs;
      for (const topic of this.topicsByName.values()) topic.messageBytesMax = this.#messageBytesMax(topic.configs);
    }
    return { kind: 'configs', brokerId: id };
  }

  #messageBytesMax(configs: Readonly<Record<string, string>>): number {
    const clusterWide = topicDefaults(this.brokerConfigs.get('default') ?? {}, {});
    return Number({ ...clusterWide, ...configs }['max.message.bytes'] ?? MESSAGE_BYTES_MAX);
  }

  #applyDeletedTopic({ id: bytes, name }: DeletedTopic): ImageChange {
    const id = topicId(uuidFromBytes(bytes));
    this.early.delete(id);
    this.topicsById.delete(id);
    if (this.topicsByName.get(name)?.id === id) this.topicsByName.delete(name);
    return { kind: 'topicDeleted', id, name };
  }

  #applyPartition(partition: Partition): ImageChange | undefined {
    const id = uuidFromBytes(partition.topicId);
    const info: PartitionInfo = {
      index: partition.index,
      leader: partition.leader < 0 ? -1 : brokerId(partition.leader),
      leaderEpoch: partition.leaderEpoch,
      replicas: partition.replicas,
      isr: partition.isr,
      isrEpochs: partition.isrEpochs.map(Number),
      elr: partition.elr,
      partitionEpoch: partition.partitionEpoch,
      uncleanEpoch: partition.uncleanEpoch,
    };
    const topic = this.topicsById.get(id);
    if (topic === undefined) {
      const early = this.early.get(id) ?? [];
      early[info.index] = info;
      this.early.set(id, early);
      return undefined;
    }
    for (let index = topic.partitions.length; index < info.index; index++) topic.partitions[index] = leaderless(index);
    topic.partitions[info.index] = info;
    return { kind: 'partition', topic, partition: info };
  }
}

function leaderless(index: number): PartitionInfo {
  return {
    index,
    leader: -1,
    leaderEpoch: -1,
    replicas: [],
    isr: [],
    isrEpochs: [],
    elr: [],
    partitionEpoch: -1,
    uncleanEpoch: -1,
  };
}

/**
 * The cluster's metadata as one client knows it: brokers, topics and partitions at one revision. Pages and deltas are
 * applied in the order in which they arrive; what is older than the image is dropped.
 *
 * Invariant: `revision` never falls.
 */
export class ClusterImage {
  #contents = new Contents();
  #revision = -1;
  #gathering: { readonly revision: number; readonly contents: Contents } | undefined;

  /** What the image stands for; -1 before the first snapshot is complete. */
  get revision(): Revision | -1 {
    return this.#revision as Revision | -1;
  }

  /** Adds a page of a snapshot. The image changes with the last one. */
  applyPage(page: SnapshotPage): Applied {
    const revision = Number(page.revision);
    if (revision < this.#revision) return { kind: 'stale' };
    if (this.#gathering?.revision !== revision) this.#gathering = { revision, contents: new Contents() };
    const { contents } = this.#gathering;
    for (const change of page.changes) contents.apply(change);
    if (!page.last) return { kind: 'gathering' };
    this.#gathering = undefined;
    this.#contents = contents;
    this.#revision = revision;
    return { kind: 'applied', changes: [{ kind: 'all' }] };
  }

  /** Applies what one transaction changed. */
  applyDelta(delta: Delta): Applied {
    const revision = Number(delta.revision);
    if (revision <= this.#revision || this.#revision === -1) return { kind: 'stale' };
    const changes: ImageChange[] = [];
    for (const change of delta.changes) {
      const applied = this.#contents.apply(change);
      if (applied !== undefined) changes.push(applied);
    }
    this.#revision = revision;
    return { kind: 'applied', changes };
  }

  /** Forgets a snapshot of which the stream that brought it broke. */
  dropGathering(): void {
    this.#gathering = undefined;
  }

  broker(id: number): BrokerInfo | undefined {
    return this.#contents.brokers.get(id);
  }

  /**
   * What was set of a broker, or for all of them as the cluster-wide default; {} when nothing was. See `topicDefaults` in
   * packages/base/src/broker-configs.ts for what that means for topics.
   */
  brokerConfigs(id: number | 'default'): Readonly<Record<string, string>> {
    return this.#contents.brokerConfigs.get(id) ?? {};
  }

  /** Broker configs that the coordinator was started with: they count where nothing was set. */
  staticConfigs(): Readonly<Record<string, string>> {
    return this.#contents.staticConfigs;
  }

  topic(name: string): TopicInfo | undefined {
    return this.#contents.topicsByName.get(name);
  }

  topicById(id: TopicId): TopicInfo | undefined {
    return this.#contents.topicsById.get(id);
  }

  /** In no order. */
  brokers(): IterableIterator<BrokerInfo> {
    return this.#contents.brokers.values();
  }

  /** In no order. */
  topics(): IterableIterator<TopicInfo> {
    return this.#contents.topicsByName.values();
  }
}
