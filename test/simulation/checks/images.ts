import type { ClusterImage, ImageChange, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { History, Stored } from './history.ts';
import { partitionKey } from './history.ts';

/** A delta that leaves something out is found by comparing everything every so often. */
const WHOLE_EVERY = 20;

/** What a follower knows is what the store held at the revision that it says it knows, and that revision never falls. */
export class ImageCheck {
  readonly #name: string;
  readonly #history: History;
  readonly #violated: (what: string) => void;
  #revision = -1;
  #changes = 0;

  constructor(name: string, options: { readonly history: History; readonly violated: (what: string) => void }) {
    this.#name = name;
    this.#history = options.history;
    this.#violated = options.violated;
  }

  changed(image: ClusterImage, changes: readonly ImageChange[]): void {
    const { revision } = image;
    if (revision < this.#revision) this.#wrong(`went back from revision ${this.#revision} to ${revision}`);
    if (revision > this.#history.revision) this.#wrong(`is at revision ${revision}, which the store has not reached`);
    this.#revision = revision;
    if (changes.some(({ kind }) => kind === 'all') || ++this.#changes % WHOLE_EVERY === 0) return this.whole(image);
    for (const change of changes) this.#one(image, change);
  }

  /** Compares everything. */
  whole(image: ClusterImage): void {
    const { revision } = image;
    const brokers = [...image.brokers()].map(({ id }) => String(id)).toSorted();
    const topics = [...image.topics()].map(({ name }) => name).toSorted();
    this.#same('brokers', brokers, keysUnder(this.#history, '/brokers/', revision));
    this.#same('topics', topics, keysUnder(this.#history, '/topics/', revision));
    const active = this.#history.activeBrokers(revision);
    for (const id of brokers) this.#broker(image, Number(id), active);
    for (const topic of image.topics()) this.#topic(topic, revision);
    for (const owner of ['default', ...brokers]) this.#configs(image, owner);
  }

  #one(image: ClusterImage, change: ImageChange): void {
    switch (change.kind) {
      case 'all':
        return;
      case 'broker':
        return this.#broker(image, change.broker.id, this.#history.activeBrokers(image.revision));
      case 'brokerGone':
        return this.#broker(image, change.id, this.#history.activeBrokers(image.revision));
      case 'topic':
        return this.#topic(change.topic, image.revision);
      case 'partition':
        return this.#partition(change.topic, change.partition.index, image.revision);
      case 'configs':
        return this.#configs(image, String(change.brokerId));
      case 'topicDeleted':
        if (image.topicById(change.id) !== undefined) this.#wrong(`still has topic ${change.name}, which was deleted`);
        if (this.#history.at(`/deleted-topics/${change.id}`, image.revision) === undefined) {
          this.#wrong(`was told that ${change.name} was deleted, which is not so`);
        }
        return;
    }
  }

  #broker(image: ClusterImage, id: number, active: ReadonlyMap<number, number>): void {
    const stored = this.#history.at(`/brokers/${id}`, image.revision);
    const drain = stored?.['drain'] as { readonly epoch: number; readonly isOn: boolean } | undefined;
    const epoch = drain?.epoch ?? this.#history.writtenAt(`/brokers/${id}`, image.revision);
    const known = image.broker(id);
    const drains = drain?.isOn === true && active.get(id) === epoch;
    this.#same(
      `broker ${id}`,
      known && [known.epoch, known.active, known.draining, known.grpcAddress, known.kafkaAddress, known.rack],
      stored && [epoch, active.has(id), drains, stored['grpcAddress'], stored['kafkaAddress'], stored['rack']],
    );
  }

  #topic(topic: TopicInfo, revision: number): void {
    const { name, id, partitions, configs } = topic;
    const stored = this.#history.at(`/topics/${name}`, revision);
    this.#same(
      `topic ${name}`,
      [id, partitions.length, sorted(configs)],
      stored && [stored['id'], stored['partitionCount'], sorted(stored['configs'] as Stored)],
    );
    for (const { index } of partitions) this.#partition(topic, index, revision);
  }

  #partition({ id, partitions }: TopicInfo, index: number, revision: number): void {
    const known = partitions[index];
    const stored = this.#history.at(partitionKey(id, index), revision);
    this.#same(
      `partition ${id}-${index}`,
      known && [known.leader, known.leaderEpoch, known.partitionEpoch, known.replicas, known.isr],
      stored && [
        stored['leader'],
        stored['leaderEpoch'],
        stored['partitionEpoch'],
        stored['replicas'],
        (stored['isr'] as { broker: number }[]).map(({ broker }) => broker),
      ],
    );
  }

  #configs(image: ClusterImage, owner: string): void {
    const stored = this.#history.at(`/configs/brokers/${owner}`, image.revision);
    const known = image.brokerConfigs(owner === 'default' ? owner : Number(owner));
    this.#same(`configs of ${owner}`, sorted(known), sorted((stored?.['configs'] ?? {}) as Stored));
  }

  #same(what: string, known: unknown, stored: unknown): void {
    const [a, b] = [JSON.stringify(known), JSON.stringify(stored)];
    if (a !== b) this.#wrong(`knows ${what} at revision ${this.#revision} as ${a}, and the store had ${b}`);
  }

  #wrong(what: string): void {
    this.#violated(`the image of ${this.#name} ${what}`);
  }
}

function sorted(configs: Stored): unknown {
  return Object.entries(configs).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function keysUnder(history: History, prefix: string, revision: number): string[] {
  return [...history.under(prefix, revision)].map(([rest]) => rest).toSorted();
}
