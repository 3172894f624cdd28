import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Topics } from './places.ts';

const MAIN = fileURLToPath(new URL('./counter-main.ts', import.meta.url));
/** One that is told to stop is killed after this. */
const STOP_MS_MAX = 10_000;

/** What a counter's process is told. */
export interface CounterSettings {
  readonly name: string;
  readonly coordinators: readonly string[];
  readonly topics: Topics;
  /** It kills itself once it has read so many words, when their counts are published and not committed. */
  readonly crashAfter?: number;
}

/** What it has done since its start. */
export interface CounterTally {
  readonly words: number;
  readonly recognised: number;
}

/** A counter in a process of its own, which is started again when it crashes, as Kubernetes would. */
export class CounterProcess {
  readonly name: string;
  crashes = 0;
  /** Since the last start; there once it has stopped. */
  tally: CounterTally | undefined;
  /** Why it has ended by itself. */
  failure: unknown;
  readonly #settings: CounterSettings;
  readonly #tell: (what: string) => void;
  #isStopping = false;
  #child: ChildProcess;
  #ended: Promise<void>;

  constructor(settings: CounterSettings, tell: (what: string) => void) {
    this.name = settings.name;
    this.#settings = settings;
    this.#tell = tell;
    [this.#child, this.#ended] = this.#start(settings);
  }

  /** Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#child;
    // It may be gone, or about to: after Ctrl-C it stops by itself.
    if (child.connected) child.send('stop', () => undefined);
    const killing = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await this.#ended;
    clearTimeout(killing);
  }

  #start(settings: CounterSettings): [ChildProcess, Promise<void>] {
    const child = fork(MAIN, [JSON.stringify(settings)]);
    child.on('message', (tally) => (this.tally = tally as CounterTally));
    const ended = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        if (this.#isStopping) return resolve();
        if (signal === 'SIGKILL' && settings.crashAfter !== undefined) this.#restart();
        else if (code !== 0) this.failure = new Error(`${this.name} has ended with ${code ?? signal}`);
        resolve();
      });
    });
    return [child, ended];
  }

  #restart(): void {
    this.crashes++;
    this.#tell(`${this.name} was killed, after it had published counts and before it had committed; it starts again`);
    const { crashAfter: _, ...settings } = this.#settings;
    [this.#child, this.#ended] = this.#start(settings);
  }
}
