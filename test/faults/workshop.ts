import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '@weir/base/errors.ts';
import { toolchainProblem } from '../etcd/build.ts';
import { etcdProgram } from '../etcd/program.ts';
import { isInside, sandboxProblem } from './sandbox.ts';

/**
 * What a scenario cannot do without: the right to mount, a C compiler, loop devices with ext4, Linux's `prlimit`, a network of
 * its own with links that can be cut, an etcd.
 */
export type Need = 'root' | 'cc' | 'loop' | 'prlimit' | 'sandbox' | 'etcd';

/** What was set up and has to be taken down, the latest first: also after a failure, and on Ctrl-C. */
class Cleanups {
  readonly #steps: { readonly what: string; readonly act: () => void | Promise<void> }[] = [];

  add(what: string, act: () => void | Promise<void>): void {
    this.#steps.push({ what, act });
  }

  /** Takes all down; returns what could not be. */
  async run(): Promise<string[]> {
    const problems: string[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        // One at a time and in this order: a disk can be unmounted once its process is gone.
        await step.act();
      } catch (error) {
        problems.push(`${step.what}: ${messageOf(error)}`);
      }
    }
    return problems;
  }
}

/** A directory of its own, and the programs in native/, which are compiled when the first scenario wants them. */
export class Workshop {
  readonly root = mkdtempSync(join(tmpdir(), 'weir-faults-'));
  readonly cleanups = new Cleanups();
  readonly #compiled = new Map<string, string>();
  #directories = 0;

  /** A new directory. */
  directory(name: string): string {
    this.#directories += 1;
    const path = join(this.root, `${name}-${this.#directories}`);
    mkdirSync(path);
    return path;
  }

  /** The program that cuts the power of a mounted ext4. */
  get cutPower(): string {
    return this.#compile('cut-power.c', 'cut-power', []);
  }

  /** The library that makes disk calls fail. */
  get faultyDisk(): string {
    return this.#compile('faulty-disk.c', 'faulty-disk.so', ['-shared', '-fPIC', '-ldl']);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #compile(source: string, target: string, words: readonly string[]): string {
    const known = this.#compiled.get(source);
    if (known !== undefined) return known;
    const path = join(this.root, target);
    const from = fileURLToPath(new URL(`native/${source}`, import.meta.url));
    execFileSync('cc', ['-O2', '-Wall', '-o', path, from, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#compiled.set(source, path);
    return path;
  }
}

const CHECKS: Readonly<Record<Need, () => string | undefined>> = {
  root: () => (process.getuid?.() === 0 ? undefined : 'it mounts file systems: run it as root'),
  cc: () => (has('cc', ['--version']) ? undefined : 'there is no C compiler: install cc'),
  loop: () => {
    if (!has('losetup', ['--version']) || !has('mkfs.ext4', ['-V'])) return 'there is no losetup or mkfs.ext4';
    return has('losetup', ['--find']) ? undefined : 'there is no free loop device';
  },
  prlimit: () => (has('prlimit', ['--version']) ? undefined : 'there is no prlimit'),
  sandbox: () => (isInside ? undefined : (sandboxProblem() ?? 'it runs in a sandbox only')),
  etcd: () => (etcdProgram === undefined ? (toolchainProblem() ?? 'etcd was not built') : undefined),
};

/** Why a need is not met here, or undefined. */
export function unmet(need: Need): string | undefined {
  return CHECKS[need]();
}

function has(program: string, words: readonly string[]): boolean {
  try {
    execFileSync(program, words, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
