import type { Connections } from '../connections.ts';
import type { ImageChange, TopicInfo } from '../metadata/cluster-image.ts';
import type { Metadata } from '../metadata/metadata.ts';
import type { ClientWorld } from '../world.ts';
import { FetchLink } from './fetch-link.ts';
import { PartitionReader } from './subscription.ts';
import type { SubscribeRequest, Subscription, SubscriptionHandlers } from './subscription.ts';

/** All subscriptions of a client, over one fetch stream a broker. */
export class Fetcher {
  readonly #metadata: Metadata;
  readonly #connections: Connections;
  readonly #world: ClientWorld;
  readonly #links = new Map<number, FetchLink>();
  readonly #readers = new Set<PartitionReader>();
  #closed = false;

  constructor(metadata: Metadata, connections: Connections, world: ClientWorld) {
    this.#metadata = metadata;
    this.#connections = connections;
    this.#world = world;
    metadata.listen((changes) => this.#imageChanged(changes));
  }

  /**
   * Reads a partition from an offset on. It ends by itself only with a definite refusal, such as OFFSET_OUT_OF_RANGE
   * or UNKNOWN_TOPIC_OR_PARTITION; an absent leader is waited for.
   */
  subscribe(request: SubscribeRequest, handlers: SubscriptionHandlers): Subscription {
    const reader = new PartitionReader(request, handlers, {
      metadata: this.#metadata,
      world: this.#world,
      linkTo: (topic, partition) => this.#linkTo(topic, partition),
      over: (finished) => void this.#readers.delete(finished),
    });
    this.#readers.add(reader);
    if (this.#closed) this.#world.clock.endOfTurn(() => reader.end(CLOSED));
    return reader;
  }

  /** Ends every subscription with SHUTTING_DOWN. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.end(CLOSED);
    for (const link of this.#links.values()) link.cut(CLOSED);
    this.#links.clear();
  }

  #linkTo(topic: TopicInfo, partition: number): FetchLink | undefined {
    const leader = topic.partitions[partition]?.leader ?? -1;
    const broker = leader === -1 ? undefined : this.#metadata.image.broker(leader);
    if (broker === undefined) return undefined;
    let link = this.#links.get(broker.id);
    if (link === undefined) {
      link = new FetchLink(broker.grpcAddress, this.#connections.to(broker.grpcAddress));
      this.#links.set(broker.id, link);
    }
    return link;
  }

  #imageChanged(changes: readonly ImageChange[]): void {
    for (const change of changes) {
      if (change.kind !== 'topicDeleted') continue;
      for (const reader of this.#readers) reader.topicDeleted(change.id);
    }
    for (const [id, link] of this.#links) {
      const broker = this.#metadata.image.broker(id);
      if (broker?.active === true && broker.grpcAddress === link.address) continue;
      this.#links.delete(id);
      link.cut({ code: 'NOT_LEADER_OR_FOLLOWER', message: `broker ${id} at ${link.address} is gone` });
    }
    for (const reader of this.#readers) reader.imageChanged();
  }
}

const CLOSED = { code: 'SHUTTING_DOWN', message: 'the client is closed' } as const;
