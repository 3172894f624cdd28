import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, endAndWait } from './cluster.ts';
import type { Cluster, Shape } from './cluster.ts';
import { atEnd, sendSignal, run, temporaryDirectory } from './children.ts';

const START_SECONDS_MAX = 180;
/** The scripts put brokers at ports in a row, and a broker's controller so many ports higher. */
const CONTROLLER_DISTANCE = 100;
/** Deleted files go soon, so that the next row finds the disk as this one did. */
const SETTINGS = ['log.segment.delete.delay.ms=1000'];

/** A real Apache Kafka of one or three brokers, each a controller as well, started by the scripts of the peer on ports and in directories of its own. */
export class KafkaCluster implements Cluster {
  readonly name = 'Kafka';
  readonly bootstrap: string;
  readonly #peer: string;
  readonly #shape: Shape;
  readonly #port: number;
  readonly #data = temporaryDirectory('kafka-data');
  readonly #run = temporaryDirectory('kafka-run');
  readonly #takeBack: () => void;

  private constructor(peer: string, shape: Shape, port: number) {
    this.#peer = peer;
    this.#shape = shape;
    this.#port = port;
    this.bootstrap = placesOf(shape)
      .map((n) => `127.0.0.1:${port + n}`)
      .join(',');
    this.#takeBack = atEnd(() => {
      for (const pid of this.#pids()) sendSignal(pid, 'SIGKILL');
    });
  }

  /** `peer`: the directory of the scripts. Nothing runs before `start`. */
  static async prepare(peer: string, shape: Shape): Promise<KafkaCluster> {
    const distances = placesOf(shape).flatMap((n) => [n, n + CONTROLLER_DISTANCE]);
    return new KafkaCluster(peer, shape, await freePort(distances));
  }

  get pid(): number {
    return this.#pids()[0] ?? -1;
  }

  get brokerPids(): readonly number[] {
    return this.#pids();
  }

  get workingPids(): readonly number[] {
    return this.#pids();
  }

  get dataDirectory(): string {
    return this.#data.path;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await endAndWait(this.#pids(), signal);
    // With it, the script would take it for running.
    rmSync(join(this.#run.path, 'pids'), { force: true });
  }

  async start(): Promise<number> {
    const { brokers, flush, groupsAtOnce = false } = this.#shape;
    const sync = flush === 'commit' ? ['--fsync'] : [];
    const settings = [...SETTINGS, ...(groupsAtOnce ? ['group.initial.rebalance.delay.ms=0'] : [])].flatMap(
      (setting) => ['--set', setting],
    );
    await this.#script('start', ['--brokers', `${brokers}`, ...sync, '--data', this.#data.path, ...settings]);
    return Number(readFileSync(join(this.#run.path, 'launched-1'), 'utf8')) * 1000;
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    this.#takeBack();
    this.#data.remove();
    this.#run.remove();
  }

  #script(name: string, words: readonly string[]): Promise<string> {
    return run({
      file: join(this.#peer, name),
      words,
      environment: { KAFKA_PEER_RUN: this.#run.path, KAFKA_PEER_PORT: `${this.#port}` },
      secondsMax: START_SECONDS_MAX,
    });
  }

  /** The script writes them down as it starts them. */
  #pids(): readonly number[] {
    try {
      return readFileSync(join(this.#run.path, 'pids'), 'utf8').split('\n').filter(Boolean).map(Number);
    } catch {
      return [];
    }
  }
}

/** Of each broker, how much higher than the first one's its port is. */
function placesOf({ brokers }: Shape): readonly number[] {
  return Array.from({ length: brokers }, (_, n) => n);
}
