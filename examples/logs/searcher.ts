import type { Client } from '@weir/client/client.ts';
import type { ConsumedRecord, GroupConsumer } from '@weir/client/consumer/group-consumer.ts';

/** What a searcher tells of. */
export interface SearcherEvents {
  /** It has read a line. */
  read(record: ConsumedRecord): void;
  /** And the line matches. */
  found(line: string, record: ConsumedRecord): void;
}

/** A member of the group that searches: each line is looked at by one of them. It commits now and then by itself. */
export class Searcher {
  readonly name: string;
  lines = 0;
  /** Why it has ended by itself. */
  failure: unknown;
  readonly #consumer: GroupConsumer;
  readonly #running: Promise<void>;

  constructor(
    name: string,
    client: Client,
    search: { readonly group: string; readonly topic: string; readonly pattern: RegExp },
    events: SearcherEvents,
  ) {
    const { group, topic, pattern } = search;
    this.name = name;
    this.#consumer = client.consumer({ groupId: group, topics: [topic], clientId: name, offsetReset: 'earliest' });
    this.#running = this.#run(pattern, events);
    this.#running.catch((error: unknown) => (this.failure = error));
  }

  async stop(): Promise<void> {
    await this.#consumer.close();
    await this.#running;
  }

  async #run(pattern: RegExp, events: SearcherEvents): Promise<void> {
    for await (const consumed of this.#consumer) {
      this.lines++;
      events.read(consumed);
      const line = String(consumed.record.value);
      if (pattern.test(line)) events.found(line, consumed);
    }
  }
}
