import type { BrokerId } from '@weir/base/ids.ts';
import type { Change, ClusterImage, TopicRecord } from '../controller/image.ts';
import { inEventOrder } from './namespace.ts';
import type { NodeEvent, NodeView } from './node.ts';
import type { SystemView } from './system-view.ts';

/**
 * What becomes of the nodes that show the metadata when the image takes changes in: made before that, and asked after it.
 */
export class SystemChanges {
  readonly #view: SystemView;
  readonly #before = new Map<string, NodeView | undefined>();

  /** @param others - nodes that may be touched besides, by what is no change of the metadata */
  constructor(view: SystemView, changes: readonly Change[], others: readonly string[] = []) {
    this.#view = view;
    for (const path of [...others, ...pathsOf(view.image, changes)]) this.#before.set(path, view.get(path));
  }

  /** The events, children before parents where nodes went, and the other way where they came. */
  events(changes: readonly Change[]): NodeEvent[] {
    const events: NodeEvent[] = [];
    for (const path of new Set([...this.#before.keys(), ...pathsOf(this.#view.image, changes)])) {
      const before = this.#before.get(path);
      const node = this.#view.get(path);
      if (node === undefined) {
        if (before !== undefined) events.push({ kind: 'deleted', path });
      } else if (before === undefined) {
        events.push({ kind: 'created', path, node });
      } else if (before.stat.createRevision !== node.stat.createRevision) {
        // Another broker's session under the same id, or another topic of that name.
        events.push({ kind: 'deleted', path }, { kind: 'created', path, node });
      } else if (Buffer.compare(before.data(), node.data()) !== 0) {
        events.push({ kind: 'changed', path, node });
      }
    }
    return events.toSorted(inEventOrder);
  }
}

/**
 * The nodes that changes may touch, by the image as it is. Before and after the changes together they are all that are
 * touched; that some are not does not matter.
 */
function* pathsOf(image: ClusterImage, changes: readonly Change[]): Generator<string, void, void> {
  for (const change of changes) {
    switch (change.kind) {
      case 'broker':
        yield `/brokers/ids/${change.broker.id}`;
        break;
      case 'sessionBegan':
        yield* brokerPaths(image, change.session.brokerId);
        break;
      case 'sessionEnded': {
        const session = image.sessions.get(change.sessionId);
        if (session !== undefined) yield* brokerPaths(image, session.brokerId);
        break;
      }
      case 'topic':
        yield* topicPaths(image, change.topic, image.topics.get(change.topic.name)?.partitionCount ?? 0);
        break;
      case 'topicGone': {
        const topic = image.topics.get(change.name);
        if (topic !== undefined) yield* topicPaths(image, topic, 0);
        break;
      }
      case 'partition': {
        const { topicId, index, replicas } = change.partition;
        const topic = image.topicById(topicId);
        if (topic === undefined) break;
        yield `/brokers/topics/${topic.name}/partitions/${index}/state`;
        const before = image.partition(topicId, index)?.replicas ?? replicas;
        if (before.length === replicas.length && before.every((id, i) => id === replicas[i])) break;
        yield `/brokers/topics/${topic.name}`;
        for (const id of new Set([...before, ...replicas])) yield `/brokers/topics/${topic.name}/${id}`;
        break;
      }
      case 'brokerConfigs':
        yield `/config/brokers/${change.brokerConfigs.owner}`;
        break;
      case 'clientSessionBegan':
        yield* gatewayPath(change.session.gateway?.id);
        break;
      case 'clientSessionEnded':
        yield* gatewayPath(image.namespace.sessions.get(change.sessionId)?.gateway?.id);
        break;
      // What has no session has no node.
      case 'brokerGone':
      case 'producerIds':
      case 'deletedTopic':
      case 'deletedTopicForgotten':
      case 'orphan':
      case 'node':
      case 'nodeGone':
      case 'nodeCreations':
      case 'staleNode':
        break;
    }
  }
}

function* brokerPaths(image: ClusterImage, id: BrokerId): Generator<string, void, void> {
  yield `/brokers/ids/${id}`;
  for (const topic of image.topics.values()) {
    if (image.partitionsOf(topic).some(({ replicas }) => replicas.includes(id)))
      yield `/brokers/topics/${topic.name}/${id}`;
  }
}

/** @param from - partitions below it are there already, and their own changes say what becomes of them */
function* topicPaths(image: ClusterImage, topic: TopicRecord, from: number): Generator<string, void, void> {
  const path = `/brokers/topics/${topic.name}`;
  yield path;
  yield `/config/topics/${topic.name}`;
  yield `${path}/partitions`;
  for (let index = from; index < topic.partitionCount; index++) {
    yield `${path}/partitions/${index}`;
    yield `${path}/partitions/${index}/state`;
  }
  const known = image.topics.get(topic.name);
  if (known === undefined) return;
  const holders = new Set<BrokerId>();
  for (const { replicas } of image.partitionsOf(known)) for (const id of replicas) holders.add(id);
  for (const id of holders) yield `${path}/${id}`;
}

function* gatewayPath(id: string | undefined): Generator<string, void, void> {
  if (id !== undefined) yield `/gateways/ids/${id}`;
}
