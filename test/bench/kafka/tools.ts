import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, temporaryDirectory } from './children.ts';
import type { Command } from './children.ts';
import { parseConsumer, parseEndToEnd, parseFailover, parseFigure, parseFirst, parseProducer } from './parse.ts';
import type { Consumed, EndToEnd, Failover, Produced } from './parse.ts';

const OWN_DIRECTORY = fileURLToPath(new URL('.', import.meta.url));
const OWN_CLASSES = ['AssignedConsumer', 'ManyProducers', 'AllPartitions'];
const SCRIPTS = [
  'install',
  'lib.sh',
  'probe.sh',
  'start',
  'stop',
  'tool',
  'perf-producer',
  'perf-e2e',
  'perf-failover',
];
const MEASUREMENT_SECONDS_MAX = 600;
/** Often enough to see milliseconds, and no load for anybody. */
const FAILOVER_RECORDS_PER_SECOND = 200;
const ADMIN_SECONDS_MAX = 60;
const INSTALL_SECONDS_MAX = 600;

/** A topic to create. */
export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  /** 1 where absent. Of several all but one have to be in sync for a write with acks=all. */
  readonly replicas?: number;
}

/** What a producer sends, and how. */
export interface Load {
  readonly records: number;
  readonly recordBytes: number;
  /** Settings of the Java producer, as `acks=1`. */
  readonly settings: readonly string[];
}

/** A client that tries to reach a broker that is not there yet. */
export interface Trial {
  /** It has begun to try. */
  readonly ready: Promise<void>;
  /** When it succeeded, in ms of the wall clock: it is another process. */
  readonly wallClockMs: Promise<number>;
}

/** Kafka's own tools and its Java client, run against any address; both brokers get the very same commands. */
export class KafkaTools {
  readonly peer: string;
  readonly #classes = temporaryDirectory('classes');
  readonly #run = temporaryDirectory('tools');

  /** `peer`: the directory of the scripts. */
  constructor(peer: string) {
    this.peer = peer;
  }

  /** What of the scripts is missing in a directory. */
  static missingIn(peer: string): readonly string[] {
    return SCRIPTS.filter((script) => !existsSync(join(peer, script)));
  }

  /** Installs the jars where they are missing, and compiles what is ours. */
  async prepare(): Promise<void> {
    await run({ file: join(this.peer, 'install'), words: [], secondsMax: INSTALL_SECONDS_MAX });
    const sources = OWN_CLASSES.map((name) => join(OWN_DIRECTORY, `${name}.java`));
    await this.#shell(
      '. "$0/lib.sh"; exec "${java}c" -proc:none -cp "$jars/tools/*" -d "$@"',
      [this.#classes.path, ...sources],
      ADMIN_SECONDS_MAX,
    );
  }

  async createTopic(bootstrap: string, { name, partitions, replicas = 1 }: NewTopic): Promise<void> {
    const safety = replicas === 1 ? [] : ['--config', `min.insync.replicas=${replicas - 1}`];
    const words = ['--topic', name, '--partitions', `${partitions}`, '--replication-factor', `${replicas}`, ...safety];
    await this.#topicCommand(bootstrap, '--create', ...words);
  }

  async deleteTopic(bootstrap: string, topic: string): Promise<void> {
    await this.#topicCommand(bootstrap, '--delete', '--topic', topic);
  }

  /** ProducerPerformance as fast as it goes. */
  async produce(bootstrap: string, topic: string, { records, recordBytes, settings }: Load): Promise<Produced> {
    const words = [bootstrap, topic, '--records', `${records}`, '--size', `${recordBytes}`, ...settings];
    const produced = parseProducer(await this.#script('perf-producer', words, MEASUREMENT_SECONDS_MAX));
    if (produced.records !== records)
      throw new Error(`only ${produced.records} of ${records} records were acknowledged`);
    return produced;
  }

  /** Several producers in one process, a record a batch, acks=all. */
  async produceWithMany(
    bootstrap: string,
    topic: string,
    load: { readonly producers: number; readonly recordsEach: number; readonly recordBytes: number },
  ): Promise<Produced> {
    const words = [bootstrap, topic, load.producers, load.recordsEach, load.recordBytes].map(String);
    const output = await this.#own('ManyProducers', words, MEASUREMENT_SECONDS_MAX);
    return {
      records: parseFigure(output, 'records'),
      recordsPerSecond: parseFigure(output, 'records_per_s'),
      averageMs: parseFigure(output, 'average_ms'),
      p50Ms: parseFigure(output, 'p50_ms'),
      p99Ms: parseFigure(output, 'p99_ms'),
    };
  }

  /** Everything from the first record on, partitions assigned. */
  async consume(bootstrap: string, topic: string, records: number): Promise<Consumed> {
    const words = [bootstrap, topic, `${records}`];
    return parseConsumer(await this.#own('AssignedConsumer', words, MEASUREMENT_SECONDS_MAX));
  }

  /** EndToEndLatency: a record at a time, acks=all, from the producer through the broker to a consumer. */
  async endToEnd(bootstrap: string, topic: string, records: number): Promise<EndToEnd> {
    const output = await run({
      file: join(this.peer, 'perf-e2e'),
      words: [bootstrap, topic, `${records}`, 'all', '100'],
      secondsMax: MEASUREMENT_SECONDS_MAX,
      // It commits an offset afterwards, for which a broker without groups would make it wait a minute.
      watch: (soFar) => (/^Percentiles: .*99\.9th = \d+$/m.test(soFar) ? 'enough' : undefined),
    });
    return parseEndToEnd(output);
  }

  /**
   * A steady idempotent producer with acks=all into one partition of a new topic with three replicas; after a third of the
   * time something happens to its leader. Then everything is read back.
   *
   * @param harm - a command of the shell, which has the leader's broker id in $LEADER
   */
  async failover(
    bootstrap: string,
    { seconds, harm }: { readonly seconds: number; readonly harm: string },
  ): Promise<Failover> {
    const words = [bootstrap, '3', `${FAILOVER_RECORDS_PER_SECOND}`, `${seconds}`, 'any', harm];
    return parseFailover(
      await run({
        file: join(this.peer, 'perf-failover'),
        words,
        // The probe compiles itself into the run folder.
        environment: { KAFKA_PEER_RUN: this.#run.path },
        secondsMax: MEASUREMENT_SECONDS_MAX,
      }),
    );
  }

  /** Creates a topic of many partitions; seconds until the answer, and until each partition has told its end. */
  async createMany(
    bootstrap: string,
    topic: string,
    partitions: number,
  ): Promise<{ readonly createdSeconds: number; readonly allSeconds: number }> {
    const words = [bootstrap, topic, 'create', `${partitions}`];
    const output = await this.#own('AllPartitions', words, MEASUREMENT_SECONDS_MAX);
    return { createdSeconds: parseFigure(output, 'created_s'), allSeconds: parseFigure(output, 'all_s') };
  }

  /** Tries until each partition has told its end. Start it before the broker is launched, and launch when it is ready. */
  allLed(bootstrap: string, topic: string, partitions: number): Trial {
    return trial(async (watch) => {
      const words = [bootstrap, topic, 'led', `${partitions}`];
      return parseFigure(await this.#own('AllPartitions', words, MEASUREMENT_SECONDS_MAX, watch), 'all_at_ms');
    });
  }

  /** Tries until a record with acks=all is acknowledged, likewise. */
  firstAcknowledgement(bootstrap: string): Trial {
    return trial(async (watch) => {
      const program = '. "$0/lib.sh"; . "$0/probe.sh"; probe "$@"';
      return parseFirst(await this.#shell(program, ['first', bootstrap], MEASUREMENT_SECONDS_MAX, watch)).ackMs;
    });
  }

  /** Drops what `prepare` made. */
  remove(): void {
    this.#classes.remove();
    this.#run.remove();
  }

  async #topicCommand(bootstrap: string, ...words: string[]): Promise<void> {
    await this.#script('tool', ['TopicCommand', '--bootstrap-server', bootstrap, ...words], ADMIN_SECONDS_MAX);
  }

  #script(name: string, words: readonly string[], secondsMax: number): Promise<string> {
    return run({ file: join(this.peer, name), words, secondsMax });
  }

  #own(name: string, words: readonly string[], secondsMax: number, watch?: Command['watch']): Promise<string> {
    const program =
      '. "$0/lib.sh"; classes=$1; shift; exec "$java" -Xmx512M $jvm ' +
      '-Dlog4j2.configurationFile="$here/log4j2-tools.xml" -cp "$classes:$jars/tools/*" "$@"';
    return this.#shell(program, [this.#classes.path, name, ...words], secondsMax, watch);
  }

  #shell(program: string, words: readonly string[], secondsMax: number, watch?: Command['watch']): Promise<string> {
    return run({
      file: 'bash',
      words: ['-ec', program, this.peer, ...words],
      // The probe compiles itself into the run folder.
      environment: { KAFKA_PEER_RUN: this.#run.path },
      secondsMax,
      watch,
    });
  }
}

function trial(start: (watch: NonNullable<Command['watch']>) => Promise<number>): Trial {
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const wallClockMs = start((output) => {
    if (output.startsWith('ready')) resolve();
    return undefined;
  });
  // Who waits for it to be ready is told when it never will be.
  wallClockMs.catch(reject);
  ready.catch(() => undefined);
  return { ready, wallClockMs };
}
