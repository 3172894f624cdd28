import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE = join(import.meta.dirname, 'server');
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/weir-etcd');
const BUILD_MS_MAX = 10 * 60_000;

/** Why etcd cannot be built, or undefined. */
export function toolchainProblem(): string | undefined {
  const { status } = spawnSync('go', ['version']);
  return status === 0 ? undefined : 'Go (https://go.dev/dl) is not there to build etcd with';
}

/** What etcd's image has in it, each by its Go package: the member, its command line, and what works on its files. */
const PACKAGES = {
  etcd: '.',
  etcdctl: 'go.etcd.io/etcd/etcdctl/v3',
  etcdutl: 'go.etcd.io/etcd/etcdutl/v3',
} as const;

/** One of etcd's programs. */
export type EtcdProgram = keyof typeof PACKAGES;

/**
 * A program of the etcd of `server/go.mod`, built when this version of it is not there yet.
 *
 * @throws Error with what Go said
 */
export async function buildEtcd(say: (line: string) => void, name: EtcdProgram = 'etcd'): Promise<string> {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum', 'main.go']) hash.update(readFileSync(join(SOURCE, file)));
  const version = hash.update(process.arch).digest('hex').slice(0, 12);
  const program = join(CACHE, `${name}-${version}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  for (const old of readdirSync(CACHE)) if (!old.includes(version)) rmSync(join(CACHE, old));
  say(`building ${name} (the first run only, a minute or so)`);
  const unfinished = `${program}.${process.pid}`;
  await runGo(['build', '-trimpath', '-ldflags=-s -w', '-o', unfinished, PACKAGES[name]]);
  renameSync(unfinished, program);
  return program;
}

function runGo(words: readonly string[]): Promise<void> {
  const child = spawn('go', words, {
    cwd: SOURCE,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: BUILD_MS_MAX,
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4_000)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`go ${words.join(' ')} ended with ${code}: ${output.trim()}`));
    });
  });
}
