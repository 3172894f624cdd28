import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { readClusterFile } from '../cluster/dev-cluster.ts';
import type { ServiceEntry } from '../cluster/dev-cluster.ts';
import { http } from '../cluster/http-client.ts';
import type { Answer, HttpOptions, HttpTarget } from '../cluster/http-client.ts';
import { WeirChild } from '../harness/weir-child.ts';
import type { Ending } from '../harness/weir-child.ts';
import type { Workshop } from './workshop.ts';

const START_MS_MAX = 30_000;
/** No answer takes longer, a produce that waits for its delivery timeout included. */
const ANSWER_MS_MAX = 45_000;

/** What `weir dev` is started with. */
export interface WeirOptions {
  readonly dataDirectory: string;
  readonly words?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Most open files, by `prlimit`. */
  readonly descriptorsMax?: number;
}

/** A `weir dev` whose data directory lies where the test says, and which may end by itself. */
export class WeirProcess implements HttpTarget {
  readonly #options: WeirOptions;
  #child: WeirChild | undefined;
  #services: readonly ServiceEntry[] = [];

  constructor(workshop: Workshop, options: WeirOptions) {
    this.#options = options;
    workshop.cleanups.add(`killing the process on ${options.dataDirectory}`, () => this.kill());
  }

  /**
   * Starts it; returns when it is ready.
   *
   * @throws StartFailure
   */
  async start(): Promise<void> {
    const { dataDirectory, words = [], environment, descriptorsMax } = this.#options;
    const child = new WeirChild(['dev', '--data-dir', dataDirectory, '--ports', 'auto', ...words], {
      environment,
      ...(descriptorsMax === undefined ? {} : { runner: ['prlimit', `--nofile=${descriptorsMax}`] }),
    });
    this.#child = child;
    this.#services = await child.ready(
      () => readClusterFile(dataDirectory, (services) => services[0]?.pid === child.pid),
      START_MS_MAX,
    );
  }

  /** SIGKILL; returns when it is gone. */
  async kill(): Promise<void> {
    await this.#child?.end('SIGKILL');
  }

  /** As Ctrl-C does. */
  async stop(): Promise<Ending | undefined> {
    return this.#child?.end('SIGINT');
  }

  /** How it ended by itself; undefined when it has not after so long. */
  async endsWithin(ms: number): Promise<Ending | undefined> {
    const waited = new AbortController();
    const ending = await Promise.race([
      this.#child?.ending,
      pause(ms, undefined, { signal: waited.signal }).catch(() => undefined),
    ]);
    waited.abort();
    return ending;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.ended === undefined;
  }

  /** All that it has printed since its start. */
  get output(): string {
    return this.#child?.output ?? '';
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  service(kind: ServiceEntry['kind']): ServiceEntry {
    const found = this.#services.find((service) => service.kind === kind);
    if (found === undefined) throw new Error(`there is no ${kind}`);
    return found;
  }

  /** One request to the gateway. @throws TypeError or DOMException (as a rejection) without an answer */
  async http(path: string, options: HttpOptions = {}): Promise<Answer> {
    return http(`http://${this.service('gateway').http}${path}`, { timeoutMs: ANSWER_MS_MAX, ...options });
  }

  /** One request to a service's ops port. */
  async ops(kind: ServiceEntry['kind'], path: string): Promise<Answer> {
    return http(`http://${this.service(kind).ops}${path}`, { timeoutMs: ANSWER_MS_MAX });
  }

  /** Resident memory in MiB. */
  get memoryMib(): number {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) / 1024;
  }
}
