import { WeirError } from '@weir/base/errors.ts';
import type { Client } from '@weir/client/client.ts';
import type { Subscription } from '@weir/client/consumer/subscription.ts';
import { GROUP_BYTES_MAX, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { machineClock, machineRandom } from '@weir/runtime/machine.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { withClient } from '../with-client.ts';
import { Percentiles } from './percentiles.ts';
import { report } from './report.ts';

/** Not measured: connections are made, code becomes fast. */
const WARM_UP_MAX = 500;
const CREDIT_BYTES = 4 * GROUP_BYTES_MAX;
const ARRIVAL_MS_MAX = 30_000;

/** `weir bench latency` */
export const benchLatency = defineCommand({
  summary: 'measure the way of a record from its sender to its reader, one after the other',
  positionals: [{ name: 'TOPIC', description: 'name of the topic; created where the cluster allows it' }],
  options: {
    records: { type: 'integer', default: 10_000, min: 1, max: 10_000_000, description: 'How many are sent' },
    size: {
      type: 'integer',
      default: 100,
      min: 0,
      max: GROUP_BYTES_MAX / 2,
      placeholder: 'BYTES',
      description: 'Of each value, which is random',
    },
    partition: { type: 'integer', default: 0, min: 0, max: TOPIC_PARTITIONS_MAX - 1, description: 'Where they go' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, n: 'records', p: 'partition' },
  notes: ['Each record is sent when the one before it was read. A tenth more are sent before it begins to count.'],
  examples: ['weir bench latency load -n 1000'],
  async run({ positionals, options, terminal }) {
    const topic = positionals[0]!;
    const { partition, records, size } = options;
    // A record that waits for company would wait in vain.
    return withClient({ ...options, autoCreateTopics: true, lingerMs: 0 }, async (client) => {
      await client.awaitTopic(topic);
      const [end] = await client.listOffsets(topic, [{ partition, timestamp: 'latest' }]);
      const trip = new RoundTrip(client, { topic, partition, from: end!.offset, size });
      const user = { interrupted: false };
      terminal.onInterrupt(() => (user.interrupted = true));
      const warmUp = Math.min(WARM_UP_MAX, Math.ceil(records / 10));
      for (let i = 0; i < warmUp && !user.interrupted; i++) await trip.once();
      const latency = new Percentiles();
      const startMs = machineClock.monotonicMs();
      for (let i = 0; i < records && !user.interrupted; i++) latency.record(await trip.once());
      trip.close();
      const seconds = (machineClock.monotonicMs() - startMs) / 1_000;
      const result = { topic, records: latency.count, bytes: latency.count * size, seconds, latency };
      report('sent to and read from', result, options, terminal);
      return EXIT.ok;
    });
  },
});

/** Sends a record and reads it, again and again. */
class RoundTrip {
  readonly #client: Client;
  readonly #to: { readonly topic: string; readonly partition: number };
  readonly #value: Buffer;
  readonly #subscription: Subscription;
  #awaited: { readonly arrived: () => void; readonly failed: (error: Error) => void } | undefined;

  constructor(
    client: Client,
    to: { readonly topic: string; readonly partition: number; readonly from: number; readonly size: number },
  ) {
    const { topic, partition, from, size } = to;
    this.#client = client;
    this.#to = { topic, partition };
    this.#value = Buffer.from(machineRandom.bytes(size));
    this.#subscription = client.subscribe(
      { topic, partition, offset: from, creditBytes: CREDIT_BYTES },
      {
        batches: (bytes) => {
          this.#subscription.credit(bytes.length);
          this.#awaited?.arrived();
        },
        caughtUp() {},
        ended: ({ code, message }) => this.#awaited?.failed(new WeirError(code, message)),
      },
    );
  }

  /** Milliseconds from the send to the arrival. @throws Error (as a rejection) when it does not arrive */
  async once(): Promise<number> {
    const startMs = machineClock.monotonicMs();
    const { topic, partition } = this.#to;
    await Promise.all([
      this.#arrival(),
      this.#client.producer.send(topic, { key: null, value: this.#value, partition }),
    ]);
    return machineClock.monotonicMs() - startMs;
  }

  close(): void {
    this.#subscription.close();
  }

  #arrival(): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = machineClock.after(ARRIVAL_MS_MAX, () =>
        reject(new Error(`a record was not read within ${ARRIVAL_MS_MAX / 1_000} s`)),
      );
      const settle = (end: () => void): void => {
        cancel();
        this.#awaited = undefined;
        end();
      };
      this.#awaited = { arrived: () => settle(resolve), failed: (error) => settle(() => reject(error)) };
    });
  }
}
