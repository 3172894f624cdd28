import { Client } from '@weir/client/client.ts';
import type { Parts } from '../parts.ts';
import { clientProcess } from './client-world.ts';
import type { BrokerSwarm, TopicSwarm } from './swarm.ts';

const RETRY_MS = 200;

/** One partition of the load. */
export interface LoadPartition {
  readonly topic: TopicSwarm;
  readonly index: number;
  /** For histories. */
  readonly name: string;
}

/** All partitions that the load is about. */
export function loadPartitions({ topics }: BrokerSwarm): LoadPartition[] {
  return topics.flatMap((topic) =>
    Array.from({ length: topic.partitions }, (_, index) => ({ topic, index, name: `${topic.name}/${index}` })),
  );
}

/** Creates the topics of the load, as soon as there are brokers for them. */
export class Topics {
  readonly #client: Client;
  readonly #wait: (callback: () => void) => void;
  #missing: readonly TopicSwarm[];

  constructor(parts: Parts<BrokerSwarm>, coordinators: readonly string[]) {
    const { process, world } = clientProcess('administrator', parts);
    this.#client = new Client({ coordinators, name: process.name }, world);
    this.#wait = (callback) => void process.clock.after(RETRY_MS, callback);
    this.#missing = parts.swarm.topics;
    this.#create();
  }

  /** Whether all of them exist. */
  get areThere(): boolean {
    return this.#missing.length === 0;
  }

  #create(): void {
    const wanted = this.#missing;
    this.#client.createTopics(wanted.map(newTopic)).then(
      (results) => {
        const made = new Set(
          results
            .filter(({ refusal }) => (refusal?.code ?? 'TOPIC_ALREADY_EXISTS') === 'TOPIC_ALREADY_EXISTS')
            .map(({ name }) => name),
        );
        this.#missing = wanted.filter(({ name }) => !made.has(name));
        if (this.#missing.length > 0) this.#wait(() => this.#create());
      },
      () => this.#wait(() => this.#create()),
    );
  }
}

function newTopic({ name, partitions, replicationFactor, minInSync, flush, compaction }: TopicSwarm): {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly configs: Record<string, string>;
} {
  const configs: Record<string, string> = { 'min.insync.replicas': String(minInSync), flush };
  if (compaction !== undefined) {
    const { minLagMs, deleteRetentionMs, dirtyRatio } = compaction;
    configs['cleanup.policy'] = 'compact';
    configs['min.compaction.lag.ms'] = String(minLagMs);
    configs['delete.retention.ms'] = String(deleteRetentionMs);
    configs['min.cleanable.dirty.ratio'] = String(dirtyRatio);
    // Segments that grow slowly are sealed as well.
    configs['segment.ms'] = '1000';
  }
  return { name, partitions, replicationFactor, configs };
}
