import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { BrokerName, Cluster, Flush, Shape } from './cluster.ts';
import { catchUpRows } from './catch-up-rows.ts';
import { endWithChildren } from './children.ts';
import { failoverRows } from './failover-rows.ts';
import type { RowResult } from './figures.ts';
import { groupRows } from './group-rows.ts';
import { KafkaCluster } from './kafka-cluster.ts';
import { loadRows } from './load-rows.ts';
import { KAFKA_USAGE, readOptions, UsageError } from './options.ts';
import type { SuiteOptions } from './options.ts';
import { ownRows } from './own-rows.ts';
import { PageCache } from './page-cache.ts';
import { jsonReport, markdownTable, tally, terminalTable, told } from './report.ts';
import { replicatedLoadRows, replicatedOwnRows } from './replicated-rows.ts';
import { scaled } from './row.ts';
import type { Bench, Row, SharedRow, Values } from './row.ts';
import { KafkaTools } from './tools.ts';
import { WeirCluster } from './weir-cluster.ts';

const ROWS: readonly Row[] = [
  ...ownRows,
  ...loadRows,
  ...groupRows,
  ...replicatedOwnRows,
  ...failoverRows,
  ...catchUpRows,
  ...replicatedLoadRows,
];
/** With a sync per append they take ten times as long. */
const WARM_UP_RECORDS: Readonly<Record<Flush, number>> = { interval: 1_000_000, commit: 200_000 };
/** Three brokers on the same cores take as long. */
const WARM_UP_RECORDS_REPLICATED = 200_000;
/** What may stay of a deleted topic on each broker: journals, segments of the metadata. */
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
  /** The clusters of shared rows; all of one shape, as the others would only be in the way. */
  #running: { readonly shape: Shape; readonly clusters: Map<BrokerName, Cluster> } | undefined;
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
    const weir = await WeirCluster.prepare({ brokers: 1, flush: 'interval' });
    try {
      await weir.start();
      await weir.end('SIGTERM');
    } finally {
      await weir.remove();
    }
  }

  async fresh(name: BrokerName, shape: Shape): Promise<Cluster> {
    return name === 'Weir' ? WeirCluster.prepare(shape) : KafkaCluster.prepare(this.tools.peer, shape);
  }

  say(text: string): void {
    console.error(`[${new Date().toTimeString().slice(0, 8)}] ${text}`);
  }

  async #measure(row: Row): Promise<RowResult> {
    const measured: Record<BrokerName, Values[]> = { Weir: [], Kafka: [] };
    const failures: { broker: BrokerName; message: string }[] = [];
    // One that failed would only fail again, and take its time.
    const left = new Set(this.#options.brokers.filter((name) => row.only === undefined || row.only === name));
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
    if (row.kind === 'own' || !this.#runs(row.shape)) await this.#stopRunning();
    if (row.kind === 'shared') {
      for (const name of this.#options.brokers) {
        await attempt(name, async () => {
          const cluster = await this.#runningCluster(name, row.shape);
          if (row.fill !== undefined) lasting.set(name, await this.#filledTopic(cluster, row));
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
    if (row.kind === 'shared') {
      for (const [name, topic] of lasting) {
        await attempt(name, async () => this.#dropTopic(await this.#runningCluster(name, row.shape), topic));
      }
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
    const cluster = await this.#runningCluster(name, row.shape);
    const filled = lasting.get(name);
    if (filled !== undefined) return row.measure(cluster, filled, this);
    const topic = await this.#newTopic(cluster, { ...row, ...row.shape });
    try {
      return await row.measure(cluster, topic, this);
    } finally {
      await this.#dropTopic(cluster, topic);
    }
  }

  /** On all brokers of the cluster. */
  async #newTopic(
    cluster: Cluster,
    { id, partitions, brokers }: { readonly id: string; readonly partitions: number; readonly brokers: number },
  ): Promise<string> {
    const name = `${id}-${++this.#topics}`;
    await this.tools.createTopic(cluster.bootstrap, { name, partitions, replicas: brokers });
    return name;
  }

  async #filledTopic(cluster: Cluster, row: SharedRow): Promise<string> {
    const topic = await this.#newTopic(cluster, { ...row, ...row.shape });
    const records = scaled(row.fill!.records, this);
    this.#pageCache.fill((text) => this.say(`  ${text}`));
    this.say(`  ${told(records, 0)} records of ${row.fill!.recordBytes} B into ${cluster.name}, to be read`);
    await this.tools.produce(cluster.bootstrap, topic, { ...row.fill!, records });
    return topic;
  }

  /** Deletes a topic, and waits until its disk space is free and nothing of it waits to be written. */
  async #dropTopic(cluster: Cluster, topic: string): Promise<void> {
    await this.tools.deleteTopic(cluster.bootstrap, topic);
    const deadline = performance.now() + CLEAN_MS_MAX;
    while (bytesIn(cluster.dataDirectory) > LEFT_BYTES_MAX * cluster.brokerPids.length) {
      if (performance.now() > deadline) {
        this.say(`  ${cluster.name} still has ${told(bytesIn(cluster.dataDirectory) / 1e6, 0)} MB of deleted topics`);
        break;
      }
      await pause(CLEAN_POLL_MS);
    }
    spawnSync('sync');
  }

  #runs(shape: Shape): boolean {
    return this.#running?.shape.brokers === shape.brokers && this.#running.shape.flush === shape.flush;
  }

  async #runningCluster(name: BrokerName, shape: Shape): Promise<Cluster> {
    this.#running ??= { shape, clusters: new Map() };
    const found = this.#running.clusters.get(name);
    if (found !== undefined) return found;
    const cluster = await this.fresh(name, shape);
    try {
      await cluster.start();
      await this.#warmUp(cluster, shape);
    } catch (error) {
      await cluster.remove();
      throw error;
    }
    this.#running.clusters.set(name, cluster);
    return cluster;
  }

  /** A JVM, and V8 too, are at their best only after a while. */
  async #warmUp(cluster: Cluster, { brokers, flush }: Shape): Promise<void> {
    this.say(`  warming ${cluster.name} up (${cluster.bootstrap})`);
    const topic = await this.#newTopic(cluster, { id: 'warm-up', partitions: 12, brokers });
    const records = scaled(brokers === 1 ? WARM_UP_RECORDS[flush] : WARM_UP_RECORDS_REPLICATED, this);
    await this.tools.produce(cluster.bootstrap, topic, { records, recordBytes: 1024, settings: ['acks=all'] });
    await this.tools.consume(cluster.bootstrap, topic, records);
    await this.#dropTopic(cluster, topic);
  }

  async #stopRunning(): Promise<void> {
    for (const cluster of this.#running?.clusters.values() ?? []) await cluster.remove();
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
