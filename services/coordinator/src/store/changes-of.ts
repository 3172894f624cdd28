import { brokerId, revision as asRevision, topicId } from '@weir/base/ids.ts';
import type { BrokerConfigsOwner, Change, ClusterImage } from '../controller/image.ts';
import { NAMESPACE_KEYS } from '../namespace/stored.ts';
import { ROOT } from '@weir/base/tree-path.ts';
import { brokerConfigsOwnerOf, changeOf, KEYS } from './records.ts';
import type { WatchEvent } from './metadata-store.ts';

/** Keys that say nothing of the metadata: who is active, which transaction was the last, and the cluster's name. */
const APART: ReadonlySet<string> = new Set([KEYS.controller, KEYS.lastChange, KEYS.cluster]);

/**
 * The changes that one transaction wrote, from what became of its keys: in an order in which an image takes them.
 *
 * @param image - as it was before that
 * @throws Error that names a key that makes no sense
 */
export function changesOf(image: ClusterImage, events: readonly WatchEvent[]): Change[] {
  const changes = events.flatMap((event): Change[] => {
    if (APART.has(event.kind === 'put' ? event.item.key : event.key)) return [];
    return [event.kind === 'put' ? changeOf(event.item) : deletionOf(image, event.key)];
  });
  return changes.toSorted((a, b) => RANKS[a.kind] - RANKS[b.kind]);
}

/** What goes makes room, what others refer to comes before them. */
const RANKS: Readonly<Record<Change['kind'], number>> = {
  sessionEnded: 0,
  clientSessionEnded: 0,
  brokerGone: 1,
  staleNode: 1,
  nodeGone: 1,
  broker: 2,
  sessionBegan: 3,
  clientSessionBegan: 3,
  partition: 4,
  topic: 5,
  deletedTopic: 6,
  topicGone: 7,
  orphan: 8,
  node: 9,
  nodeCreations: 9,
  brokerConfigs: 9,
  producerIds: 9,
  deletedTopicForgotten: 9,
};

function deletionOf(image: ClusterImage, key: string): Change {
  const [prefix, name] = splitKey(key);
  switch (prefix) {
    case KEYS.brokers:
      return { kind: 'brokerGone', id: brokerId(Number(name)) };
    case KEYS.sessions:
      return { kind: 'sessionEnded', sessionId: name };
    case KEYS.topics:
      return { kind: 'topicGone', name };
    case KEYS.deletedTopics:
      return { kind: 'deletedTopicForgotten', id: topicId(name) };
    case KEYS.brokerConfigs: {
      const owner: BrokerConfigsOwner = brokerConfigsOwnerOf(name);
      return { kind: 'brokerConfigs', brokerConfigs: { owner, configs: {} } };
    }
    case KEYS.partitions: {
      const [topic = '', index = ''] = name.split('/');
      const place = { topicId: topicId(topic), index: Number(index) };
      const revision = image.partition(place.topicId, place.index)?.revision ?? asRevision(0);
      return { kind: 'orphan', orphan: { ...place, revision } };
    }
    case NAMESPACE_KEYS.clientSessions:
      return { kind: 'clientSessionEnded', sessionId: name };
    case NAMESPACE_KEYS.nodes: {
      const path = ROOT + name;
      return { kind: image.namespace.stale.has(path) ? 'staleNode' : 'nodeGone', path };
    }
    case NAMESPACE_KEYS.creations:
      return { kind: 'nodeCreations', path: ROOT + name, count: 0 };
    default:
      throw new Error(`the metadata store's ${key} was deleted, which no Weir does that this one knows`);
  }
}

const PREFIXES = [
  KEYS.brokers,
  KEYS.sessions,
  KEYS.topics,
  KEYS.deletedTopics,
  KEYS.brokerConfigs,
  KEYS.partitions,
  NAMESPACE_KEYS.clientSessions,
  NAMESPACE_KEYS.nodes,
  NAMESPACE_KEYS.creations,
];

function splitKey(key: string): readonly [prefix: string | undefined, name: string] {
  const prefix = PREFIXES.find((one) => key.startsWith(one));
  return [prefix, key.slice(prefix?.length ?? 0)];
}
