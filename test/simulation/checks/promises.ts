import type { History, Stored } from './history.ts';

/** What clients were told, held against what the store had then and has at the end: nothing that was told is lost. */
export class PromiseChecks {
  readonly #history: History;
  readonly #violated: (what: string) => void;
  /** Topics that somebody was told of, by id. */
  readonly #created = new Map<string, { readonly name: string; partitionCount: number }>();
  /** Names of which somebody has asked that the topic be deleted. */
  readonly #deletionAsked = new Set<string>();
  readonly #producerIds = new Map<number, string>();

  constructor(options: { readonly history: History; readonly violated: (what: string) => void }) {
    this.#history = options.history;
    this.#violated = options.violated;
  }

  created(
    name: string,
    { id, partitionCount, revision }: { id: string; partitionCount: number; revision: number },
  ): void {
    const stored = this.#history.at(`/topics/${name}`, revision);
    if (stored?.['id'] !== id || stored['partitionCount'] !== partitionCount) {
      this.#violated(`topic ${name} (${id}) was told to exist at ${revision}, and was ${JSON.stringify(stored)}`);
    }
    this.#created.set(id, { name, partitionCount });
  }

  deletionAsked(name: string): void {
    this.#deletionAsked.add(name);
  }

  deleted(id: string, revision: number): void {
    if (this.#history.at(`/deleted-topics/${id}`, revision) === undefined) {
      this.#violated(`topic ${id} was told to be deleted at ${revision}, and is not`);
    }
  }

  grown(name: string, { partitionCount, revision }: { partitionCount: number; revision: number }): void {
    const stored = this.#history.at(`/topics/${name}`, revision);
    if (stored?.['partitionCount'] !== partitionCount) {
      this.#violated(`${name} was told to have ${partitionCount} partitions at ${revision}: ${JSON.stringify(stored)}`);
    }
    const known = this.#created.get(stored?.['id'] as string);
    if (known !== undefined) known.partitionCount = Math.max(known.partitionCount, partitionCount);
  }

  /** @param key - the resource's key in the store */
  altered(key: string, { name, value, revision }: { name: string; value: string | undefined; revision: number }): void {
    const configs = (this.#history.at(key, revision)?.['configs'] ?? {}) as Stored;
    if (revision > 0 && configs[name] !== value) {
      this.#violated(`${name} of ${key} was told to be ${value} at ${revision}, and is ${configs[name]}`);
    }
  }

  producerIds(
    broker: string,
    { firstId, count, brokerEpoch }: { firstId: number; count: number; brokerEpoch: number },
  ): void {
    const before = this.#producerIds.get(firstId);
    if (before !== undefined) this.#violated(`producer ids from ${firstId} were given to ${before} and to ${broker}`);
    this.#producerIds.set(firstId, broker);
    const given = this.#history.versionsOf('/producer-ids').find(({ value }) => value?.['next'] === firstId + count);
    if (given === undefined) return this.#violated(`producer ids from ${firstId} are not written down`);
    const epochs = [...this.#history.activeBrokers(given.revision).values()];
    if (!epochs.includes(brokerEpoch)) {
      this.#violated(`${broker} got producer ids for the epoch ${brokerEpoch}, which was over at ${given.revision}`);
    }
  }

  /** A broker removes its records of a topic. */
  removed(broker: string, topicId: string): void {
    if (this.#history.now(`/deleted-topics/${topicId}`) === undefined) {
      this.#violated(`${broker} removed the records of ${topicId}, which was not deleted`);
    }
  }

  /** When all is over. */
  kept(): void {
    for (const [id, { name, partitionCount }] of this.#created) {
      if (this.#deletionAsked.has(name)) continue;
      const stored = this.#history.now(`/topics/${name}`);
      if (stored?.['id'] !== id || stored['partitionCount'] < partitionCount) {
        this.#violated(`topic ${name} (${id}) was told to exist with ${partitionCount} partitions and is lost`);
      }
    }
  }
}
