import { GROUP_BYTES_MAX } from '@weir/base/limits.ts';
import type { Client } from '@weir/client/client.ts';
import type { ProducerRecord } from '@weir/client/producer/send-call.ts';
import { machineClock, machineRandom } from '@weir/runtime/machine.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { counted } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { withClient } from '../with-client.ts';
import { Percentiles } from './percentiles.ts';
import { report } from './report.ts';

const PROGRESS_MS = 2_000;
/** Records of one call: they share its latency. */
const RECORDS_PER_CALL_MAX = 1_000;
/** Values that records are made of, in turn: what is alike compresses and caches too well. */
const VALUES = 64;
/** How often a run with a target rate sends. */
const PACE_MS = 1;

/** `weir bench produce` */
export const benchProduce = defineCommand({
  summary: 'measure how fast records are taken, and how long each takes',
  positionals: [{ name: 'TOPIC', description: 'name of the topic; created where the cluster allows it' }],
  options: {
    records: { type: 'integer', default: 1_000_000, min: 1, max: 1_000_000_000, description: 'How many are sent' },
    size: {
      type: 'integer',
      default: 1_024,
      min: 0,
      max: GROUP_BYTES_MAX / 2,
      placeholder: 'BYTES',
      description: 'Of each value, which is random',
    },
    rate: {
      type: 'integer',
      default: 0,
      min: 0,
      max: 100_000_000,
      placeholder: 'PER_SECOND',
      description: 'Records sent a second; 0 for as many as go',
    },
    'in-flight': {
      type: 'integer',
      default: 16,
      min: 1,
      max: 60,
      placeholder: 'MIB',
      description: 'Sent and not answered; past it the sender waits',
    },
    acks: { type: 'choice', choices: ['all', 'leader'], default: 'all', description: 'Who has to have a record' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, n: 'records' },
  notes: ['Latency is from the call that sends a record to its answer, the wait for company in a batch included.'],
  examples: ['weir bench produce load', 'weir bench produce load --rate 10000 --size 100 -n 100000'],
  async run({ positionals, options, terminal }) {
    const topic = positionals[0]!;
    return withClient({ ...options, autoCreateTopics: true }, async (client) => {
      await client.awaitTopic(topic);
      const run = new Run(client, topic, options);
      const seconds = await run.send(terminal);
      const { acknowledged: records, refused, latency } = run;
      const result = { topic, records, bytes: records * options.size, seconds, refused, latency };
      report('acknowledged in', result, options, terminal);
      if (run.refusal !== undefined) terminal.err(`weir bench: ${run.refusal}\n`);
      return refused === 0 ? EXIT.ok : EXIT.failed;
    });
  },
});

interface RunOptions {
  readonly records: number;
  readonly size: number;
  readonly rate: number;
  readonly 'in-flight': number;
  readonly acks: 'all' | 'leader';
}

class Run {
  acknowledged = 0;
  refused = 0;
  /** The first reason for one. */
  refusal: string | undefined;
  readonly latency = new Percentiles();
  readonly #client: Client;
  readonly #topic: string;
  readonly #options: RunOptions;
  readonly #values: readonly Buffer[];
  #sent = 0;
  #calls = 0;
  #wake: (() => void) | undefined;

  constructor(client: Client, topic: string, options: RunOptions) {
    this.#client = client;
    this.#topic = topic;
    this.#options = options;
    this.#values = Array.from({ length: VALUES }, () => Buffer.from(machineRandom.bytes(options.size)));
  }

  /** Sends all of them, or what was sent when the user interrupts. Resolves with the seconds until the last answer. */
  async send(terminal: Terminal): Promise<number> {
    const { records, rate } = this.#options;
    const user = { interrupted: false };
    const cancelInterrupt = terminal.onInterrupt(() => (user.interrupted = true));
    const cancelProgress = machineClock.every(PROGRESS_MS, () => {
      terminal.err(`${counted(this.acknowledged, 'record')} acknowledged, p99 ${this.latency.at(99).toFixed(1)} ms\n`);
    });
    const startMs = machineClock.monotonicMs();
    const bytesMax = this.#options['in-flight'] * 1024 * 1024;
    while (this.#sent < records && !user.interrupted) {
      const dueBy = rate === 0 ? records : Math.floor(((machineClock.monotonicMs() - startMs) / 1_000) * rate);
      const count = Math.min(records, dueBy) - this.#sent;
      if (count > 0 && this.#client.producer.bufferedBytes < bytesMax) this.#call(Math.min(count, this.#perCall));
      else await this.#until(count > 0 ? undefined : PACE_MS);
    }
    while (this.#calls > 0) await this.#until(undefined);
    cancelProgress();
    cancelInterrupt();
    return (machineClock.monotonicMs() - startMs) / 1_000;
  }

  get #perCall(): number {
    return Math.max(1, Math.min(RECORDS_PER_CALL_MAX, Math.floor((16 * 1024) / (this.#options.size + 64))));
  }

  #call(count: number): void {
    const records: ProducerRecord[] = [];
    for (let i = 0; i < count; i++) records.push({ key: null, value: this.#values[(this.#sent + i) % VALUES]! });
    this.#sent += count;
    this.#calls++;
    const sentMs = machineClock.monotonicMs();
    this.#client.producer.sendMany(this.#topic, records, { acks: this.#options.acks }, ({ refusals }) => {
      this.#calls--;
      this.refused += refusals.size;
      for (const { code, message } of refusals.values()) this.refusal ??= `${message} (${code})`;
      const answered = count - refusals.size;
      this.acknowledged += answered;
      if (answered > 0) this.latency.record(machineClock.monotonicMs() - sentMs, answered);
      this.#wake?.();
    });
  }

  /** Until an answer comes, or the time is up. */
  #until(afterMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const cancel = afterMs === undefined ? undefined : machineClock.after(afterMs, resolve);
      this.#wake = () => {
        cancel?.();
        resolve();
      };
    });
  }
}
