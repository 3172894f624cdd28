import { parseArgs } from 'node:util';
import { messageOf } from '@weir/base/errors.ts';
import { prepare } from './fixtures.ts';
import { install, pythonProblem, run } from './schemathesis.ts';
import { Weir } from './weir.ts';

/** `npm run test:openapi`: schemathesis against the gateway, by the document that it serves of itself. */

const USAGE = `Usage: npm run test:openapi [-- options]

Starts weir dev on a directory that goes with it, and has schemathesis (a Python program, which it installs) send it what its
OpenAPI document allows, and what it does not, in sequences, too. Ends with 1 when an answer is not what the document says, or
when the process is not well afterwards.

  --seed N                 takes the same course again; without, a new one, which is printed
  --max-examples N         how many requests of each operation chance makes, in each phase (20)
  --phases NAME,…          of examples, coverage, fuzzing, stateful
  --only OPERATION,…       just these operation ids
  --skip-without-python    ends with 0 where there is no Python
`;

/** Of an operation and phase: with them a run takes a few minutes. */
const EXAMPLES = 20;
const SEED_MAX = 0xffff_ffff;

const values = readOptions();
const say = (line: string): void => console.log(`test:openapi: ${line}`);

if (values.help) process.stdout.write(USAGE);
else process.exitCode = await main();

function readOptions() {
  try {
    return parseArgs({
      options: {
        seed: { type: 'string' },
        'max-examples': { type: 'string', default: String(EXAMPLES) },
        phases: { type: 'string', default: 'examples,coverage,fuzzing,stateful' },
        only: { type: 'string', multiple: true, default: [] },
        'skip-without-python': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function main(): Promise<number> {
  const seed = values.seed === undefined ? Math.floor(Math.random() * SEED_MAX) : wholeNumber('--seed', values.seed);
  const maxExamples = wholeNumber('--max-examples', values['max-examples']);
  if (seed === undefined || maxExamples === undefined) return 2;
  const problem = pythonProblem();
  if (problem !== undefined) {
    // Whoever asked for this believes that it ran, unless they are told otherwise.
    say(`SKIPPED, nothing was tested: ${problem}`);
    return values['skip-without-python'] ? 0 : 1;
  }
  try {
    const program = await install(say);
    const weir = await Weir.start();
    process.once('SIGINT', () => void weir.stop().finally(() => process.exit(130)));
    try {
      await prepare(weir.url);
      say(`seed ${seed}`);
      const startMs = performance.now();
      const only = values.only.flatMap((names) => names.split(','));
      const code = await run(program, { url: weir.url, seed, maxExamples, phases: values.phases, only });
      return conclude(
        { code, seed, seconds: Math.round((performance.now() - startMs) / 1_000) },
        await weir.problems(say),
      );
    } finally {
      await weir.stop();
    }
  } catch (error) {
    say(messageOf(error));
    return 1;
  }
}

function conclude(
  { code, seed, seconds }: { readonly code: number; readonly seed: number; readonly seconds: number },
  problems: readonly string[],
): number {
  for (const problem of problems) say(problem);
  const isWell = code === 0 && problems.length === 0;
  say(`${isWell ? 'no finding' : 'FAILED'}, ${seconds} s; again with -- --seed ${seed}`);
  return isWell ? 0 : 1;
}

function wholeNumber(option: string, text: string): number | undefined {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  console.error(`${option} ${text}: expected a whole number`);
  return undefined;
}
