import { assert, present } from '@weir/base/assert.ts';
import { revision as asRevision } from '@weir/base/ids.ts';
import type { BrokerId, LeaderEpoch, Revision, TopicId } from '@weir/base/ids.ts';
import type { Claim } from '../election/claim.ts';
import { Namespace } from '../namespace/namespace.ts';
import { isNamespaceChange } from '../namespace/node.ts';
import type { NamespaceChange, NodeEvent } from '../namespace/node.ts';
import type { BrokerState } from './broker-life.ts';

/** A registered broker, whether its session lives or not. */
export interface BrokerRecord {
  readonly id: BrokerId;
  /** UUID of the data directory. Another one means that the replicas are not those that the broker had. */
  readonly directoryId: string;
  /** UUID of that start of the process. */
  readonly incarnationId: string;
  /** host:port. */
  readonly grpcAddress: string;
  /** host:port that Kafka clients are told; empty when it does not listen for them. */
  readonly kafkaAddress: string;
  /** host:port where other brokers follow what it leads; empty when it is not reached for that. */
  readonly replicationAddress: string;
  /** Empty for none. */
  readonly rack: string;
  /** Absent as it was registered: a drain ends with its registration, whose epoch it names. */
  readonly drain?: Drain;
}

/** What became of a registration since. */
export interface Drain {
  /** Of the registration that drains, or that drained until somebody took that back. */
  readonly epoch: Revision;
  readonly isOn: boolean;
}

/** A broker's session. Written in the registering transaction: its revision is the broker epoch. */
export interface SessionRecord {
  readonly id: string;
  readonly brokerId: BrokerId;
}

/** A topic. It exists from the revision on at which this is written, after all of its partitions. */
export interface TopicRecord {
  readonly name: string;
  readonly id: TopicId;
  readonly partitionCount: number;
  /** Only what was set. */
  readonly configs: Readonly<Record<string, string>>;
}

/**
 * A topic that was deleted. Written in the transaction that deletes the topic's key: proof for whoever still has records
 * of it. Kept for DELETED_TOPIC_KEPT_MS.
 */
export interface DeletedTopicRecord {
  readonly id: TopicId;
  readonly name: string;
  /** By the coordinator's wall clock, in milliseconds since 1970. */
  readonly deletedMs: number;
}

/** Whose configs: a broker's, or those of all brokers that set none themselves. */
export type BrokerConfigsOwner = BrokerId | 'default';

/** What was set of a broker, or of all of them. */
export interface BrokerConfigsRecord {
  readonly owner: BrokerConfigsOwner;
  /** Only what was set. With nothing in it, it is not stored. */
  readonly configs: Readonly<Record<string, string>>;
}

/** No broker leads. */
export const NO_LEADER = -1;

/** An in-sync replica. It counts only while that registration of the broker lives (KIP-903). */
export interface IsrMember {
  readonly broker: BrokerId;
  readonly epoch: Revision;
}

/** A replica by the directory that holds it: on another disk the same broker is another replica. */
export interface DirectoryReplica {
  readonly broker: BrokerId;
  readonly directory: string;
}

/** One partition. */
export interface PartitionRecord {
  readonly topicId: TopicId;
  readonly index: number;
  /** In order of preference; no broker twice. */
  readonly replicas: readonly BrokerId[];
  /** Invariant: NO_LEADER, or in `isr`. */
  readonly leader: BrokerId | typeof NO_LEADER;
  /** Grows by one with every change of leader, and with every new registration of the same one. */
  readonly leaderEpoch: LeaderEpoch;
  /** Invariant: only live registrations, once a change of the brokers has been worked off. */
  readonly isr: readonly IsrMember[];
  /** Left the ISR while it was below its minimum and holds all that is committed (KIP-966). Invariant: disjoint from `isr`. */
  readonly elr: readonly DirectoryReplica[];
  /** The last leader of a partition that has none. */
  readonly lastKnownElr: readonly DirectoryReplica[];
  /** Grows by one with every change. */
  readonly partitionEpoch: number;
  /** The leader epoch that the last unclean election began; -1 when there was none. */
  readonly uncleanEpoch: number;
}

/** With the revision of the transaction that wrote it. */
export type Versioned<T> = T & { readonly revision: Revision };

/** The revision at which a broker registered last: its epoch, whether its session lives or not. */
export function registrationOf({ drain, revision }: Versioned<BrokerRecord>): Revision {
  return drain?.epoch ?? revision;
}

/** And with that of the one that created it. */
export type Created<T> = Versioned<T> & { readonly createRevision: Revision };

/** One key's new contents. */
export type Change =
  | { readonly kind: 'broker'; readonly broker: BrokerRecord }
  /** It was unregistered: its session has ended, and no partition has a replica on it. */
  | { readonly kind: 'brokerGone'; readonly id: BrokerId }
  | { readonly kind: 'sessionBegan'; readonly session: SessionRecord }
  | { readonly kind: 'sessionEnded'; readonly sessionId: string }
  /** A new topic, or one whose configs or number of partitions changes. */
  | { readonly kind: 'topic'; readonly topic: TopicRecord }
  | { readonly kind: 'partition'; readonly partition: PartitionRecord }
  | { readonly kind: 'brokerConfigs'; readonly brokerConfigs: BrokerConfigsRecord }
  /** All producer ids below it are given out. */
  | { readonly kind: 'producerIds'; readonly next: number }
  /** Written with the `topicGone` that follows it, in one transaction. */
  | { readonly kind: 'deletedTopic'; readonly deleted: DeletedTopicRecord }
  /** The topic's own key goes, and with it the topic. Its partitions' keys are orphans from then on. */
  | { readonly kind: 'topicGone'; readonly name: string }
  /** It was deleted so long ago that nobody needs to know any more. */
  | { readonly kind: 'deletedTopicForgotten'; readonly id: TopicId }
  /** Removes a partition that no topic has. */
  | { readonly kind: 'orphan'; readonly orphan: Orphan }
  | NamespaceChange;

/** A partition key without a topic: one that was never finished, or that was deleted. */
export interface Orphan {
  readonly topicId: TopicId;
  readonly index: number;
  readonly revision: Revision;
}

/**
 * The whole metadata, as of `revision`. Only the controller changes it, or what follows the store while another coordinator
 * has it changed; the records in it are immutable.
 */
export class ClusterImage {
  /** Empty while the cluster has none. */
  clusterId: string;
  /** The active coordinator's claim; undefined while there is none. */
  claim: Claim | undefined;
  readonly brokers = new Map<BrokerId, Versioned<BrokerRecord>>();
  readonly sessions = new Map<string, Versioned<SessionRecord>>();
  readonly topics = new Map<string, Created<TopicRecord>>();
  /** In the order of their revisions. */
  readonly brokerConfigs = new Map<BrokerConfigsOwner, Created<BrokerConfigsRecord>>();
  /** Broker configs that this coordinator was started with: they count where nothing was set. */
  readonly staticConfigs: Readonly<Record<string, string>>;
  readonly deletedTopics = new Map<TopicId, Versioned<DeletedTopicRecord>>();
  /** The users' nodes, and the sessions that ephemeral ones belong to. */
  readonly namespace = new Namespace();
  readonly #partitions = new Map<TopicId, Created<PartitionRecord>[]>();
  readonly #topicNames = new Map<TopicId, string>();
  readonly #sessionOfBroker = new Map<BrokerId, string>();
  /** Up to where a session's broker has said that it knows the metadata. Not stored: a new coordinator is told within a heartbeat. */
  readonly #applied = new Map<string, number>();
  #revision: Revision = asRevision(0);
  #lastChange: Revision = asRevision(0);
  #partitionCount = 0;
  #producerIds = { next: 0, revision: 0 };

  constructor(clusterId: string, staticConfigs: Readonly<Record<string, string>> = {}) {
    this.clusterId = clusterId;
    this.staticConfigs = staticConfigs;
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** Of the newest transaction that a controller wrote; 0 before the first. */
  get lastChange(): Revision {
    return this.#lastChange;
  }

  /** Partitions of all topics. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** The first producer id that nobody has. */
  get nextProducerId(): number {
    return this.#producerIds.next;
  }

  /** What was set of a broker, or of all of them. */
  configsOf(owner: BrokerConfigsOwner): Readonly<Record<string, string>> {
    return this.brokerConfigs.get(owner)?.configs ?? {};
  }

  /** Those whose session lives, by id. */
  activeBrokers(): Versioned<BrokerRecord>[] {
    return [...this.#sessionOfBroker.keys()]
      .map((id) => present(this.brokers.get(id), `broker ${id} has a session and no registration`))
      .toSorted((a, b) => a.id - b.id);
  }

  /** The session of a broker, if it has one. */
  sessionOf(id: BrokerId): Versioned<SessionRecord> | undefined {
    const sessionId = this.#sessionOfBroker.get(id);
    return sessionId === undefined ? undefined : this.sessions.get(sessionId);
  }

  /** Where a broker stands. */
  stateOf(id: BrokerId): BrokerState {
    const broker = this.brokers.get(id);
    if (broker === undefined) return 'gone';
    const session = this.sessionOf(id);
    if (session === undefined) return 'fenced';
    if (broker.drain?.isOn === true && broker.drain.epoch === session.revision) return 'draining';
    return this.hasApplied(id, broker.revision) ? 'active' : 'registered';
  }

  /** A session's broker says that it knows the metadata up to a revision. */
  noteApplied(sessionId: string, revision: number): void {
    if (this.sessions.has(sessionId)) this.#applied.set(sessionId, revision);
  }

  /** Whether a broker has said, under its registration of now, that it knows the metadata up to a revision. */
  hasApplied(id: BrokerId, revision: Revision): boolean {
    const sessionId = this.#sessionOfBroker.get(id);
    return sessionId !== undefined && (this.#applied.get(sessionId) ?? 0) >= revision;
  }

  topicById(id: TopicId): Created<TopicRecord> | undefined {
    const name = this.#topicNames.get(id);
    return name === undefined ? undefined : this.topics.get(name);
  }

  /** A partition by its place; also one whose topic is not written yet. */
  partition(topicId: TopicId, index: number): Created<PartitionRecord> | undefined {
    return this.#partitions.get(topicId)?.[index];
  }

  /** The revision at which the key that a change writes was written last; 0 when there is none. */
  revisionOf(change: Change): number {
    if (isNamespaceChange(change)) return this.namespace.revisionOf(change);
    switch (change.kind) {
      case 'broker':
        return this.brokers.get(change.broker.id)?.revision ?? 0;
      case 'brokerGone':
        return this.brokers.get(change.id)?.revision ?? 0;
      case 'sessionBegan':
        return this.sessions.get(change.session.id)?.revision ?? 0;
      case 'sessionEnded':
        return this.sessions.get(change.sessionId)?.revision ?? 0;
      case 'topic':
        return this.topics.get(change.topic.name)?.revision ?? 0;
      case 'brokerConfigs':
        return this.brokerConfigs.get(change.brokerConfigs.owner)?.revision ?? 0;
      case 'producerIds':
        return this.#producerIds.revision;
      case 'partition':
        return this.partition(change.partition.topicId, change.partition.index)?.revision ?? 0;
      case 'deletedTopic':
        return this.deletedTopics.get(change.deleted.id)?.revision ?? 0;
      case 'topicGone':
        return this.topics.get(change.name)?.revision ?? 0;
      case 'deletedTopicForgotten':
        return this.deletedTopics.get(change.id)?.revision ?? 0;
      case 'orphan':
        return change.orphan.revision;
    }
  }

  /** All partitions of a topic: those that are being added are none of them until the topic says so. */
  partitionsOf({ id, partitionCount }: TopicRecord): readonly Created<PartitionRecord>[] {
    const partitions = this.#partitions.get(id) ?? [];
    return partitions.length > partitionCount ? partitions.slice(0, partitionCount) : partitions;
  }

  /** All partitions of all topics. */
  *partitions(): Iterable<Versioned<PartitionRecord>> {
    for (const topic of this.topics.values()) yield* this.partitionsOf(topic);
  }

  /** Takes in what a committed transaction wrote; what became of the users' nodes. */
  apply(changes: readonly Change[], revision: Revision): NodeEvent[] {
    assert(revision >= this.#revision, `revision ${revision} is older than ${this.#revision}`);
    this.#revision = revision;
    this.#lastChange = revision;
    for (const change of changes) if (!isNamespaceChange(change)) this.load(change, revision);
    return this.namespace.apply(changes.filter(isNamespaceChange), revision);
  }

  /**
   * Takes in one key as it was written at a revision, which may be an old one.
   *
   * @param created - of the key, where the image does not know it
   */
  load(change: Change, revision: Revision, created: Revision = revision): void {
    if (isNamespaceChange(change)) return this.namespace.load(change, revision);
    switch (change.kind) {
      case 'broker':
        this.brokers.set(change.broker.id, { ...change.broker, revision });
        return;
      case 'brokerGone':
        assert(!this.#sessionOfBroker.has(change.id), `broker ${change.id} goes and has a session`);
        this.brokers.delete(change.id);
        return;
      case 'sessionBegan': {
        const { session } = change;
        assert(!this.#sessionOfBroker.has(session.brokerId), `broker ${session.brokerId} has two sessions`);
        this.sessions.set(session.id, { ...session, revision });
        this.#sessionOfBroker.set(session.brokerId, session.id);
        return;
      }
      case 'sessionEnded': {
        const session = present(this.sessions.get(change.sessionId), `there is no session ${change.sessionId}`);
        this.sessions.delete(session.id);
        this.#applied.delete(session.id);
        this.#sessionOfBroker.delete(session.brokerId);
        return;
      }
      case 'topic': {
        const { topic } = change;
        assert(this.partitionsOf(topic).length === topic.partitionCount, `topic ${topic.name} lacks partitions`);
        this.#partitionCount += topic.partitionCount - (this.topics.get(topic.name)?.partitionCount ?? 0);
        const createRevision = this.topics.get(topic.name)?.createRevision ?? created;
        this.topics.set(topic.name, { ...topic, revision, createRevision });
        this.#topicNames.set(topic.id, topic.name);
        return;
      }
      case 'partition': {
        const { partition } = change;
        const partitions = this.#partitions.get(partition.topicId) ?? [];
        const createRevision = partitions[partition.index]?.createRevision ?? created;
        partitions[partition.index] = { ...partition, revision, createRevision };
        this.#partitions.set(partition.topicId, partitions);
        return;
      }
      case 'brokerConfigs': {
        const { owner, configs } = change.brokerConfigs;
        if (Object.keys(configs).length === 0) this.brokerConfigs.delete(owner);
        else {
          const createRevision = this.brokerConfigs.get(owner)?.createRevision ?? created;
          this.brokerConfigs.set(owner, { owner, configs, revision, createRevision });
        }
        return;
      }
      case 'producerIds':
        assert(change.next > this.#producerIds.next, 'producer ids are given out once');
        this.#producerIds = { next: change.next, revision };
        return;
      case 'deletedTopic':
        this.deletedTopics.set(change.deleted.id, { ...change.deleted, revision });
        return;
      case 'topicGone': {
        const topic = present(this.topics.get(change.name), `there is no topic ${change.name}`);
        assert(this.deletedTopics.has(topic.id), `topic ${change.name} goes without a proof that it was deleted`);
        this.topics.delete(topic.name);
        this.#topicNames.delete(topic.id);
        this.#partitionCount -= topic.partitionCount;
        return;
      }
      case 'deletedTopicForgotten':
        this.deletedTopics.delete(change.id);
        return;
      case 'orphan':
        this.#removeOrphan(change.orphan);
        return;
    }
  }

  #removeOrphan({ topicId, index }: Orphan): void {
    const partitions = this.#partitions.get(topicId);
    // After a load they are out of the image before they are out of the store.
    if (partitions === undefined) return;
    // It leaves a hole: the others keep their places.
    Reflect.deleteProperty(partitions, index);
    let length = partitions.length;
    while (length > 0 && partitions[length - 1] === undefined) length--;
    partitions.length = length;
    if (length === 0) this.#partitions.delete(topicId);
  }

  /** After a load: the revision that it stood for, and that of the newest transaction then. */
  loadedAt(revision: Revision, lastChange: Revision): void {
    assert(revision >= this.#revision && revision >= lastChange, 'a load never goes back');
    this.#revision = revision;
    this.#lastChange = lastChange;
  }

  /**
   * Takes out the partitions that no topic has: of topics that were not finished, that were being added to one, or that were
   * deleted.
   */
  takeOrphans(): Orphan[] {
    const orphans: Orphan[] = [];
    for (const [topicId, partitions] of this.#partitions) {
      const topic = this.topicById(topicId);
      const surplus = partitions.splice(topic?.partitionCount ?? 0);
      for (const { index, revision } of surplus.filter((partition) => partition !== undefined)) {
        orphans.push({ topicId, index, revision });
      }
      if (topic === undefined) this.#partitions.delete(topicId);
    }
    return orphans;
  }
}
