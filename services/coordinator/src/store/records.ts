import { brokerId, leaderEpoch, revision, topicId } from '@weir/base/ids.ts';
import type { BrokerConfigsOwner, BrokerRecord, Change, PartitionRecord } from '../controller/image.ts';
import { isNamespaceChange } from '../namespace/node.ts';
import { namespaceChangeOf, namespaceKeyOf, namespaceValueOf } from '../namespace/stored.ts';
import type { KeyValue } from './metadata-store.ts';

/** Version of every value below. Values are JSON, so that a person can read a store. */
const VALUE_VERSION = 1;

/** Where things are kept. */
export const KEYS = {
  /** Who is the active coordinator; every write compares its create revision. */
  controller: '/controller',
  cluster: '/cluster',
  /** The change id of the newest transaction, which settles an unknown outcome. */
  lastChange: '/last-change',
  brokers: '/brokers/',
  sessions: '/sessions/',
  topics: '/topics/',
  partitions: '/partitions/',
  /** By the broker's id, or "default" for what is set of all of them. */
  brokerConfigs: '/configs/brokers/',
  /** Below which number all producer ids are given out. */
  producerIds: '/producer-ids',
  /** By id, with what was known of it: what is in here was deleted. */
  deletedTopics: '/deleted-topics/',
} as const;

/** In the newest change: the namespace changed with it. */
export const THIS_CHANGE = 0;

/** The key of one partition. */
function partitionKey(topic: string, index: number): string {
  return `${KEYS.partitions}${topic}/${String(index).padStart(5, '0')}`;
}

/** The key that a change writes. */
export function keyOf(change: Change): string {
  if (isNamespaceChange(change)) return namespaceKeyOf(change);
  switch (change.kind) {
    case 'broker':
      return `${KEYS.brokers}${change.broker.id}`;
    case 'brokerGone':
      return `${KEYS.brokers}${change.id}`;
    case 'sessionBegan':
      return `${KEYS.sessions}${change.session.id}`;
    case 'sessionEnded':
      return `${KEYS.sessions}${change.sessionId}`;
    case 'topic':
      return `${KEYS.topics}${change.topic.name}`;
    case 'partition':
      return partitionKey(change.partition.topicId, change.partition.index);
    case 'brokerConfigs':
      return `${KEYS.brokerConfigs}${change.brokerConfigs.owner}`;
    case 'producerIds':
      return KEYS.producerIds;
    case 'deletedTopic':
      return `${KEYS.deletedTopics}${change.deleted.id}`;
    case 'topicGone':
      return `${KEYS.topics}${change.name}`;
    case 'deletedTopicForgotten':
      return `${KEYS.deletedTopics}${change.id}`;
    case 'orphan':
      return partitionKey(change.orphan.topicId, change.orphan.index);
  }
}

/** What a change puts under its key; undefined when it deletes it. */
export function valueOf(change: Change): string | undefined {
  if (isNamespaceChange(change)) {
    const value = namespaceValueOf(change);
    return value === undefined ? undefined : encodeValue(value);
  }
  switch (change.kind) {
    case 'broker': {
      const { directoryId, incarnationId, grpcAddress, kafkaAddress, replicationAddress, rack, drain } = change.broker;
      const addresses = { grpcAddress, kafkaAddress, replicationAddress };
      return encodeValue({ directoryId, incarnationId, ...addresses, rack, drain });
    }
    case 'brokerGone':
      return undefined;
    case 'sessionBegan':
      return encodeValue({ brokerId: change.session.brokerId });
    case 'sessionEnded':
      return undefined;
    case 'topic': {
      const { id, partitionCount, configs } = change.topic;
      return encodeValue({ id, partitionCount, configs });
    }
    case 'partition': {
      const { replicas, leader, leaderEpoch: epoch, isr, elr, lastKnownElr } = change.partition;
      const { partitionEpoch, uncleanEpoch } = change.partition;
      return encodeValue({
        replicas,
        leader,
        leaderEpoch: epoch,
        isr,
        elr,
        lastKnownElr,
        partitionEpoch,
        uncleanEpoch,
      });
    }
    case 'brokerConfigs': {
      const { configs } = change.brokerConfigs;
      return Object.keys(configs).length === 0 ? undefined : encodeValue({ configs });
    }
    case 'producerIds':
      return encodeValue({ next: change.next });
    case 'deletedTopic': {
      const { name, deletedMs } = change.deleted;
      return encodeValue({ name, deletedMs });
    }
    case 'topicGone':
    case 'deletedTopicForgotten':
    case 'orphan':
      return undefined;
  }
}

/** A value as it is stored: JSON with its version. */
export function encodeValue(value: object): string {
  return JSON.stringify({ v: VALUE_VERSION, ...value });
}

/** @throws Error that names the key, when the value is no JSON or of a version that a newer Weir wrote */
export function decodeValue(item: KeyValue): object {
  let value: unknown;
  try {
    value = JSON.parse(item.value);
  } catch (error) {
    throw new Error(`the metadata store's ${item.key} is damaged: it is not JSON`, { cause: error });
  }
  const version = typeof value === 'object' && value !== null ? (value as { v?: unknown }).v : undefined;
  if (version !== VALUE_VERSION) {
    throw new Error(
      `the metadata store's ${item.key} has version ${String(version)}, and this Weir knows ${VALUE_VERSION}: run the Weir that wrote it, or a newer one`,
    );
  }
  return value as object;
}

/** The change that wrote a key. */
export function changeOf(item: KeyValue): Change {
  try {
    return decodeChange(item);
  } catch (error) {
    if (error instanceof Error && error.message.includes(item.key)) throw error;
    throw new Error(`the metadata store's ${item.key} is damaged: ${String(error)}`, { cause: error });
  }
}

function decodeChange(item: KeyValue): Change {
  const { key } = item;
  const ofNamespace = namespaceChangeOf(key, () => decodeValue(item));
  if (ofNamespace !== undefined) return ofNamespace;
  if (key.startsWith(KEYS.brokers)) {
    const stored = decodeValue(item) as {
      directoryId: string;
      incarnationId: string;
      grpcAddress: string;
      /** Absent in what was written before brokers listened for Kafka clients. */
      kafkaAddress?: string;
      /** Absent in what was written before brokers replicated. */
      replicationAddress?: string;
      rack: string;
      /** Absent as it was registered, and in what was written before brokers could drain: a Weir of then takes no notice of it. */
      drain?: { epoch: number; isOn: boolean };
    };
    const { directoryId, incarnationId, grpcAddress, kafkaAddress = '', replicationAddress = '', rack, drain } = stored;
    const id = brokerId(Number(key.slice(KEYS.brokers.length)));
    const addresses = { grpcAddress, kafkaAddress, replicationAddress };
    const broker: BrokerRecord = { id, directoryId, incarnationId, ...addresses, rack };
    if (drain === undefined) return { kind: 'broker', broker };
    return { kind: 'broker', broker: { ...broker, drain: { epoch: revision(drain.epoch), isOn: drain.isOn } } };
  }
  if (key.startsWith(KEYS.sessions)) {
    const stored = decodeValue(item) as { brokerId: number };
    const session = { id: key.slice(KEYS.sessions.length), brokerId: brokerId(stored.brokerId) };
    return { kind: 'sessionBegan', session };
  }
  if (key.startsWith(KEYS.topics)) {
    const { id, partitionCount, configs } = decodeValue(item) as {
      id: string;
      partitionCount: number;
      configs: Record<string, string>;
    };
    return { kind: 'topic', topic: { name: key.slice(KEYS.topics.length), id: topicId(id), partitionCount, configs } };
  }
  if (key.startsWith(KEYS.deletedTopics)) {
    const { name, deletedMs } = decodeValue(item) as { name: string; deletedMs: number };
    const id = topicId(key.slice(KEYS.deletedTopics.length));
    return { kind: 'deletedTopic', deleted: { id, name, deletedMs } };
  }
  if (key.startsWith(KEYS.brokerConfigs)) {
    const { configs } = decodeValue(item) as { configs: Record<string, string> };
    const owner = brokerConfigsOwnerOf(key.slice(KEYS.brokerConfigs.length));
    return { kind: 'brokerConfigs', brokerConfigs: { owner, configs } };
  }
  if (key === KEYS.producerIds) {
    const { next } = decodeValue(item) as { next: number };
    return { kind: 'producerIds', next };
  }
  if (!key.startsWith(KEYS.partitions)) throw new Error(`the metadata store's ${key} is unknown`);
  const [topic = '', index = ''] = key.slice(KEYS.partitions.length).split('/');
  return { kind: 'partition', partition: decodePartition(item, topic, Number(index)) };
}

/** Whose configs a key has, by what follows KEYS.brokerConfigs. */
export function brokerConfigsOwnerOf(name: string): BrokerConfigsOwner {
  return name === 'default' ? name : brokerId(Number(name));
}

function decodePartition(item: KeyValue, topic: string, index: number): PartitionRecord {
  const stored = decodeValue(item) as PartitionRecord;
  return {
    topicId: topicId(topic),
    index,
    replicas: stored.replicas.map(brokerId),
    leader: stored.leader === -1 ? -1 : brokerId(stored.leader),
    leaderEpoch: leaderEpoch(stored.leaderEpoch),
    isr: stored.isr.map(({ broker, epoch }) => ({ broker: brokerId(broker), epoch: revision(epoch) })),
    elr: stored.elr.map(({ broker, directory }) => ({ broker: brokerId(broker), directory })),
    lastKnownElr: stored.lastKnownElr.map(({ broker, directory }) => ({ broker: brokerId(broker), directory })),
    partitionEpoch: stored.partitionEpoch,
    uncleanEpoch: stored.uncleanEpoch,
  };
}
