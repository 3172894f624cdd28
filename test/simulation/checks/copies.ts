import type { ClusterImage } from '@weir/coordinator/controller/image.ts';
import type { Namespace } from '@weir/coordinator/namespace/namespace.ts';
import type { History, Stored } from './history.ts';
import { partitionKey } from './history.ts';

/** What an image says of each key of the store, and the store itself: a value, and the revision that wrote it. */
type Contents = Map<string, string>;

/**
 * What a coordinator knows, as the active one or standing by, is all that the store held at the revision that it says, and
 * nothing else.
 */
export class CopyChecks {
  readonly #history: History;
  readonly #violated: (what: string) => void;

  constructor(options: { readonly history: History; readonly violated: (what: string) => void }) {
    this.#history = options.history;
    this.#violated = options.violated;
  }

  /** @param name - whose it is */
  whole(name: string, image: ClusterImage): void {
    const { revision } = image;
    if (revision > this.#history.revision) {
      return this.#violated(`${name} is at revision ${revision}, which the store has not reached`);
    }
    const [known, stored] = [knownOf(image), this.#stored(revision)];
    for (const key of new Set([...known.keys(), ...stored.keys()])) {
      if (known.get(key) === stored.get(key)) continue;
      const words = `${known.get(key)}, and the store had ${stored.get(key)}`;
      return this.#violated(`${name} knows ${key} at revision ${revision} as ${words}`);
    }
  }

  #stored(revision: number): Contents {
    const history = this.#history;
    const stored: Contents = new Map();
    const take = (prefix: string, pick: (value: Stored) => unknown): void => {
      for (const [rest, value] of history.under(prefix, revision)) {
        const key = prefix + rest;
        stored.set(key, said(pick(value), history.writtenAt(key, revision)));
      }
    };
    take('/brokers/', brokerIn);
    take('/sessions/', (value) => value['brokerId']);
    take('/topics/', ({ id, partitionCount, configs }) => [id, partitionCount, sorted(configs)]);
    take('/deleted-topics/', ({ name, deletedMs }) => [name, deletedMs]);
    take('/configs/brokers/', ({ configs }) => sorted(configs));
    take('/client-sessions/', ({ name }) => name);
    for (const [id, index, value] of history.partitions(revision)) {
      const key = partitionKey(id, index);
      stored.set(key, said(partitionIn(value), history.writtenAt(key, revision)));
    }
    for (const [rest, value] of history.under('/nodes/', revision)) {
      const at = history.writtenAt(`/nodes/${rest}`, revision);
      const owner = value['owner'] as string | undefined;
      const isThere = owner === undefined || history.at(`/client-sessions/${owner}`, revision) !== undefined;
      stored.set(`/nodes/${rest}`, isThere ? said([value['text'], value['version']], at) : said('stale', at));
    }
    for (const [rest, { count }] of history.under('/node-creations/', revision)) {
      stored.set(`/node-creations/${rest}`, said(count, 0));
    }
    stored.set('/producer-ids', said(history.at('/producer-ids', revision)?.['next'] ?? 0, 0));
    return stored;
  }
}

function knownOf(image: ClusterImage): Contents {
  const known: Contents = new Map();
  for (const [id, broker] of image.brokers) known.set(`/brokers/${id}`, said(brokerIn(broker), broker.revision));
  for (const [id, session] of image.sessions) known.set(`/sessions/${id}`, said(session.brokerId, session.revision));
  for (const [name, topic] of image.topics) {
    const { id, partitionCount, configs, revision } = topic;
    known.set(`/topics/${name}`, said([id, partitionCount, sorted(configs)], revision));
    for (const partition of image.partitionsOf(topic)) {
      known.set(partitionKey(id, partition.index), said(partitionIn(partition), partition.revision));
    }
  }
  for (const [id, { name, deletedMs, revision }] of image.deletedTopics) {
    known.set(`/deleted-topics/${id}`, said([name, deletedMs], revision));
  }
  for (const [owner, { configs, revision }] of image.brokerConfigs) {
    known.set(`/configs/brokers/${owner}`, said(sorted(configs), revision));
  }
  const { namespace } = image;
  for (const [id, { name, revision }] of namespace.sessions) known.set(`/client-sessions/${id}`, said(name, revision));
  for (const [path, revision] of namespace.stale) known.set(`/nodes${path}`, said('stale', revision));
  takeNodes(namespace, '/', known);
  known.set('/producer-ids', said(image.nextProducerId, 0));
  return known;
}

/** What is below a node. */
function takeNodes(namespace: Namespace, path: string, known: Contents): void {
  const creations = namespace.creations(path);
  if (creations > 0) known.set(`/node-creations${path}`, said(creations, 0));
  for (const name of namespace.children(path)) {
    const child = path === '/' ? `/${name}` : `${path}/${name}`;
    const node = namespace.get(child);
    if (node === undefined) continue;
    const { version, modRevision } = node.stat;
    known.set(`/nodes${child}`, said([Buffer.from(node.data()).toString(), version], modRevision));
    takeNodes(namespace, child, known);
  }
}

/** Of a record, or of what is stored of it. */
function brokerIn({ directoryId, incarnationId, grpcAddress, kafkaAddress, rack, drain }: Stored): unknown {
  return [directoryId, incarnationId, grpcAddress, kafkaAddress, rack, drain && [drain['epoch'], drain['isOn']]];
}

function partitionIn(partition: Stored): unknown {
  const { replicas, leader, leaderEpoch, partitionEpoch, uncleanEpoch, isr, elr, lastKnownElr } = partition;
  const inSync = (isr as { broker: number; epoch: number }[]).map(({ broker, epoch }) => [broker, epoch]);
  const [eligible, lastKnown] = [elr, lastKnownElr].map((of: { broker: number; directory: string }[]) =>
    of.map(({ broker, directory }) => [broker, directory]),
  );
  return [replicas, leader, leaderEpoch, partitionEpoch, uncleanEpoch, inSync, eligible, lastKnown];
}

function sorted(configs: Stored): unknown {
  return Object.entries(configs).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function said(value: unknown, revision: number): string {
  return `${JSON.stringify(value)} of ${revision}`;
}
