import type { Random } from '@weir/base/random.ts';
import type { Client } from '@weir/client/client.ts';
import type { RecordHistory } from '../../simulation/checks/record-history.ts';
import type { LoadTopic } from '../load.ts';
import { Lanes } from './lanes.ts';

const REPLICAS = 3;
const METADATA_WITHIN_MS = 30_000;

/** A topic of the cluster, with its id. */
export type KnownTopic = LoadTopic & { readonly id: string };

/** What topics are made of, and who is told what. */
export interface LoadedTopicsParts {
  readonly client: Client;
  readonly target: { readonly coordinators: readonly string[]; readonly gatewayUrl: string };
  readonly flush: 'commit' | 'interval';
  readonly history: RecordHistory;
  readonly random: Random;
}

/** Topics that come and grow, each under a load of its own from then on. */
export class LoadedTopics {
  readonly #parts: LoadedTopicsParts;
  readonly #topics: KnownTopic[] = [];
  readonly #lanes: Lanes[] = [];

  constructor(parts: LoadedTopicsParts) {
    this.#parts = parts;
  }

  /** As they are now. */
  get all(): readonly KnownTopic[] {
    return this.#topics;
  }

  /** Creates a topic, and begins to write to it. @throws Error (as a rejection) */
  async create(topic: LoadTopic): Promise<{ readonly topic: KnownTopic; readonly lanes: Lanes }> {
    const { client, flush } = this.#parts;
    await client.ready(METADATA_WITHIN_MS);
    const [made] = await client.createTopics([{ ...topic, replicationFactor: REPLICAS, configs: { flush } }]);
    if (made?.refusal !== undefined) throw new Error(`${topic.name} was not created: ${made.refusal.message}`);
    const known = { ...topic, id: (await client.awaitTopic(topic.name)).id };
    this.#topics.push(known);
    return { topic: known, lanes: this.#load(known) };
  }

  /** Gives a topic so many partitions, and writes to all of them from others, too. @throws Error (as a rejection) */
  async grow({ name }: LoadTopic, partitions: number): Promise<void> {
    const at = this.#topics.findIndex((topic) => topic.name === name);
    const [grown] = await this.#parts.client.createPartitions([{ name, totalCount: partitions }]);
    if (grown?.refusal !== undefined) throw new Error(`${name} has not grown: ${grown.refusal.message}`);
    const topic = { ...this.#topics[at]!, partitions };
    this.#topics[at] = topic;
    this.#load(topic);
  }

  /** See `Lanes.stop`. */
  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lanes) => lanes.stop()));
  }

  /** Ends those who read. */
  async stopReading(): Promise<void> {
    await Promise.all(this.#lanes.map((lanes) => lanes.stopReading()));
  }

  #load(topic: LoadTopic): Lanes {
    const { target, history, random } = this.#parts;
    const name = this.#lanes.length === 0 ? '' : `load-${this.#lanes.length + 1}-`;
    const lanes = new Lanes({ ...target, topic, name }, history, random);
    this.#lanes.push(lanes);
    return lanes;
  }
}
