import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { changesOf } from './mutation.ts';
import type { Change, Mutation, SeedBudget } from './mutation.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What the tests of most mutated packages need. */
const COPIED = ['package.json', 'packages/base', 'packages/records', 'packages/log'];
/** What the simulation needs, and the tests of all other packages. */
const COPIED_TO_SIMULATE = [
  'package.json',
  'packages',
  'proto',
  'services',
  'test/node_modules',
  'test/package.json',
  'test/simulation',
];
const RUN_MS_MAX = 120_000;
/** Of one test: the copy has none of the root's settings, and vitest's own limit is for machines with nothing else to do. */
const TEST_MS_MAX = 60_000;
/** Six times what a seed takes on a machine that has nothing else to do. */
const SEED_MS_MAX: Readonly<Record<SeedBudget['simulation'], number>> = { coordinators: 600, brokers: 3_000 };

function copiedFor(tests: Mutation['tests']): readonly string[] {
  if ('simulation' in tests) return COPIED_TO_SIMULATE;
  const isEnough = tests.every((file) => COPIED.some((folder) => file.startsWith(`${folder}/`)));
  return isEnough ? COPIED : COPIED_TO_SIMULATE;
}

/** How a run of tests ended. */
export interface TestRun {
  readonly passed: boolean;
  /** The names of tests that failed, or what vitest said when none did. */
  readonly failures: string;
}

/** A copy of the packages, in which code can be changed and tests be run. */
class Copy {
  readonly #directory = mkdtempSync(join(tmpdir(), 'weir-mutant-'));

  constructor(copied: readonly string[]) {
    for (const path of copied)
      cpSync(join(ROOT, path), join(this.#directory, path), { recursive: true, verbatimSymlinks: true });
    symlinkSync(join(ROOT, 'node_modules'), join(this.#directory, 'node_modules'));
  }

  /**
   * Changes the code.
   *
   * @throws Error when the place is not there exactly once: then the table is older than the code
   */
  mutate(mutation: Mutation): void {
    for (const change of changesOf(mutation)) this.#change(mutation.name, change);
  }

  #change(name: string, { file, find, replace }: Change): void {
    const path = join(this.#directory, file);
    const text = readFileSync(path, 'utf8');
    const times = text.split(find).length - 1;
    if (times !== 1) {
      throw new Error(
        `"${name}": ${JSON.stringify(find)} occurs ${times} times in ${file}, expected once: fit the table to the code`,
      );
    }
    writeFileSync(
      path,
      text.replace(find, () => replace),
    );
  }

  /** Runs test files, until the first failure. */
  async test(files: readonly string[]): Promise<TestRun> {
    const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
    const report = join(this.#directory, 'report.json');
    const reporting = ['--reporter', 'json', '--outputFile', report, '--no-color'];
    const limits = ['--testTimeout', String(TEST_MS_MAX), '--hookTimeout', String(TEST_MS_MAX)];
    const words = [vitest, 'run', ...files, '--root', this.#directory, '--bail', '1', ...limits, ...reporting];
    const [passed, said] = await this.#node(words, RUN_MS_MAX);
    return { passed, failures: passed ? '' : failuresIn(report, said) };
  }

  /** Runs the simulation, until a seed in which something does not hold. */
  async simulate({ simulation, seeds }: SeedBudget): Promise<TestRun> {
    const main = join(this.#directory, 'test', 'simulation', 'main.ts');
    const words = [main, '--kind', simulation, '--from', '1', '--seeds', String(seeds)];
    const [passed, said] = await this.#node(words, seeds * SEED_MS_MAX[simulation]);
    const failure = /^FAILED {2}(seed .*)$/m.exec(said)?.[1];
    return { passed, failures: passed ? '' : (failure?.slice(0, 300) ?? `${NO_TEST}: ${said.trim().slice(-500)}`) };
  }

  #node(words: readonly string[], timeoutMs: number): Promise<[passed: boolean, said: string]> {
    // Of the run that this one may be a part of, it must know nothing.
    const environment = Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_OPTIONS)/.test(name));
    const options = { env: Object.fromEntries(environment), cwd: this.#directory, timeout: timeoutMs };
    return new Promise((resolve) => {
      execFile(process.execPath, words, options, (error, stdout, stderr) => resolve([error === null, stdout + stderr]));
    });
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

interface JsonReport {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

/** Without a failed test there is something else wrong: a file that cannot be loaded, or a time that was over. */
const NO_TEST = 'no test failed';

function failuresIn(path: string, said: string): string {
  let report: JsonReport;
  try {
    report = JSON.parse(readFileSync(path, 'utf8')) as JsonReport;
  } catch {
    return `${NO_TEST}: ${said.trim().slice(0, 500)}`;
  }
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ title }) => title),
  );
  const messages = report.testResults.map(({ message }) => message).filter((message) => message !== '');
  return failed.length > 0 ? failed.join('; ') : `${NO_TEST}: ${messages.join('; ').slice(0, 300)}`;
}

/** What came of a mutation. */
export interface Judged {
  readonly caught: boolean;
  /** By which test, or what went wrong. */
  readonly how: string;
}

/** Applies a mutation to a copy and runs its tests. */
export async function judge(mutation: Mutation): Promise<Judged> {
  const { tests } = mutation;
  const copy = new Copy(copiedFor(tests));
  try {
    copy.mutate(mutation);
    const { passed, failures } = 'simulation' in tests ? await copy.simulate(tests) : await copy.test(tests);
    if (passed) return { caught: false, how: 'its tests pass all the same' };
    // Code that cannot be loaded would fail any test: that proves nothing.
    return { caught: !failures.startsWith(NO_TEST), how: failures };
  } finally {
    copy.remove();
  }
}

/** Runs the tests of some mutations on the code as it is. The simulation's own test does that for the simulation. */
export async function testUnmutated(mutations: readonly Mutation[]): Promise<TestRun> {
  const files = new Set(mutations.flatMap(({ tests }) => ('simulation' in tests ? [] : tests)));
  if (files.size === 0) return { passed: true, failures: '' };
  const copy = new Copy(copiedFor([...files]));
  try {
    return await copy.test([...files]);
  } finally {
    copy.remove();
  }
}
