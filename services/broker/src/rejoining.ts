import type { BrokerId } from '@weir/base/ids.ts';
import type { ClusterImage, ImageChange, PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { folderOf } from './partition/partition-key.ts';
import type { PartitionKey } from './partition/partition-key.ts';

/**
 * Which replicas of a broker have not been in sync since its start. Each of them is a latch: what falls behind later has
 * rejoined all the same.
 *
 * Invariant: only what the metadata says under this run's registration counts. A seat of the registration before is one that
 * the coordinator has not taken away yet.
 */
export class Rejoining {
  readonly #me: BrokerId;
  /** By folder. */
  readonly #left = new Map<string, PartitionKey>();
  readonly #rejoined = new Set<string>();
  /** Made anew from the others, however long that takes. */
  readonly #inRepair: ReadonlySet<string>;

  constructor(me: BrokerId, inRepair: Iterable<PartitionKey>) {
    this.#me = me;
    this.#inRepair = new Set([...inRepair].map(folderOf));
  }

  /** Takes in what changed in the metadata, as a broker that is registered under this epoch. */
  apply(image: ClusterImage, changes: readonly ImageChange[], brokerEpoch: number): void {
    for (const change of changes) {
      switch (change.kind) {
        case 'all':
          this.#left.clear();
          for (const topic of image.topics()) this.#considerAll(topic, brokerEpoch);
          break;
        case 'topic':
          this.#considerAll(change.topic, brokerEpoch);
          break;
        case 'partition':
          this.#consider(change.topic, change.partition, brokerEpoch);
          break;
        case 'topicDeleted':
          for (const [folder, { topicId }] of this.#left) if (topicId === change.id) this.#left.delete(folder);
          break;
        case 'configs':
        case 'broker':
        case 'brokerGone':
          break;
      }
    }
  }

  /**
   * How many are to be waited for: those that somebody leads who lives, and that neither are offline nor are made anew. What
   * nobody leads may wait for this very broker's clients.
   *
   * @param isOffline - of a replica's folder
   */
  count(image: ClusterImage, isOffline: (folder: string) => boolean): number {
    let count = 0;
    for (const [folder, { topicId, index }] of this.#left) {
      if (this.#inRepair.has(folder) || isOffline(folder)) continue;
      const leader = image.topicById(topicId)?.partitions[index]?.leader ?? -1;
      if (leader !== -1 && (leader === this.#me || image.broker(leader)?.active === true)) count++;
    }
    return count;
  }

  #considerAll(topic: TopicInfo, brokerEpoch: number): void {
    for (const info of topic.partitions) this.#consider(topic, info, brokerEpoch);
  }

  #consider({ id }: TopicInfo, { index, replicas, isr, isrEpochs }: PartitionInfo, brokerEpoch: number): void {
    const key: PartitionKey = { topicId: id, index };
    const folder = folderOf(key);
    if (isr.some((member, i) => member === this.#me && isrEpochs[i] === brokerEpoch)) this.#rejoined.add(folder);
    if (replicas.includes(this.#me) && !this.#rejoined.has(folder)) this.#left.set(folder, key);
    else this.#left.delete(folder);
  }
}
