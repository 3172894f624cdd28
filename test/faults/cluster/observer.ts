import { Client } from '@weir/client/client.ts';
import type { PartitionInfo } from '@weir/client/metadata/cluster-image.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import type { LoadTopic } from '../load.ts';

const LOOK_MS = 10;

/** Follows what the coordinator says of a topic: who leads, who is in sync, and how often that changes. */
export class Observer {
  readonly client: Client;
  /** Over all partitions; a change to nobody is none, that to the next one is. */
  leaderChanges = 0;
  isrChanges = 0;
  readonly #topic: LoadTopic;
  readonly #timer: NodeJS.Timeout;
  #seen: readonly PartitionInfo[] = [];

  constructor(coordinators: readonly string[], topic: LoadTopic) {
    this.#topic = topic;
    this.client = new Client({ coordinators, name: 'observer' }, clientWorld);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** As they are now, by index; empty while the topic is not known. */
  get partitions(): readonly PartitionInfo[] {
    return this.client.topic(this.#topic.name)?.partitions ?? [];
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.client.close();
  }

  #look(): void {
    const partitions = [...this.partitions];
    for (const [i, now] of partitions.entries()) {
      const before = this.#seen[i];
      if (before === undefined || before.partitionEpoch === now.partitionEpoch) continue;
      if (now.leader !== -1 && now.leaderEpoch !== before.leaderEpoch) this.leaderChanges++;
      if (before.isr.toString() !== now.isr.toString()) this.isrChanges++;
    }
    this.#seen = partitions;
  }
}
