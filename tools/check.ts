import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generatedFiles } from './generated-files.ts';
import { chartSteps } from './helm/steps.ts';
import { findBreaches } from './layers.ts';
import type { Outcome, Step } from './outcome.ts';
import { writeProtoCode } from './proto-code.ts';

/** `npm run check`: everything that can be said about the tree without running it. Each step is a line. */

const steps: readonly Step[] = [
  { name: 'types', run: () => command('tsc', ['-p', '.']) },
  { name: 'lint', run: () => command('oxlint', ['--type-aware', '--deny-warnings', '.']) },
  { name: 'format', run: () => command('oxfmt', ['--check', '.']) },
  { name: 'layers', run: layers },
  { name: 'unused', run: () => command('knip', []) },
  { name: 'proto lint', run: () => command('buf', ['lint'], 'proto') },
  { name: 'proto breaking', run: breaking },
  { name: 'proto generated', run: generated },
  { name: 'generated files', run: generatedFilesAreCurrent },
  { name: 'machine paths', run: machinePaths },
  ...chartSteps,
];

let passed = 0;
let failed = 0;
let skipped = 0;
for (const step of steps) {
  const outcome = await step.run();
  switch (outcome.kind) {
    case 'passed':
      passed++;
      console.log(`ok      ${step.name}`);
      break;
    case 'skipped':
      skipped++;
      console.log(`skipped ${step.name}: ${outcome.why}`);
      break;
    case 'failed':
      failed++;
      console.log(`FAILED  ${step.name}\n${outcome.output}`);
      break;
  }
}
console.log(`check: ${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;

function command(program: string, args: readonly string[], cwd = '.'): Outcome {
  const result = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (result.status === 0) return { kind: 'passed' };
  return { kind: 'failed', output: `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}` };
}

function layers(): Outcome {
  const files = globSync(['packages/*/src/**/*.ts', 'services/*/src/**/*.ts']);
  const breaches = files.flatMap((file) => findBreaches(file, readFileSync(file, 'utf8')));
  // A check that looked at nothing must not pass.
  if (files.length < 50) return { kind: 'failed', output: `only ${files.length} files were found` };
  if (breaches.length === 0) return { kind: 'passed' };
  return { kind: 'failed', output: breaches.map((b) => `  ${b.file}:${b.line} ${b.rule}`).join('\n') };
}

/** Compares the protocol with the newest release, or with its first version while there is none: both stay readable. */
function breaking(): Outcome {
  const base =
    lastLine('git', ['describe', '--tags', '--abbrev=0']) ??
    lastLine('git', ['log', '--diff-filter=A', '--format=%H', '--', 'proto/buf.yaml']);
  if (base === undefined) return { kind: 'skipped', why: 'this clone has no earlier version of the protocol' };
  return command('buf', ['breaking', '--against', `../.git#ref=${base},subdir=proto`], 'proto');
}

function lastLine(program: string, args: readonly string[]): string | undefined {
  return spawnSync(program, args, { encoding: 'utf8' }).stdout.trim().split('\n').at(-1) || undefined;
}

/** The generated code is what the generator makes of the .proto files today. */
function generated(): Outcome {
  const directory = mkdtempSync(join(tmpdir(), 'weir-proto-'));
  try {
    const problem = writeProtoCode(directory);
    if (problem !== undefined) return { kind: 'failed', output: problem };
    return command('diff', ['-r', join(directory, 'gen'), 'proto/gen']);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What is made from code is what the code makes of it today. */
function generatedFilesAreCurrent(): Outcome {
  const stale = Object.entries(generatedFiles).filter(
    ([path, contents]) => !existsSync(path) || readFileSync(path, 'utf8') !== contents(),
  );
  if (stale.length === 0) return { kind: 'passed' };
  const lines = stale.map(([path]) => `  ${path} is not what the code makes of it: run \`npm run docs\``);
  return { kind: 'failed', output: lines.join('\n') };
}

/** Nothing in the tree names a machine's folders or a registry's host. */
function machinePaths(): Outcome {
  const found = spawnSync(
    'git',
    [
      'grep',
      '-nIE',
      String.raw`/(work|farm|root|home/[a-z]+)/|registry\.npmjs|repo1?\.maven|proxy\.golang`,
      '--',
      ':!tools/check.ts',
    ],
    { encoding: 'utf8' },
  );
  return found.status === 1 ? { kind: 'passed' } : { kind: 'failed', output: found.stdout + found.stderr };
}
