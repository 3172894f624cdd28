import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Broker, BrokerName, Flush } from './broker.ts';
import { endWithChildren } from './children.ts';
import type { RowResult } from './figures.ts';
import { KafkaBroker } from './kafka-broker.ts';
import { loadRows } from './load-rows.ts';
import { KAFKA_USAGE, readOptions, UsageError } from './options.ts';
import type { SuiteOptions } from './options.ts';
import { ownRows } from './own-rows.ts';
import { PageCache } from './page-cache.ts';
import { jsonReport, markdownTable, tally, terminalTable, told } from './report.ts';
import { scaled } from './row.ts';
import type { Bench, Row, SharedRow, Values } from './row.ts';
import { KafkaTools } from './tools.ts';
import { WeirBroker } from './weir-broker.ts';

const ROWS: readonly Row[] = [...ownRows, ...loadRows];
/** With a sync per append they take ten times as long. */
const WARM_UP_RECORDS: Readonly<Record<Flush, number>> = { interval: 1_000_000, commit: 200_000 };
/** What may stay of a deleted topic: journals, segments of the metadata. */
const LEFT_BYTES_MAX = 64 * 1024 ** 2;
const CLEAN_MS_MAX = 60_000;
const CLEAN_POLL_MS = 250;

/** `npm run bench -- kafka …`; the exit code. */
export async function benchKafka(words: readonly string[]): Promise<number> {
  try {
    const options = readOptions(words, process.env);
    if (options === undefined) {
      console.log(KAFKA_USAGE);
      return 0;
    }
    const rows = selected(options.wanted);
    if (options.list) {
      for (const { id, title } of rows) console.log(`${id.padEnd(32)} ${title}`);
      return 0;
    }
    return await new Suite(options).run(rows);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nSee npm run bench -- kafka --help`);
    return 2;
  }
}

function selected(wanted: readonly string[]): readonly Row[] {
  const unknown = wanted.find((word) => !ROWS.some(({ id }) => fits(id, word)));
  if (unknown !== undefined) throw new UsageError(`"${unknown}" is no row; --list shows them`);
  return wanted.length === 0 ? ROWS : ROWS.filter(({ id }) => wanted.some((word) => fits(id, word)));
}

/** `start` is a row and also how another begins: a whole id is only that. */
function fits(id: string, word: string): boolean {
  return ROWS.some((row) => row.id === word) ? id === word : id.startsWith(word);
}

class Suite implements Bench {
  readonly tools: KafkaTools;
  readonly scale: number;
  readonly #options: SuiteOptions;
  readonly #results: RowResult[] = [];
  /** The brokers of shared rows; all of one way to sync, as the others would only be in the way. */
  #running: { readonly flush: Flush; readonly brokers: Map<BrokerName, Broker> } | undefined;
  #topics = 0;
  readonly #pageCache = new PageCache();

  constructor(options: SuiteOptions) {
    const peer = resolve(options.peer);
    const missing = KafkaTools.missingIn(peer);
    if (missing.length > 0) throw new UsageError(`${peer} lacks ${missing.join(', ')}: it is no Kafka peer`);
    this.tools = new KafkaTools(peer);
    this.scale = options.scale;
    this.#options = options;
  }

  async run(rows: readonly Row[]): Promise<number> {
    endWithChildren();
    this.say('installing and compiling what is missing of the tools');
    await this.tools.prepare();
    await this.#compile();
    for (const [i, row] of rows.entries()) {
      // What others do on the machine is in every figure.
      const load = `load average ${told(loadavg()[0] ?? 0, 1)}`;
      this.say(`row ${i + 1} of ${rows.length}: ${row.id}, ${row.title} (${load})`);
      this.#results.push(await this.#measure(row));
      this.#write();
    }
    await this.#stopRunning();
    this.tools.remove();
    this.#pageCache.remove();
    console.log(`\n${terminalTable(this.#results)}`);
    if (this.#options.markdown) console.log(`\n${markdownTable(this.#results)}`);
    const { met, missed } = tally(this.#results);
    console.log(`\n${met} targets met, ${missed} missed; medians of ${this.#options.rounds} rounds (least to most)`);
    if (this.scale !== 1) console.log(`with ${this.scale} times the records: not to be published`);
    return this.#results.some(({ failures }) => failures.length > 0) ? 1 : 0;
  }

  /** Node keeps what it compiles for the next start, and the image brings it along: every row is to find it. */
  async #compile(): Promise<void> {
    if (!this.#options.brokers.includes('Weir')) return;
    const weir = await WeirBroker.prepare('interval');
    try {
      await weir.start();
      await weir.end('SIGTERM');
    } finally {
      await weir.remove();
    }
  }

  async fresh(name: BrokerName, flush: Flush, shape: 'separate' | 'all-in-one' = 'separate'): Promise<Broker> {
    return name === 'Weir' ? WeirBroker.prepare(flush, shape) : KafkaBroker.prepare(this.tools.peer, flush);
  }

  say(text: string): void {
    console.error(`[${new Date().toTimeString().slice(0, 8)}] ${text}`);
  }

  async #measure(row: Row): Promise<RowResult> {
    const measured: Record<BrokerName, Values[]> = { Weir: [], Kafka: [] };
    const failures: { broker: BrokerName; message: string }[] = [];
    // One that failed would only fail again, and take its time.
    const left = new Set(this.#options.brokers);
    const attempt = async (broker: BrokerName, act: () => Promise<void>): Promise<void> => {
      if (!left.has(broker)) return;
      try {
        await act();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.say(`  ${broker} FAILED: ${message}`);
        failures.push({ broker, message });
        left.delete(broker);
      }
    };
    const lasting = new Map<BrokerName, string>();
    if (row.kind === 'shared') {
      if (this.#running?.flush !== row.flush) await this.#stopRunning();
      for (const name of this.#options.brokers) {
        await attempt(name, async () => {
          const broker = await this.#runningBroker(name, row.flush);
          if (row.fill !== undefined) lasting.set(name, await this.#filledTopic(broker, row));
        });
      }
    }
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const name of this.#options.brokers) {
        await attempt(name, async () => {
          this.#pageCache.fill((text) => this.say(`  ${text}`));
          const values = row.kind === 'own' ? await row.measure(name, this) : await this.#round(name, row, lasting);
          measured[name].push(values);
          this.say(`  round ${round} of ${this.#options.rounds}, ${name.padEnd(5)}  ${toldValues(row, values)}`);
        });
      }
    }
    for (const [name, topic] of lasting) {
      await attempt(name, async () => this.#dropTopic(await this.#runningBroker(name, 'interval'), topic));
    }
    return {
      id: row.id,
      title: row.title,
      failures,
      values: row.figures.map((figure) => {
        const of = (name: BrokerName): number[] => measured[name].map((values) => values[figure.name] ?? Number.NaN);
        return { figure, values: { Weir: of('Weir'), Kafka: of('Kafka') } };
      }),
    };
  }

  async #round(name: BrokerName, row: SharedRow, lasting: ReadonlyMap<BrokerName, string>): Promise<Values> {
    const broker = await this.#runningBroker(name, row.flush);
    const filled = lasting.get(name);
    if (filled !== undefined) return row.measure(broker, filled, this);
    const topic = await this.#newTopic(broker, row);
    try {
      return await row.measure(broker, topic, this);
    } finally {
      await this.#dropTopic(broker, topic);
    }
  }

  async #newTopic(broker: Broker, { id, partitions }: { id: string; partitions: number }): Promise<string> {
    const topic = `${id}-${++this.#topics}`;
    await this.tools.createTopic(broker.bootstrap, topic, partitions);
    return topic;
  }

  async #filledTopic(broker: Broker, row: SharedRow): Promise<string> {
    const topic = await this.#newTopic(broker, row);
    const records = scaled(row.fill!.records, this);
    this.#pageCache.fill((text) => this.say(`  ${text}`));
    this.say(`  ${told(records, 0)} records of ${row.fill!.recordBytes} B into ${broker.name}, to be read`);
    await this.tools.produce(broker.bootstrap, topic, { ...row.fill!, records });
    return topic;
  }

  /** Deletes a topic, and waits until its disk space is free and nothing of it waits to be written. */
  async #dropTopic(broker: Broker, topic: string): Promise<void> {
    await this.tools.deleteTopic(broker.bootstrap, topic);
    const deadline = performance.now() + CLEAN_MS_MAX;
    while (bytesIn(broker.dataDirectory) > LEFT_BYTES_MAX) {
      if (performance.now() > deadline) {
        this.say(`  ${broker.name} still has ${told(bytesIn(broker.dataDirectory) / 1e6, 0)} MB of deleted topics`);
        break;
      }
      await pause(CLEAN_POLL_MS);
    }
    spawnSync('sync');
  }

  async #runningBroker(name: BrokerName, flush: Flush): Promise<Broker> {
    this.#running ??= { flush, brokers: new Map() };
    const found = this.#running.brokers.get(name);
    if (found !== undefined) return found;
    const broker = await this.fresh(name, flush);
    try {
      await broker.start();
      await this.#warmUp(broker, flush);
    } catch (error) {
      await broker.remove();
      throw error;
    }
    this.#running.brokers.set(name, broker);
    return broker;
  }

  /** A JVM, and V8 too, are at their best only after a while. */
  async #warmUp(broker: Broker, flush: Flush): Promise<void> {
    this.say(`  warming ${broker.name} up (${broker.bootstrap})`);
    const topic = await this.#newTopic(broker, { id: 'warm-up', partitions: 12 });
    const records = scaled(WARM_UP_RECORDS[flush], this);
    await this.tools.produce(broker.bootstrap, topic, { records, recordBytes: 1024, settings: ['acks=all'] });
    await this.tools.consume(broker.bootstrap, topic, records);
    await this.#dropTopic(broker, topic);
  }

  async #stopRunning(): Promise<void> {
    for (const broker of this.#running?.brokers.values() ?? []) await broker.remove();
    this.#running = undefined;
  }

  #write(): void {
    if (this.#options.jsonFile === undefined) return;
    const about = {
      node: process.version,
      cpus: `${cpus().length} × ${cpus()[0]?.model ?? '?'}`,
      memoryGiB: Math.round(totalmem() / 1024 ** 3),
      rounds: this.#options.rounds,
      scale: this.scale,
    };
    writeFileSync(this.#options.jsonFile, jsonReport(this.#results, about));
  }
}

function toldValues(row: Row, values: Values): string {
  return row.figures
    .map(({ name, digits }) => `${name}: ${values[name] === undefined ? '–' : told(values[name], digits)}`)
    .join('; ');
}

/** What the files below a directory occupy on the disk: preallocated or sparse ones by what they really take. */
function bytesIn(directory: string): number {
  let bytes = 0;
  for (const entry of ifStillThere(() => readdirSync(directory, { withFileTypes: true })) ?? []) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? bytesIn(path) : (ifStillThere(() => statSync(path).blocks) ?? 0) * 512;
  }
  return bytes;
}

/** A broker deletes while we look. */
function ifStillThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
