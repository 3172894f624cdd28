import { parseArgs } from 'node:util';
import type { BrokerName } from './cluster.ts';

/** What the suite was asked for. */
export interface SuiteOptions {
  /** Directory of the scripts that start a Kafka and its tools. */
  readonly peer: string;
  readonly rounds: number;
  readonly scale: number;
  readonly brokers: readonly BrokerName[];
  /** Ids of rows, or how they begin; all without any. */
  readonly wanted: readonly string[];
  readonly markdown: boolean;
  readonly jsonFile: string | undefined;
  readonly list: boolean;
}

/** How the suite is asked. */
export const KAFKA_USAGE = `npm run bench -- kafka [row…] [--option value]…

Kafka's own perf tools as the client of Weir and of a real Apache Kafka, in turn, in one run.

A row is selected by its id or by how it begins (produce-1k, consume, e2e, fsync, start, memory, connections,
partitions, groups; replicated: on clusters of three brokers, replication factor 3, min.insync.replicas=2); all of them without
any, which takes some hours. Before each round the page cache is filled up, as it is on a machine that has run for a
while: the disk needs room for as many bytes as the machine has memory, and 20 GiB.

Options:
  --kafka-peer DIRECTORY   The scripts that install and start a Kafka and its tools: install, start, tool, perf-producer, …
                           (default $WEIR_KAFKA_PEER)
  --rounds N               Rounds of a row, Weir and Kafka in turn in each (default 3)
  --scale F                Factor on the numbers of records, as 0.1 for a look (default 1; publish nothing else)
  --only weir|kafka        One of the two
  --json FILE              Every round's figures as JSON, written after each row
  --markdown               The table as docs/PERFORMANCE.md has it, besides the terminal's
  --list                   The rows, and no measurement
  --help                   This text`;

/** What makes it useless to begin. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Reads the words behind `kafka`; undefined when help is wanted.
 *
 * @throws UsageError for what cannot be meant
 */
export function readOptions(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): SuiteOptions | undefined {
  const { values, positionals } = parsed(words);
  if (values.help === true) return undefined;
  const list = values.list ?? false;
  const peer = values['kafka-peer'] ?? environment['WEIR_KAFKA_PEER'] ?? '';
  if (peer === '' && !list) {
    throw new UsageError(
      'the suite "kafka" measures beside a real Apache Kafka, and needs the directory of the scripts that install and ' +
        'start one:\n  npm run bench -- kafka --kafka-peer DIRECTORY   (or WEIR_KAFKA_PEER=DIRECTORY)\n' +
        'It also needs bash, Maven and a JDK of 17 or newer.',
    );
  }
  return {
    peer,
    list,
    rounds: numberOf('rounds', values.rounds ?? '3', (n) => Number.isInteger(n) && n >= 1 && n <= 100, '1 to 100'),
    scale: numberOf('scale', values.scale ?? '1', (n) => n > 0 && n <= 100, 'more than 0 and at most 100'),
    brokers: brokersOf(values.only),
    wanted: positionals,
    markdown: values.markdown ?? false,
    jsonFile: values.json,
  };
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        'kafka-peer': { type: 'string' },
        rounds: { type: 'string' },
        scale: { type: 'string' },
        only: { type: 'string' },
        json: { type: 'string' },
        markdown: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(name: string, text: string, fits: (value: number) => boolean, bounds: string): number {
  const value = Number(text);
  if (text.trim() === '' || !fits(value)) throw new UsageError(`--${name} is "${text}", which has to be ${bounds}`);
  return value;
}

function brokersOf(only: string | undefined): readonly BrokerName[] {
  if (only === undefined) return ['Weir', 'Kafka'];
  if (only === 'weir') return ['Weir'];
  if (only === 'kafka') return ['Kafka'];
  throw new UsageError(`--only is "${only}", which has to be weir or kafka`);
}
