import type { Client } from '@weir/client/client.ts';
import { isGivenAway } from '@weir/client/consumer/given-away.ts';
import type { ConsumedRecord, GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import { WordCounts } from './counts.ts';
import type { FoundWord } from './counts.ts';
import { GROUPS, SESSION_TIMEOUT_MS } from './places.ts';
import type { Topics } from './places.ts';
import { readTable } from './table.ts';

/** Who a counter is. */
export interface CounterOptions {
  /** Of a static member: back within the session timeout under this name, it has its partitions at once. */
  readonly instanceId: string;
  readonly topics: Topics;
  /** Called when counts are published and not committed yet. */
  readonly published: () => void;
}

/** A member of the group that counts words. It publishes the counts that have changed, and commits after that. */
export class Counter {
  words = 0;
  recognised = 0;
  readonly #client: Client;
  readonly #options: CounterOptions;
  readonly #consumer: GroupConsumer;
  /** By partition, those that it has. */
  readonly #counts = new Map<number, WordCounts>();
  readonly #running: Promise<void>;
  #step: Promise<void> = Promise.resolve();

  constructor(client: Client, options: CounterOptions) {
    const { instanceId, topics } = options;
    this.#client = client;
    this.#options = options;
    this.#consumer = client.consumer({
      groupId: GROUPS.counters(topics),
      instanceId,
      topics: [topics.words],
      offsetReset: 'earliest',
      commitIntervalMs: 'manual',
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      events: {
        assigned: (places) => this.#begin(places),
        revoked: async (places) => {
          // What is on its way is published and committed before the partitions are given away.
          await Promise.allSettled([this.#step]);
          this.#forget(places);
        },
        lost: (places) => this.#forget(places),
      },
    });
    this.#running = this.#run();
  }

  /** Rejects when it cannot go on; resolves after `stop`. */
  running(): Promise<void> {
    return this.#running;
  }

  /** Done with what it was about. Its place in the group stays its own until the session timeout. */
  async stop(): Promise<void> {
    await this.#consumer.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      const records = await this.#consumer.poll();
      if (records.length === 0) return;
      this.#step = this.#take(records);
      await this.#step;
    }
  }

  async #take(records: readonly ConsumedRecord[]): Promise<void> {
    const touched = new Map<number, WordCounts>();
    // All of them in one turn: after a wait the partition may be another one's, or its own once more with counts read anew.
    for (const { partition, record } of records) {
      const counts = this.#counts.get(partition);
      if (counts === undefined) continue;
      counts.add(String(record.key), JSON.parse(String(record.value)) as FoundWord);
      touched.set(partition, counts);
      this.words++;
    }
    await Promise.all([...touched].map(([partition, counts]) => this.#publish(partition, counts)));
    this.#options.published();
    try {
      await this.#consumer.commit();
    } catch (error) {
      // Whoever has the partitions now is given the words once more, and recognises them.
      if (!isGivenAway(error)) throw error;
    }
  }

  async #publish(partition: number, counts: WordCounts): Promise<void> {
    const { producer } = this.#client;
    const sent = counts.takeChanged().map(([word, count]) =>
      producer.send(this.#options.topics.counts, {
        partition,
        key: Buffer.from(word),
        value: Buffer.from(JSON.stringify(count)),
      }),
    );
    await Promise.all(sent);
  }

  /** The counts of a partition are what was published of it. */
  async #begin(places: readonly TopicPartition[]): Promise<void> {
    const { topics } = this.#options;
    const begun = places.map(async ({ partition }) => {
      const published = await readTable(this.#client, { topic: topics.counts, partition });
      this.#counts.set(partition, new WordCounts(published));
    });
    await Promise.all(begun).catch((error: unknown) => {
      throw new Error('the counts so far cannot be read', { cause: error });
    });
  }

  #forget(places: readonly TopicPartition[]): void {
    for (const { partition } of places) {
      this.recognised += this.#counts.get(partition)?.recognised ?? 0;
      this.#counts.delete(partition);
    }
  }
}
