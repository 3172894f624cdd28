import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, endAndWait } from './broker.ts';
import type { Broker, Flush } from './broker.ts';
import { atEnd, sendSignal, run, temporaryDirectory } from './children.ts';

const START_SECONDS_MAX = 180;
/** The scripts put a broker's controller so many ports higher. */
const CONTROLLER_DISTANCE = 100;
/** Deleted files go soon, so that the next row finds the disk as this one did. */
const SETTINGS = ['log.segment.delete.delay.ms=1000'];

/** A real Apache Kafka, started by the scripts of the peer on ports and in directories of its own. */
export class KafkaBroker implements Broker {
  readonly name = 'Kafka';
  readonly bootstrap: string;
  readonly #peer: string;
  readonly #flush: Flush;
  readonly #port: number;
  readonly #data = temporaryDirectory('kafka-data');
  readonly #run = temporaryDirectory('kafka-run');
  readonly #takeBack: () => void;

  private constructor(peer: string, flush: Flush, port: number) {
    this.#peer = peer;
    this.#flush = flush;
    this.#port = port;
    this.bootstrap = `127.0.0.1:${port}`;
    this.#takeBack = atEnd(() => {
      for (const pid of this.#pids()) sendSignal(pid, 'SIGKILL');
    });
  }

  /** `peer`: the directory of the scripts. Nothing runs before `start`. */
  static async prepare(peer: string, flush: Flush): Promise<KafkaBroker> {
    return new KafkaBroker(peer, flush, await freePort(CONTROLLER_DISTANCE));
  }

  get pid(): number {
    return this.#pids()[0] ?? -1;
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
    const sync = this.#flush === 'commit' ? ['--fsync'] : [];
    const settings = SETTINGS.flatMap((setting) => ['--set', setting]);
    await this.#script('start', [...sync, '--data', this.#data.path, ...settings]);
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
