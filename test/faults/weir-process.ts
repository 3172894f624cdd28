import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ServiceEntry } from '../cluster/dev-cluster.ts';
import type { Workshop } from './workshop.ts';

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const START_MS_MAX = 30_000;
/** No answer takes longer, a produce that waits for its delivery timeout included. */
const ANSWER_MS_MAX = 45_000;

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** An answer over HTTP. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: any;
}

/** What `weir dev` is started with. */
export interface WeirOptions {
  readonly dataDirectory: string;
  readonly words?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Most open files, by `prlimit`. */
  readonly descriptorsMax?: number;
}

/** It ended, or was not ready in time, when it was started. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}

/** A `weir dev` whose data directory lies where the test says, and which may end by itself. */
export class WeirProcess {
  readonly #options: WeirOptions;
  #child: ChildProcess | undefined;
  #ending: Promise<Ending> | undefined;
  #ended: Ending | undefined;
  #output = '';
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
    const command = [process.execPath, MAIN, 'dev', '--data-dir', dataDirectory, '--ports', 'auto', ...words];
    if (descriptorsMax !== undefined) command.unshift('prlimit', `--nofile=${descriptorsMax}`);
    this.#output = '';
    this.#ended = undefined;
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: join(tmpdir(), 'weir-test-compile-cache'),
        UV_THREADPOOL_SIZE: '16',
        ...environment,
      },
    });
    this.#child = child;
    this.#ending = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#ended = { code, signal };
        resolve(this.#ended);
      });
    });
    child.stdout.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    const deadline = Date.now() + START_MS_MAX;
    for (;;) {
      const services = this.#readClusterFile();
      if (services !== undefined) {
        this.#services = services;
        return;
      }
      const ended = this.#endedAs();
      if (ended !== undefined) {
        throw new StartFailure(`weir dev ended with ${ended.code ?? ended.signal}:\n${this.#output}`);
      }
      if (Date.now() > deadline) {
        await this.kill();
        throw new StartFailure(`weir dev is not ready after ${START_MS_MAX} ms:\n${this.#output}`);
      }
      await pause(10);
    }
  }

  /** SIGKILL; returns when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** As Ctrl-C does. */
  async stop(): Promise<Ending | undefined> {
    return this.#end('SIGINT');
  }

  /** How it ended by itself; undefined when it has not after so long. */
  async endsWithin(ms: number): Promise<Ending | undefined> {
    const waited = new AbortController();
    const ending = await Promise.race([
      this.#ending,
      pause(ms, undefined, { signal: waited.signal }).catch(() => undefined),
    ]);
    waited.abort();
    return ending;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#ended === undefined;
  }

  /** All that it has printed since its start. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  service(kind: ServiceEntry['kind']): ServiceEntry {
    const found = this.#services.find((service) => service.kind === kind);
    if (found === undefined) throw new Error(`there is no ${kind}`);
    return found;
  }

  /** One request to the gateway; a body is sent as JSON. @throws TypeError or DOMException without an answer */
  async http(path: string, options: { method?: string; body?: unknown; timeoutMs?: number } = {}): Promise<Answer> {
    return this.#fetch(`http://${this.service('gateway').http}${path}`, options);
  }

  /** One request to a service's ops port. */
  async ops(kind: ServiceEntry['kind'], path: string): Promise<Answer> {
    return this.#fetch(`http://${this.service(kind).ops}${path}`, {});
  }

  /** Resident memory in MiB. */
  get memoryMib(): number {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) / 1024;
  }

  async #fetch(url: string, options: { method?: string; body?: unknown; timeoutMs?: number }): Promise<Answer> {
    const { body, timeoutMs = ANSWER_MS_MAX } = options;
    const response = await fetch(url, {
      method: options.method ?? (body === undefined ? 'GET' : 'POST'),
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, text, json };
  }

  #endedAs(): Ending | undefined {
    return this.#ended;
  }

  /** That of this start: one that a killed predecessor left has another process id. */
  #readClusterFile(): readonly ServiceEntry[] | undefined {
    try {
      const text = readFileSync(join(this.#options.dataDirectory, 'cluster.json'), 'utf8');
      const { services } = JSON.parse(text) as { services: ServiceEntry[] };
      return services[0]?.pid === this.#child?.pid ? services : undefined;
    } catch {
      return undefined;
    }
  }

  async #end(signal: NodeJS.Signals): Promise<Ending | undefined> {
    if (this.running) this.#child?.kill(signal);
    return this.#ending;
  }
}
