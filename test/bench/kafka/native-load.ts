import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@weir/client/client.ts';
import { Acknowledgements } from './acknowledgements.ts';

const READ_BYTES_MAX = 4 * 1024 ** 2;
const READ_RECORDS_MAX = 10_000;
const READ_WAIT_MS = 1_000;
/** A timer is late on a busy machine: what should have gone meanwhile goes then. */
const TURN_MS = 2;

/** Where a steady load goes, and how much of it there is. */
export interface SteadyLoad {
  readonly topic: string;
  readonly recordsPerSecond: number;
  /** At least 8: a record begins with its number. */
  readonly recordBytes: number;
}

/** What became of the records, compared with what was read back. */
export interface Outcome {
  readonly failed: number;
  readonly lost: number;
  readonly duplicates: number;
}

/**
 * A native client that sends at a steady rate, whether or not it is answered: a broker that stands still for a second delays
 * the records of a second, and not one. Times are `performance.now()`.
 */
export class NativeLoad {
  readonly acknowledgements = new Acknowledgements();
  readonly #client: Client;
  readonly #load: SteadyLoad;
  readonly #acknowledged = new Set<number>();
  readonly #sends: Promise<void>[] = [];
  readonly #sending: Promise<void>;
  #failed = 0;
  #stopped = false;

  /** It begins at once, into a topic that is there. */
  constructor(client: Client, load: SteadyLoad) {
    this.#client = client;
    this.#load = load;
    this.#sending = this.#run();
  }

  /** Sends that were given up. */
  get failed(): number {
    return this.#failed;
  }

  /** Returns once all that was sent is acknowledged or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sending;
    await Promise.all(this.#sends);
  }

  /** Reads back what was written, which has been stopped. */
  async outcome(): Promise<Outcome> {
    const times = new Map<number, number>();
    for (const { index } of this.#client.topic(this.#load.topic)!.partitions) {
      for await (const number of this.#numbersIn(index)) times.set(number, (times.get(number) ?? 0) + 1);
    }
    return {
      failed: this.#failed,
      lost: [...this.#acknowledged].filter((number) => !times.has(number)).length,
      duplicates: [...times.values()].filter((count) => count > 1).length,
    };
  }

  async #run(): Promise<void> {
    const began = performance.now();
    for (let number = 0; !this.#stopped; await pause(TURN_MS)) {
      const due = ((performance.now() - began) / 1_000) * this.#load.recordsPerSecond;
      while (number < due) this.#sends.push(this.#send(number++));
    }
  }

  async #send(number: number): Promise<void> {
    const value = Buffer.alloc(this.#load.recordBytes);
    value.writeDoubleBE(number);
    const sentMs = performance.now();
    try {
      await this.#client.producer.send(this.#load.topic, { key: null, value });
      this.acknowledgements.add(sentMs, performance.now());
      this.#acknowledged.add(number);
    } catch {
      this.#failed += 1;
    }
  }

  async *#numbersIn(partition: number): AsyncGenerator<number> {
    for (let offset = 0; ;) {
      const { records, nextOffset, highWatermark } = await this.#client.read({
        topic: this.#load.topic,
        partition,
        offset,
        maxRecords: READ_RECORDS_MAX,
        maxBytes: READ_BYTES_MAX,
        waitMs: READ_WAIT_MS,
      });
      for (const { value } of records) yield Buffer.from(value!).readDoubleBE();
      if (nextOffset >= highWatermark) return;
      offset = nextOffset;
    }
  }
}
