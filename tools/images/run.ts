import { spawnSync } from 'node:child_process';

/** How a program is to be run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Shows what it prints, on standard error, instead of keeping it. */
  readonly show?: boolean;
}

/** What became of it. */
export interface RunResult {
  readonly ok: boolean;
  readonly stdout: string;
  /** What to tell somebody about it: its last words. */
  readonly words: string;
}

/** Runs a program to its end. One that is not there has not succeeded. */
export function tryRun(program: string, args: readonly string[], options: RunOptions = {}): RunResult {
  const result = spawnSync(program, args, {
    cwd: options.cwd,
    env: options.environment ?? process.env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: options.show === true ? ['ignore', 2, 2] : ['ignore', 'pipe', 'pipe'],
  });
  const stdout = result.stdout ?? '';
  if (result.error !== undefined) {
    const missing = (result.error as NodeJS.ErrnoException).code === 'ENOENT';
    return { ok: false, stdout, words: missing ? `${program} is not installed` : result.error.message };
  }
  const said = `${result.stderr ?? ''}${stdout}`.trim().split('\n').slice(-5).join('\n');
  return { ok: result.status === 0, stdout, words: said === '' ? `it ended with ${result.status}` : said };
}

/** The same, where a failure is the end. @throws Error with the program's last words */
export function run(program: string, args: readonly string[], options: RunOptions = {}): string {
  const result = tryRun(program, args, options);
  if (!result.ok) throw new Error(`${[program, ...args].join(' ')} failed: ${result.words}`);
  return result.stdout;
}
