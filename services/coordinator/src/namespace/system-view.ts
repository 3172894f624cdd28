import { present } from '@weir/base/assert.ts';
import type { BrokerId, Revision } from '@weir/base/ids.ts';
import { brokerId } from '@weir/base/ids.ts';
import type { BrokerConfigsOwner, ClusterImage, Created, PartitionRecord, TopicRecord } from '../controller/image.ts';
import type { LiveClientSession } from './namespace.ts';
import type { NodeStat, NodeView } from './node.ts';
import { componentsOf } from '@weir/base/tree-path.ts';

/** Format version of the JSON in these nodes. */
const VERSION = 1;

/** A node before it has its path. */
interface SystemNode {
  readonly stat: NodeStat;
  /** Undefined: it has none. It refers to nothing that changes. */
  readonly data: (() => object) | undefined;
}

/**
 * The cluster's metadata as nodes, as ZooKeeper's users know them from Kafka. Nothing of it is stored: each is made of the
 * image when somebody looks. Of nodes that no key of the store stands for the revisions are 0.
 */
export class SystemView {
  readonly #image: ClusterImage;

  constructor(image: ClusterImage) {
    this.#image = image;
  }

  get image(): ClusterImage {
    return this.#image;
  }

  /** A node as it is now. */
  get(path: string): NodeView | undefined {
    const found = this.#node(componentsOf(path));
    if (found === undefined) return undefined;
    const { stat, data } = found;
    return { path, stat, data: () => (data === undefined ? NO_DATA : jsonOf(data())) };
  }

  /** The names of a node's children, in byte order; undefined when there is no such node. */
  children(path: string): readonly string[] | undefined {
    const components = componentsOf(path);
    return this.#node(components) === undefined ? undefined : this.#children(components).toSorted();
  }

  #node(components: readonly string[]): SystemNode | undefined {
    const [root, group, name, ...below] = components;
    if (group === undefined) return this.#root(root!);
    if (name === undefined) return ROOTS.get(root!)?.includes(group) === true ? this.#directory(components) : undefined;
    if (root === 'brokers' && group === 'topics') return this.#topicNode(components, name, below);
    if (below.length > 0) return undefined;
    switch (`${root}/${group}`) {
      case 'brokers/ids':
        return this.#broker(name);
      case 'config/topics':
        return this.#topicConfigs(name);
      case 'config/brokers':
        return this.#brokerConfigs(name);
      case 'gateways/ids':
        return gatewayNode(this.#image.namespace.gateways.get(name));
      default:
        return undefined;
    }
  }

  #children(components: readonly string[]): string[] {
    const [root, group, name, below, partition] = components;
    if (group === undefined) return [...(ROOTS.get(root!) ?? [])];
    if (name === undefined) return this.#members(`${root}/${group}`);
    const topic = group === 'topics' && root === 'brokers' ? this.#image.topics.get(name) : undefined;
    if (topic === undefined) return [];
    if (below === undefined) return ['partitions', ...this.#holders(topic).map(String)];
    if (below !== 'partitions') return [];
    if (partition === undefined) return this.#image.partitionsOf(topic).map(({ index }) => String(index));
    return components.length === 5 ? ['state'] : [];
  }

  #members(group: string): string[] {
    const { topics, brokerConfigs, namespace } = this.#image;
    switch (group) {
      case 'brokers/ids':
        return this.#image.activeBrokers().map(({ id }) => String(id));
      case 'brokers/topics':
      case 'config/topics':
        return [...topics.keys()];
      case 'config/brokers':
        return [...brokerConfigs.keys()].map(String);
      case 'gateways/ids':
        return [...namespace.gateways.keys()];
      default:
        return [];
    }
  }

  #root(root: string): SystemNode | undefined {
    if (root !== 'controller') return ROOTS.has(root) ? this.#directory([root]) : undefined;
    const { claim } = this.#image;
    if (claim === undefined) return undefined;
    const { coordinatorId, address, revision } = claim;
    return {
      stat: statWith({ created: revision, modified: revision, ephemeral: true }),
      data: () => ({ version: VERSION, coordinator: coordinatorId, grpc: address === '' ? null : address }),
    };
  }

  #directory(components: readonly string[]): SystemNode {
    return { stat: statWith({ childCount: this.#children(components).length }), data: undefined };
  }

  #broker(name: string): SystemNode | undefined {
    const id = brokerIdOf(name);
    const session = id === undefined ? undefined : this.#image.sessionOf(id);
    if (session === undefined) return undefined;
    const { grpcAddress, kafkaAddress, rack } = present(this.#image.brokers.get(session.brokerId), 'it is registered');
    const { revision: epoch } = session;
    return {
      stat: statWith({ created: epoch, modified: epoch, ephemeral: true }),
      data: () => ({
        version: VERSION,
        epoch,
        grpc: grpcAddress,
        kafka: kafkaAddress === '' ? null : kafkaAddress,
        rack: rack === '' ? null : rack,
      }),
    };
  }

  #topicNode(components: readonly string[], name: string, below: readonly string[]): SystemNode | undefined {
    const topic = this.#image.topics.get(name);
    if (topic === undefined) return undefined;
    const [what, index, state, ...more] = below;
    if (what === undefined) return this.#topic(topic);
    if (what !== 'partitions') return below.length === 1 ? this.#held(topic, what) : undefined;
    if (index === undefined) return this.#directory(components);
    const partition = /^(0|[1-9]\d{0,5})$/.test(index) ? this.#image.partitionsOf(topic)[Number(index)] : undefined;
    if (partition === undefined || more.length > 0) return undefined;
    if (state === undefined) return { stat: statWith({ ...revisionsOf(partition), childCount: 1 }), data: undefined };
    return state === 'state' ? partitionState(partition) : undefined;
  }

  #topic(topic: Created<TopicRecord>): SystemNode {
    const partitions = [...this.#image.partitionsOf(topic)];
    const { id } = topic;
    return {
      stat: statWith({ ...revisionsOf(topic), childCount: 1 + this.#holders(topic).length }),
      data: () => ({
        version: VERSION,
        topic_id: id,
        partitions: Object.fromEntries(partitions.map(({ index, replicas }) => [index, replicas])),
      }),
    };
  }

  /** How many of a topic's partitions a live broker holds. */
  #held(topic: TopicRecord, name: string): SystemNode | undefined {
    const id = brokerIdOf(name);
    if (id === undefined || this.#image.sessionOf(id) === undefined) return undefined;
    let partitions = 0;
    for (const { replicas } of this.#image.partitionsOf(topic)) if (replicas.includes(id)) partitions++;
    return partitions === 0 ? undefined : { stat: statWith({}), data: () => ({ version: VERSION, partitions }) };
  }

  /** The live brokers that hold partitions of a topic. */
  #holders(topic: TopicRecord): BrokerId[] {
    const holders = new Set<BrokerId>();
    for (const { replicas } of this.#image.partitionsOf(topic)) for (const id of replicas) holders.add(id);
    return [...holders].filter((id) => this.#image.sessionOf(id) !== undefined);
  }

  #topicConfigs(name: string): SystemNode | undefined {
    const topic = this.#image.topics.get(name);
    if (topic === undefined) return undefined;
    const { configs } = topic;
    return { stat: statWith(revisionsOf(topic)), data: () => ({ version: VERSION, config: configs }) };
  }

  #brokerConfigs(name: string): SystemNode | undefined {
    const owner: BrokerConfigsOwner | undefined = name === 'default' ? name : brokerIdOf(name);
    const record = owner === undefined ? undefined : this.#image.brokerConfigs.get(owner);
    if (record === undefined) return undefined;
    const { configs } = record;
    return { stat: statWith(revisionsOf(record)), data: () => ({ version: VERSION, config: configs }) };
  }
}

const NO_DATA = new Uint8Array(0);

/** What each root has below it. */
const ROOTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['controller', []],
  ['brokers', ['ids', 'topics']],
  ['config', ['brokers', 'topics']],
  ['gateways', ['ids']],
]);

function partitionState(partition: Created<PartitionRecord>): SystemNode {
  return {
    // Every change of a partition is one of its state.
    stat: { ...statWith(revisionsOf(partition)), version: partition.partitionEpoch },
    data: () => ({
      version: VERSION,
      leader: partition.leader,
      leader_epoch: partition.leaderEpoch,
      isr: partition.isr.map(({ broker }) => broker),
      partition_epoch: partition.partitionEpoch,
    }),
  };
}

function gatewayNode(session: LiveClientSession | undefined): SystemNode | undefined {
  if (session?.gateway === undefined) return undefined;
  const { httpAddress } = session.gateway;
  return {
    stat: statWith({ created: session.revision, modified: session.revision, ephemeral: true }),
    data: () => ({ version: VERSION, http: httpAddress }),
  };
}

function revisionsOf({ createRevision, revision }: { createRevision: Revision; revision: Revision }): {
  readonly created: Revision;
  readonly modified: Revision;
} {
  return { created: createRevision, modified: revision };
}

function statWith({
  created = 0,
  modified = 0,
  childCount = 0,
  ephemeral = false,
}: {
  readonly created?: number;
  readonly modified?: number;
  readonly childCount?: number;
  readonly ephemeral?: boolean;
}): NodeStat {
  return {
    createRevision: created,
    modRevision: modified,
    version: 0,
    childrenVersion: 0,
    childCount,
    ephemeralOwner: ephemeral ? created : 0,
  };
}

function brokerIdOf(name: string): BrokerId | undefined {
  if (!/^(0|[1-9]\d{0,9})$/.test(name)) return undefined;
  const id = Number(name);
  return id <= 0x7fff_ffff ? brokerId(id) : undefined;
}

function jsonOf(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
