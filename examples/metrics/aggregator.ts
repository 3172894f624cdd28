import type { Client } from '@weir/client/client.ts';
import { isGivenAway } from '@weir/client/consumer/given-away.ts';
import type { ConsumedRecord, GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { GroupOffset } from '@weir/client/group/group-offsets.ts';
import type { Sample } from './samples.ts';
import { keyOf, MinuteWindows } from './windows.ts';
import type { Aggregate, Progress } from './windows.ts';

/** As short as may be: members hear within a third of it that others have come or gone. */
const SESSION_TIMEOUT_MS = 6_000;

/** Where an aggregator reads, and where it writes. */
export interface AggregatorTopics {
  readonly samples: string;
  readonly aggregates: string;
}

/**
 * A member of the aggregating group. It publishes minutes that are over, and commits after that: whatever happens in between, the
 * next one publishes them once more, under the same keys and with the same values.
 */
export class Aggregator {
  readonly name: string;
  samples = 0;
  published = 0;
  replayed = 0;
  late = 0;
  /** Why it has ended by itself. */
  failure: unknown;
  readonly #client: Client;
  readonly #topics: AggregatorTopics;
  readonly #consumer: GroupConsumer;
  /** By partition, those that it has. */
  readonly #windows = new Map<number, MinuteWindows>();
  readonly #running: Promise<void>;
  #step: Promise<void> = Promise.resolve();

  constructor(name: string, client: Client, groupId: string, topics: AggregatorTopics) {
    this.name = name;
    this.#client = client;
    this.#topics = topics;
    this.#consumer = client.consumer({
      groupId,
      topics: [topics.samples],
      clientId: name,
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
    this.#running.catch((error: unknown) => (this.failure = error));
  }

  /** How many partitions it has. */
  get partitions(): number {
    return this.#windows.size;
  }

  /** Leaves the group, done with what it was about. */
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
    const touched = new Map<number, MinuteWindows>();
    // All of them in one turn: after a wait the partition may be another one's, or its own once more with windows made anew.
    for (const { partition, record } of records) {
      const windows = this.#windows.get(partition);
      if (windows === undefined) continue;
      windows.add(JSON.parse(String(record.value)) as Sample, record.offset);
      touched.set(partition, windows);
      this.samples++;
    }
    const over = [...touched.values()].flatMap((windows) => windows.takeOver());
    await Promise.all(over.map((aggregate) => this.#publish(aggregate)));
    if (over.length > 0) await this.#commit(touched);
  }

  /** What is known of partitions is where they were committed: with the offset, as its metadata. */
  async #begin(places: readonly TopicPartition[]): Promise<void> {
    const committed = await this.#consumer.committed(places).catch((error: unknown) => {
      throw new Error(`${this.name} does not know where its partitions begin`, { cause: error });
    });
    for (const place of places) {
      const last = committed.find(({ partition }) => partition === place.partition);
      if (last === undefined) {
        this.#windows.set(place.partition, new MinuteWindows());
        continue;
      }
      const { openFromMs, readTo } = JSON.parse(last.metadata) as Omit<Progress, 'offset'>;
      this.#windows.set(place.partition, new MinuteWindows({ offset: last.offset, openFromMs, readTo }));
      // Offset and metadata are of one commit then.
      this.#consumer.seek(place, last.offset);
    }
  }

  #forget(places: readonly TopicPartition[]): void {
    for (const { partition } of places) {
      const windows = this.#windows.get(partition);
      this.replayed += windows?.replayed ?? 0;
      this.late += windows?.late ?? 0;
      this.#windows.delete(partition);
    }
  }

  async #publish(aggregate: Aggregate): Promise<void> {
    await this.#client.producer.send(this.#topics.aggregates, {
      key: Buffer.from(keyOf(aggregate)),
      value: Buffer.from(JSON.stringify(aggregate)),
      timestampMs: aggregate.minuteMs,
    });
    this.published++;
  }

  async #commit(touched: ReadonlyMap<number, MinuteWindows>): Promise<void> {
    const offsets = [...touched].flatMap(([partition, windows]): GroupOffset[] => {
      if (this.#windows.get(partition) !== windows) return [];
      const { offset, ...metadata } = windows.progress;
      return [{ topic: this.#topics.samples, partition, offset, metadata: JSON.stringify(metadata) }];
    });
    try {
      await this.#consumer.commit(offsets);
    } catch (error) {
      // Whoever has the partitions now publishes the same once more.
      if (!isGivenAway(error)) throw error;
    }
  }
}
