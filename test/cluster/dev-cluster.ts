import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** A service as `cluster.json` tells of it. */
export interface ServiceEntry {
  readonly kind: 'coordinator' | 'broker' | 'gateway';
  readonly id: string;
  readonly pid: number;
  readonly args: readonly string[];
  readonly grpc?: string;
  readonly http?: string;
  readonly ops: string;
}

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const START_MS_MAX = 20_000;

/** A `weir dev` of real processes on free ports, with a data directory that lives until `remove`. */
export class DevCluster {
  readonly dataDirectory = mkdtempSync(join(tmpdir(), 'weir-dev-'));
  /** Variables that the process gets besides this one's. */
  readonly environment: Record<string, string> = {};
  readonly #extra: readonly string[];
  #process: ChildProcess | undefined;
  #services: readonly ServiceEntry[] = [];
  #output = '';

  /** `extra`: further words for `weir dev`, as `--separate`. */
  constructor(...extra: string[]) {
    this.#extra = extra;
  }

  /** Starts it, again after `kill` or `stop`; returns when it has said that it is ready. */
  async start(): Promise<this> {
    this.#output = '';
    const words = ['dev', '--data-dir', this.dataDirectory, '--ports', 'auto', ...this.#extra];
    const child = spawn(process.execPath, [MAIN, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // As bin/weir sets them.
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: join(tmpdir(), 'weir-test-compile-cache'),
        UV_THREADPOOL_SIZE: '16',
        ...this.environment,
      },
    });
    this.#process = child;
    child.stdout.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    const deadline = Date.now() + START_MS_MAX;
    for (;;) {
      const services = this.#readClusterFile();
      if (services !== undefined) {
        this.#services = services;
        return this;
      }
      if (child.exitCode !== null) throw new Error(`weir dev ended with ${child.exitCode}:\n${this.#output}`);
      if (Date.now() > deadline) throw new Error(`weir dev is not ready after ${START_MS_MAX} ms:\n${this.#output}`);
      await pause(10);
    }
  }

  /** The file of this start: one that a killed predecessor left has another process id. */
  #readClusterFile(): ServiceEntry[] | undefined {
    try {
      const text = readFileSync(join(this.dataDirectory, 'cluster.json'), 'utf8');
      const { services } = JSON.parse(text) as { services: ServiceEntry[] };
      const separate = this.#extra.includes('--separate');
      const current = separate ? services.every(({ pid }) => isAlive(pid)) : services[0]?.pid === this.#process?.pid;
      return current ? services : undefined;
    } catch {
      return undefined;
    }
  }

  get services(): readonly ServiceEntry[] {
    return this.#services;
  }

  service(kind: ServiceEntry['kind']): ServiceEntry {
    return this.#services.find((service) => service.kind === kind)!;
  }

  /** Base of the first gateway's addresses, as "http://127.0.0.1:4711". */
  get url(): string {
    return `http://${this.service('gateway').http}`;
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  /** All that it printed since its start. */
  get output(): string {
    return this.#output;
  }

  /** SIGKILL, at once; returns when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** As Ctrl-C does; returns its exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGINT');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return exited;
  }

  /** Ends it and removes its data. */
  async remove(): Promise<void> {
    await this.#end('SIGKILL');
    rmSync(this.dataDirectory, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
