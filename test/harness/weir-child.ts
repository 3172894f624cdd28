import { createRequire } from 'node:module';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endWithUs } from './end-with-us.ts';

/** As bin/weir runs it. */
const { nodeFlags } = createRequire(import.meta.url)('../../bin/bootstrap.js') as { readonly nodeFlags: string[] };
const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const POLL_MS = 10;

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** It ended, or was not ready in time, when it was started. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}

/** What a process gets besides its words. */
export interface ChildOptions {
  /** Variables besides this process's own. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** A program with its words that runs it, as `prlimit --nofile=100`. */
  readonly runner?: readonly string[];
}

/** A process of the `weir` command of this checkout. It does not outlive the one that started it. */
export class WeirChild {
  /** When it is gone, and all that it printed is here. */
  readonly ending: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #title: string;
  #ended: Ending | undefined;
  #output = '';

  constructor(words: readonly string[], { environment, runner = [] }: ChildOptions = {}) {
    this.#title = `weir ${words[0]}`;
    const command = [...runner, process.execPath, ...nodeFlags, MAIN, ...words];
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      // As bin/weir sets them.
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: join(tmpdir(), 'weir-test-compile-cache'),
        UV_THREADPOOL_SIZE: '16',
        ...environment,
      },
    });
    this.#child = child;
    endWithUs(child);
    this.ending = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#ended = { code, signal };
        resolve(this.#ended);
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** How it ended, if it has. */
  get ended(): Ending | undefined {
    return this.#ended;
  }

  /** All that it has printed. */
  get output(): string {
    return this.#output;
  }

  /**
   * Waits for what it becomes ready with.
   *
   * @throws StartFailure when it ended first or took too long; it is gone then
   */
  async ready<T>(
    poll: () => T | undefined | Promise<T | undefined>,
    withinMs: number,
  ): Promise<NonNullable<Awaited<T>>> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      // One at a time: the next look is at what has come since.
      const found = await poll();
      if (found !== undefined && found !== null) return found;
      const ended = this.#ended;
      if (ended !== undefined) {
        throw new StartFailure(`${this.#title} ended with ${ended.code ?? ended.signal}:\n${this.#output}`);
      }
      if (performance.now() > deadline) {
        await this.end('SIGKILL');
        throw new StartFailure(`${this.#title} is not ready after ${withinMs} ms:\n${this.#output}`);
      }
      await pause(POLL_MS);
    }
  }

  /** Sends a signal that it survives. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal that ends it; returns when it is gone. */
  async end(signal: NodeJS.Signals): Promise<Ending> {
    if (this.#ended === undefined) this.#child.kill(signal);
    return this.ending;
  }
}

/** Whether there is a process with this id. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
