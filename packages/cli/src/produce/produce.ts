import { TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { Client } from '@weir/client/client.ts';
import type { ProducerRecord } from '@weir/client/producer/send-call.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { counted } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { withClient } from '../with-client.ts';
import { LineCutter, LineTooLong } from './line-cutter.ts';
import { Tally } from './tally.ts';

/** Sent and not answered: past it standard input waits. */
const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/** What a record costs besides its bytes. */
const RECORD_OVERHEAD_BYTES = 64;
const PROGRESS_MS = 2_000;

/** `weir produce` */
export const produceCommand = defineCommand({
  summary: 'make records of the lines of standard input',
  positionals: [{ name: 'TOPIC', description: 'name of the topic' }],
  options: {
    key: { type: 'string', optional: true, description: 'Key of every record' },
    'key-separator': {
      type: 'string',
      optional: true,
      description: 'Each line is a key, this text, and a value',
    },
    partition: {
      type: 'integer',
      optional: true,
      min: 0,
      max: TOPIC_PARTITIONS_MAX - 1,
      description: "Partition of every record; without it the key's, or any",
    },
    acks: {
      type: 'choice',
      choices: ['all', 'leader'],
      default: 'all',
      description: 'Who has to have a record before it counts',
    },
    ...clientOptions,
  },
  shorts: { ...clientShorts, k: 'key', p: 'partition' },
  notes: ['Lines are taken byte for byte, without their newline. It ends when every record is acknowledged.'],
  examples: [
    'echo \'{"hello":"weir"}\' | weir produce demo',
    "printf 'ada:1\\nbob:2\\n' | weir produce scores --key-separator :",
    'weir produce logs < /var/log/syslog',
  ],
  async run({ positionals, options, terminal }) {
    if (options.key !== undefined && options['key-separator'] !== undefined) {
      throw new UsageError('--key and --key-separator exclude each other: a record has one key');
    }
    const topic = positionals[0]!;
    const toRecord = recordMaker(options);
    return withClient({ ...options, autoCreateTopics: true }, async (client) => {
      const { messageBytesMax: lineBytesMax } = await client.awaitTopic(topic);
      const run = new ProduceRun(client, { topic, lineBytesMax, acks: options.acks }, terminal);
      const problem = await run.readAll(toRecord);
      report(run.tally, { topic, problem, json: options.output === 'json' }, terminal);
      return problem === undefined && run.tally.refused === 0 ? EXIT.ok : EXIT.failed;
    });
  },
});

type RecordMaker = (line: Buffer, number: number) => ProducerRecord;

function recordMaker(options: {
  readonly key: string | undefined;
  readonly 'key-separator': string | undefined;
  readonly partition: number | undefined;
}): RecordMaker {
  const common = options.partition === undefined ? {} : { partition: options.partition };
  const separator = options['key-separator'];
  if (separator === undefined) {
    const key = options.key === undefined ? null : Buffer.from(options.key);
    return (value) => ({ key, value, ...common });
  }
  const bytes = Buffer.from(separator);
  return (line, number) => {
    const at = line.indexOf(bytes);
    if (at === -1) throw new NoSeparator(`line ${number} has no ${JSON.stringify(separator)} between key and value`);
    return { key: line.subarray(0, at), value: line.subarray(at + bytes.length), ...common };
  };
}

class NoSeparator extends Error {
  override readonly name = 'NoSeparator';
}

/** Where the lines go. */
interface Destination {
  readonly topic: string;
  /** What the topic takes at most. */
  readonly lineBytesMax: number;
  readonly acks: 'all' | 'leader';
}

class ProduceRun {
  readonly tally = new Tally();
  readonly #client: Client;
  readonly #to: Destination;
  readonly #terminal: Terminal;
  #lines = 0;
  #inFlightBytes = 0;
  #calls = 0;
  #wake: (() => void) | undefined;

  constructor(client: Client, to: Destination, terminal: Terminal) {
    this.#client = client;
    this.#to = to;
    this.#terminal = terminal;
  }

  /** Sends all of standard input and waits for every answer. Returns why it ended early, if it did. */
  async readAll(toRecord: RecordMaker): Promise<string | undefined> {
    const cancelProgress = machineClock.every(PROGRESS_MS, () => {
      this.#terminal.err(`${counted(this.tally.acknowledged, 'record')} acknowledged\n`);
    });
    if (this.#terminal.interactive) this.#terminal.err('One record a line; Ctrl-D ends it.\n');
    const interrupted = new Promise<'interrupted'>((resolve) => {
      this.#terminal.onInterrupt(() => resolve('interrupted'));
    });
    try {
      return await this.#readLines(toRecord, interrupted);
    } finally {
      await this.#until(() => this.#calls === 0);
      cancelProgress();
    }
  }

  async #readLines(toRecord: RecordMaker, interrupted: Promise<'interrupted'>): Promise<string | undefined> {
    const cutter = new LineCutter(this.#to.lineBytesMax);
    const pieces = this.#terminal.input()[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([pieces.next(), interrupted]);
      // What was read so far is sent, as at the input's end.
      if (next === 'interrupted') return undefined;
      const batch: ProducerRecord[] = [];
      let bytes = 0;
      const take = (line: Buffer): void => {
        batch.push(toRecord(line, this.#lines + batch.length + 1));
        bytes += line.length + RECORD_OVERHEAD_BYTES;
      };
      try {
        if (next.done === true) cutter.end(take);
        else cutter.push(next.value, take);
      } catch (error) {
        if (error instanceof LineTooLong || error instanceof NoSeparator) return error.message;
        throw error;
      } finally {
        if (batch.length > 0) this.#send(batch, bytes);
      }
      if (next.done === true) return undefined;
      await this.#until(() => this.#inFlightBytes <= IN_FLIGHT_BYTES_MAX);
    }
  }

  #send(records: readonly ProducerRecord[], bytes: number): void {
    const firstLine = this.#lines + 1;
    this.#lines += records.length;
    this.#inFlightBytes += bytes;
    this.#calls++;
    this.#client.producer.sendMany(this.#to.topic, records, { acks: this.#to.acks }, (outcome) => {
      this.#inFlightBytes -= bytes;
      this.#calls--;
      this.tally.add(outcome, firstLine);
      this.#wake?.();
    });
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function report(
  tally: Tally,
  run: { readonly topic: string; readonly problem: string | undefined; readonly json: boolean },
  terminal: Terminal,
): void {
  for (const { line, refusal, count } of tally.firstRefusals.values()) {
    const others = count === 1 ? '' : ` and ${counted(count - 1, 'other')}`;
    terminal.err(`weir produce: line ${line}${others} refused: ${refusal.message} (${refusal.code})\n`);
  }
  if (run.problem !== undefined) terminal.err(`weir produce: ${run.problem}; nothing after it was read\n`);
  if (run.json) {
    const { acknowledged, refused } = tally;
    terminal.out(`${JSON.stringify({ topic: run.topic, acknowledged, refused, partitions: tally.rows() })}\n`);
    return;
  }
  const rows = tally.rows();
  const places = rows.map(
    ({ partition, first, last }) => `partition ${partition}: ${first === last ? first : `${first} to ${last}`}`,
  );
  const few = places.length > 0 && places.length <= 4 ? ` (offsets in ${places.join(', ')})` : '';
  const spread = places.length > 4 ? ` in ${places.length} partitions` : '';
  terminal.out(`${counted(tally.acknowledged, 'record')} acknowledged in ${run.topic}${few}${spread}\n`);
}
