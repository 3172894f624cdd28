import type { Client } from '@weir/client/client.ts';
import { isGivenAway } from '@weir/client/consumer/given-away.ts';
import type { ConsumedRecord, GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { FoundWord } from './counts.ts';
import { GROUPS, SESSION_TIMEOUT_MS } from './places.ts';
import type { Topics } from './places.ts';
import { wordsOf } from './text.ts';

/** Lines of a poll: their words are on their way together. */
const LINES_MAX = 200;

/** A member of the group that makes words of lines. It keeps nothing: what it needs to know is in the line. */
export class Splitter {
  readonly name: string;
  lines = 0;
  words = 0;
  /** Why it has ended by itself. */
  failure: unknown;
  readonly #client: Client;
  readonly #topics: Topics;
  readonly #consumer: GroupConsumer;
  readonly #running: Promise<void>;

  constructor(name: string, client: Client, topics: Topics) {
    this.name = name;
    this.#client = client;
    this.#topics = topics;
    this.#consumer = client.consumer({
      groupId: GROUPS.splitters(topics),
      topics: [topics.lines],
      clientId: name,
      offsetReset: 'earliest',
      commitIntervalMs: 'manual',
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
    });
    this.#running = this.#run();
    this.#running.catch((error: unknown) => (this.failure = error));
  }

  async stop(): Promise<void> {
    await this.#consumer.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      const lines = await this.#consumer.poll({ maxRecords: LINES_MAX });
      if (lines.length === 0) return;
      await Promise.all(lines.flatMap((line) => this.#split(line)));
      this.lines += lines.length;
      try {
        await this.#consumer.commit();
      } catch (error) {
        // Whoever has the partitions now splits the lines once more, and the counters recognise that.
        if (!isGivenAway(error)) throw error;
      }
    }
  }

  /** A record for each word of a line, keyed by the word, so that all that is to be counted together is in one partition. */
  #split({ partition, record: line }: ConsumedRecord): Promise<unknown>[] {
    return [...wordsOf(String(line.value))].map(([word, times]) => {
      const found: FoundWord = { times, partition, offset: line.offset };
      this.words++;
      return this.#client.producer.send(this.#topics.words, {
        key: Buffer.from(word),
        value: Buffer.from(JSON.stringify(found)),
      });
    });
  }
}
