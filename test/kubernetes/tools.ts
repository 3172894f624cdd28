import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The chart under test. */
export const CHART = join(ROOT, 'deploy/helm/weir');

/** Nothing that is waited for takes longer. */
const RUN_MS_MAX = 5 * 60_000;

/** A program's end. */
export interface Ended {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, with something on its standard input when given. */
export function tryRun(program: string, args: readonly string[], input?: string): Ended {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    timeout: RUN_MS_MAX,
    ...(input === undefined ? { stdio: ['ignore', 'pipe', 'pipe'] as const } : { input }),
  });
  return { ok: status === 0, stdout: stdout ?? '', stderr: `${stderr ?? ''}${error?.message ?? ''}` };
}

/** The same. @throws Error with what it said, when it fails */
export function run(program: string, args: readonly string[], input?: string): string {
  const { ok, stdout, stderr } = tryRun(program, args, input);
  if (!ok) throw new Error(`${[program, ...args].join(' ').slice(0, 300)} failed: ${stderr.trim()}${stdout.trim()}`);
  return stdout;
}

/** A program that runs while others do. */
export class Running {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ended>;
  #stdout = '';
  /** Who waits for more output, or the end. */
  readonly #waiting = new Set<() => void>();

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: 'pipe' });
    let stderr = '';
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
      this.#wake();
    });
    this.#child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => {
        resolve({ ok: code === 0, stdout: this.#stdout, stderr });
        this.#wake();
      });
    });
    // Whoever waits hears of it; nobody need be waiting when it happens.
    this.#ended.catch(() => undefined);
  }

  /** Puts a line on its standard input. */
  tell(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** Waits until it has printed a line. @throws Error (as a rejection) when it ends first */
  async until(line: string): Promise<void> {
    while (!this.#stdout.split('\n').includes(line)) {
      if (this.#child.exitCode !== null)
        throw new Error(`it ended before "${line}": ${(await this.#ended).stderr.trim()}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
      this.#waiting.clear();
    }
  }

  /** Ends its standard input and waits for its end. */
  finish(): Promise<Ended> {
    this.#child.stdin!.end();
    return this.#ended;
  }

  /** Ends it, as Ctrl-C does, and waits. */
  async interrupt(): Promise<Ended> {
    this.#child.kill('SIGINT');
    return this.#ended;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** Puts a directory's programs first. */
export function preferPrograms(directory: string): void {
  if (existsSync(directory)) process.env['PATH'] = `${directory}${delimiter}${process.env['PATH'] ?? ''}`;
}
