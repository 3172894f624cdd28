import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, findProgram } from '../clients/cache.ts';
import { endWithUs } from '../harness/end-with-us.ts';

const HERE = import.meta.dirname;
/** Far more than a run takes: one that hangs ends. */
const RUN_MS_MAX = 30 * 60_000;

/** Why it cannot be installed, or undefined. */
export function pythonProblem(): string | undefined {
  if (findProgram('python3') === undefined) return 'Python 3.10 or newer (python3) is not there';
  const probe = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';
  const { status } = spawnSync('python3', ['-c', probe], { stdio: 'ignore' });
  return status === 0 ? undefined : 'python3 is older than 3.10, or has no venv and pip';
}

/** What a run is about. */
export interface RunOptions {
  readonly url: string;
  readonly seed: number;
  readonly maxExamples: number;
  readonly phases: string;
  /** Operation ids; all without. */
  readonly only: readonly string[];
}

/**
 * Installs it when this version is not there yet, in an environment of its own.
 *
 * @returns the program
 * @throws Error with what pip said
 */
export async function install(say: (line: string) => void): Promise<string> {
  const source = join(HERE, 'python');
  const directory = await build(
    { name: 'schemathesis', source },
    (made) => [
      { words: ['python3', '-m', 'venv', made], cwd: source },
      { words: [join(made, 'bin/pip'), 'install', '-q', '-r', 'requirements.txt'], cwd: source },
    ],
    say,
  );
  return join(directory, 'bin/schemathesis');
}

/** Runs it; what it prints goes where ours goes. Returns its exit code: 0 when it has found nothing. */
export async function run(program: string, { url, seed, maxExamples, phases, only }: RunOptions): Promise<number> {
  // It leaves files where it runs.
  const cwd = mkdtempSync(join(tmpdir(), 'weir-schemathesis-'));
  const options = { seed, 'max-examples': maxExamples, phases };
  const words = ['--config-file', join(HERE, 'schemathesis.toml'), 'run', `${url}/openapi`, '--no-color'];
  for (const [name, value] of Object.entries(options)) words.push(`--${name}`, String(value));
  for (const id of only) words.push('--include-operation-id', id);
  const child = spawn(program, words, {
    cwd,
    env: { ...process.env, PYTHONPATH: HERE, SCHEMATHESIS_HOOKS: 'hooks', PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: RUN_MS_MAX,
  });
  endWithUs(child);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 1));
    });
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
