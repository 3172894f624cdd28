import { BATCH_BYTES } from '@weir/base/limits.ts';
import type { Random } from '@weir/base/random.ts';
import { partitionForKey } from '@weir/records/murmur2.ts';
import type { TopicInfo } from '../metadata/cluster-image.ts';
import { PartitionQueue } from './partition-queue.ts';
import type { ProducerRecord } from './send-call.ts';

/** Tries at a partition that has a leader, among many that may have none. */
const STICKY_TRIES = 4;

/** A topic's queues, and which partition the records without a key go to for now. */
export class TopicSender {
  #info: TopicInfo;
  readonly #random: Random;
  readonly #queues: PartitionQueue[] = [];
  #sticky = -1;
  /** The topic is gone for good: nothing that waits here is ever sent. */
  deleted = false;

  constructor(info: TopicInfo, random: Random) {
    this.#info = info;
    this.#random = random;
    this.#moveOn();
  }

  get info(): TopicInfo {
    return this.#info;
  }

  /** Largest batch the topic takes. */
  get maxBytes(): number {
    return this.#info.messageBytesMax;
  }

  /** Where a batch is closed. */
  get batchBytes(): number {
    return Math.min(BATCH_BYTES, this.maxBytes);
  }

  /** Takes over the topic's newest state. */
  refresh(info: TopicInfo): void {
    this.#info = info;
  }

  /** The partition that a record goes to; it may be one that the topic does not have. */
  partitionFor(record: ProducerRecord): number {
    if (record.partition !== undefined) return record.partition;
    if (record.key === null) return this.#sticky;
    return partitionForKey(record.key, this.#info.partitions.length);
  }

  queue(index: number): PartitionQueue | undefined {
    const known = this.#queues[index];
    if (known !== undefined) return known;
    if (this.#info.partitions[index] === undefined) return undefined;
    const queue = new PartitionQueue(this, index);
    this.#queues[index] = queue;
    return queue;
  }

  /** Records without a key go on to another partition (KIP-480). */
  batchClosed(index: number): void {
    if (index === this.#sticky) this.#moveOn();
  }

  #moveOn(): void {
    const { partitions } = this.#info;
    const former = this.#sticky;
    for (let i = 0; i < STICKY_TRIES; i++) {
      this.#sticky = Math.floor(this.#random.unit() * partitions.length);
      if (this.#sticky === former && partitions.length > 1) this.#sticky = (this.#sticky + 1) % partitions.length;
      if (partitions[this.#sticky]?.leader !== -1) return;
    }
  }
}
