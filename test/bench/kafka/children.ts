import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program to run, and how. */
export interface Command {
  readonly file: string;
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** It is ended when it takes longer. */
  readonly secondsMax: number;
  /** Looks at all that it printed so far. `enough`: it is ended and counts as done, though it would go on. */
  readonly watch?: ((output: string) => 'enough' | undefined) | undefined;
}

const cleanups = new Set<() => void>();

/** Runs `cleanup` when this process ends, however it ends but by SIGKILL. It must not wait. Returns what takes it back. */
export function atEnd(cleanup: () => void): () => void {
  cleanups.add(cleanup);
  return () => void cleanups.delete(cleanup);
}

/** Makes an interrupt an orderly end, and an end take the children and the data with it. */
export function endWithChildren(): void {
  process.once('exit', () => {
    // What was started last goes first: tools before brokers, brokers before their directories.
    for (const cleanup of [...cleanups].toReversed()) cleanup();
  });
  // For good: a second signal, as a terminal and whoever started this send one each, must not cut the end short.
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  process.on('SIGHUP', () => process.exit(129));
}

/** A directory that does not outlive this process; `remove` drops it before. */
export function temporaryDirectory(name: string): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `weir-bench-${name}-`));
  // What was killed a moment ago may still write.
  const drop = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  const takeBack = atEnd(drop);
  return {
    path,
    remove: () => {
      takeBack();
      drop();
    },
  };
}

/** Sends a signal to a process, if there is one; with a negative number, to a group of them. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/**
 * Runs a program to its end.
 *
 * @returns what it printed on its standard output
 * @throws Error with the end of its error output when it failed or took too long
 */
export function run({ file, words, environment, secondsMax, watch }: Command): Promise<string> {
  return new Promise((resolve, reject) => {
    // A group of its own: a script ends with all that it started.
    const child = spawn(file, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
      detached: true,
    });
    const kill = (): void => void (child.pid !== undefined && sendSignal(-child.pid, 'SIGKILL'));
    const takeBack = atEnd(kill);
    let late = false;
    let done = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, secondsMax * 1000);
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (done || watch?.(output) !== 'enough') return;
      done = true;
      kill();
    });
    child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4_000)));
    child.once('error', (error) => {
      clearTimeout(timer);
      takeBack();
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      takeBack();
      if (code === 0 || done) return resolve(output);
      const how = late ? `took longer than ${secondsMax} s` : `ended with ${code ?? signal}`;
      reject(new Error(`${nameOf(file, words)} ${how}:\n${errors}${output.slice(-1_000)}`));
    });
  });
}

/** What to call a program by: a shell by what it runs. */
function nameOf(file: string, words: readonly string[]): string {
  return file === 'bash' ? words.slice(3).join(' ') : `${file.split('/').at(-1)} ${words.join(' ')}`;
}
