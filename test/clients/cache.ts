import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What is built and installed for clients: outside of the checkout, kept for the next run. */
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weir-test-clients');
const BUILD_MS_MAX = 10 * 60_000;
const QUIET_MS = 2_000;

/** A step of a build. */
export interface BuildStep {
  readonly words: readonly string[];
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * The directory of what is made from a client's source: made anew when any file of it has changed.
 *
 * @param client its own source, and a directory of what it shares with others
 * @param make the steps that fill the directory
 * @throws Error with what the step said that failed
 */
export async function build(
  client: { readonly name: string; readonly source: string; readonly shared?: string },
  make: (directory: string) => readonly BuildStep[],
  say: (line: string) => void,
): Promise<string> {
  const hash = createHash('sha256');
  for (const source of client.shared === undefined ? [client.source] : [client.source, client.shared]) {
    for (const file of readdirSync(source).toSorted()) {
      const path = join(source, file);
      if (statSync(path).isFile()) hash.update(file).update(readFileSync(path));
    }
  }
  const directory = join(CACHE, `${client.name}-${hash.digest('hex').slice(0, 12)}`);
  const done = join(directory, '.done');
  if (existsSync(done)) return directory;
  // What an earlier source or an interrupted build left.
  for (const old of existsSync(CACHE) ? readdirSync(CACHE) : []) {
    if (new RegExp(`^${client.name}-[0-9a-f]{12}$`).test(old)) rmSync(join(CACHE, old), { recursive: true });
  }
  mkdirSync(directory, { recursive: true });
  const startMs = performance.now();
  const progress = setInterval(() => {
    say(`  … ${client.name}: installing and building, ${Math.round((performance.now() - startMs) / 1_000)} s`);
  }, QUIET_MS * 5);
  const first = setTimeout(() => say(`  … ${client.name}: installing and building (the first run only)`), QUIET_MS);
  try {
    for (const step of make(directory)) await runStep(step);
  } finally {
    clearInterval(progress);
    clearTimeout(first);
  }
  writeFileSync(done, '');
  return directory;
}

/** Where a program of that name is. */
export function findProgram(name: string): string | undefined {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
  return candidates.find((path) => existsSync(path));
}

function runStep({ words, cwd, environment }: BuildStep): Promise<void> {
  const child = spawn(words[0]!, words.slice(1), {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: BUILD_MS_MAX,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-2_000)));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${words.join(' ').slice(0, 120)} ended with ${code}: ${output.trim()}`));
    });
  });
}
