/** Where a group has come to in a partition. */
export interface CommittedOffset {
  /** Of the next record that it wants. */
  readonly offset: number;
  /** Of the record before it; -1: not known. */
  readonly leaderEpoch: number;
  /** Whatever the client wants to find again. */
  readonly metadata: string;
  /** In milliseconds since 1970. */
  readonly committedMs: number;
  /** When it is forgotten, in milliseconds since 1970; undefined: by the group's retention. Old clients name it. */
  readonly expiresMs: number | undefined;
  /** 16 bytes, as far as the client said it. */
  readonly topicId: Uint8Array | undefined;
}

/** A partition by its topic's name, as groups know it. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** An offset, and the revision of its group's log since which it counts. */
export interface StoredOffset {
  readonly committed: CommittedOffset;
  readonly revision: number;
}

/** What a group has committed, and what of it is stored. The last commit of a partition counts. */
export class CommittedOffsets {
  readonly #topics = new Map<string, Map<number, StoredOffset>>();
  #size = 0;

  /** Of how many partitions. */
  get size(): number {
    return this.#size;
  }

  get(place: TopicPartition): CommittedOffset | undefined {
    return this.stored(place)?.committed;
  }

  /** The same, and since when. */
  stored({ topic, partition }: TopicPartition): StoredOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  /** Takes over what is stored; null: it is deleted. */
  set({ topic, partition }: TopicPartition, stored: StoredOffset | null): void {
    let partitions = this.#topics.get(topic);
    if (stored === null) {
      if (partitions?.delete(partition) !== true) return;
      this.#size--;
      if (partitions.size === 0) this.#topics.delete(topic);
      return;
    }
    if (partitions === undefined) this.#topics.set(topic, (partitions = new Map()));
    if (!partitions.has(partition)) this.#size++;
    partitions.set(partition, stored);
  }

  /** In no order. */
  topics(): Iterable<string> {
    return this.#topics.keys();
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  /** Of how many partitions of a topic. */
  sizeOf(topic: string): number {
    return this.#topics.get(topic)?.size ?? 0;
  }

  /** Partitions of one topic, in no order. */
  partitionsOf(topic: string): readonly number[] {
    return [...(this.#topics.get(topic)?.keys() ?? [])];
  }

  *[Symbol.iterator](): Generator<TopicPartition & { readonly committed: CommittedOffset }> {
    for (const [topic, partitions] of this.#topics) {
      for (const [partition, { committed }] of partitions) yield { topic, partition, committed };
    }
  }
}
