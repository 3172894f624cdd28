import { parseArgs } from 'node:util';
import { performance } from 'node:perf_hooks';
import { messageOf } from '@weir/base/errors.ts';
import { seededRandom } from '@weir/base/random.ts';
import { buildEtcd, toolchainProblem } from '../etcd/build.ts';
import { ETCD_PROGRAM } from '../etcd/program.ts';
import { isInside, runInside, sandboxProblem } from './sandbox.ts';
import { Report } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { families } from './scenarios.ts';
import { unmet, Workshop } from './workshop.ts';

/** A step that takes longer than this says how far it is. */
const PROGRESS_MS = 2_000;

/** `npm run faults`: faults of real processes, a replicated cluster of them. `npm run faults:disk`: one on disks that fail. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true },
    seed: { type: 'string' },
    rounds: { type: 'string' },
    list: { type: 'boolean' },
    keep: { type: 'boolean' },
  },
});
const [family, ...words] = positionals;
if (family !== 'disk' && family !== 'cluster') throw new Error(`the first word is disk or cluster, not ${family}`);
const scenarios = families[family];
const wanted = [...words, ...(values.only ?? [])];
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const rounds = Number(values.rounds ?? 10);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(rounds) || rounds < 1) {
  throw new Error('--seed and --rounds are whole numbers, --rounds from 1');
}
const unknown = wanted.filter((name) => !scenarios.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  throw new Error(`${unknown.join(', ')}: there are ${scenarios.map(({ name }) => name).join(', ')}`);
}
const chosen = scenarios.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const command = family === 'disk' ? 'faults:disk' : 'faults';

type Outcome = 'passed' | 'failed' | 'skipped';

let current: Workshop | undefined;

if (values.list === true) for (const { name, title } of scenarios) console.log(`${name.padEnd(27)} ${title}`);
else if (family === 'cluster' && !isInside && sandboxProblem() === undefined) {
  if (chosen.some(({ needs }) => needs.includes('etcd'))) await provideEtcd();
  process.exitCode = await runInside();
} else {
  cleanUpWhenInterrupted();
  process.exitCode = await runAll();
}

function cleanUpWhenInterrupted(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      console.log(`\n${signal}: cleaning up`);
      void takeDown(current).then(() => process.exit(130));
    });
  }
  // A mistake in a scenario: what it has mounted must not stay.
  process.once('unhandledRejection', (error) => {
    console.error(error);
    void takeDown(current).then(() => process.exit(1));
  });
}

/** Go may have to fetch what it is built from: not in a sandbox without a way out. */
async function provideEtcd(): Promise<void> {
  if (toolchainProblem() === undefined) process.env[ETCD_PROGRAM] = await buildEtcd((line) => console.log(line));
}

async function runAll(): Promise<number> {
  console.log(`Faults, seed ${seed}, ${rounds} rounds; again with: npm run ${command} -- --seed ${seed}`);
  const outcomes = new Map<string, Outcome>();
  const startMs = performance.now();
  for (const scenario of chosen) outcomes.set(scenario.name, await runOne(scenario));
  const named = (outcome: Outcome): string[] => [...outcomes].filter(([, is]) => is === outcome).map(([name]) => name);
  const failed = named('failed');
  const skipped = named('skipped');
  console.log(
    `\n${named('passed').length} passed, ${failed.length} failed${inBrackets(failed)}, ` +
      `${skipped.length} skipped${inBrackets(skipped)}, in ${((performance.now() - startMs) / 1_000).toFixed(0)} s; seed ${seed}`,
  );
  // Where nothing could be run, nothing was found out.
  return failed.length === 0 && named('passed').length > 0 ? 0 : 1;
}

async function runOne(scenario: Scenario): Promise<Outcome> {
  const { name, title, needs } = scenario;
  console.log(`\n${name}: ${title}`);
  const missing = needs.map(unmet).find((reason) => reason !== undefined);
  if (missing !== undefined) {
    console.log(`  SKIPPED: ${missing}`);
    return 'skipped';
  }
  const startMs = performance.now();
  let saidMs = startMs;
  const report = new Report((text) => {
    if (performance.now() - saidMs < PROGRESS_MS) return;
    saidMs = performance.now();
    console.log(`  … ${text}`);
  });
  const workshop = new Workshop();
  current = workshop;
  try {
    const random = seededRandom(seedOf(name));
    await scenario.run({ random, rounds, workshop, report });
    if (report.checks === 0) report.check(false, 'the scenario checked something');
  } catch (error) {
    report.check(false, 'the scenario ran to its end', messageOf(error));
  }
  const keeps = values.keep === true || report.failures > 0;
  for (const problem of await takeDown(workshop, keeps)) report.check(false, 'everything is cleaned up', problem);
  current = undefined;
  for (const what of report.injected) console.log(`  injected: ${what}`);
  for (const line of report.lines) console.log(`  ${line}`);
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  if (keeps) console.log(`  kept: ${workshop.root}`);
  const result = `${report.checks} checks, ${report.failures} failed, ${seconds} s`;
  console.log(
    `  ${[report.failures === 0 ? 'PASS' : 'FAIL', name, report.summary, result].filter(Boolean).join(': ')}`,
  );
  return report.failures === 0 ? 'passed' : 'failed';
}

function inBrackets(names: readonly string[]): string {
  return names.length === 0 ? '' : ` (${names.join(', ')})`;
}

/** A scenario's chance is its own: it is the same alone and among the others. */
function seedOf(name: string): number {
  let sum = seed;
  for (let i = 0; i < name.length; i++) sum = Math.imul(sum, 31) + name.charCodeAt(i);
  return sum;
}

async function takeDown(workshop: Workshop | undefined, keeps = false): Promise<string[]> {
  if (workshop === undefined) return [];
  const problems = await workshop.cleanups.run();
  if (!keeps) workshop.remove();
  return problems;
}
