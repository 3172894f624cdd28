import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { messageOf } from '@weir/base/errors.ts';
import { ensureImage, engineProblem } from '../../tools/images/build.ts';
import { connectEngine, runEnvironment, TestResources } from '../harness/engine.ts';

/** `npm run test:containers`: the built image on a network of containers. */

const USAGE = `Usage: npm run test:containers [-- options] [-- words for vitest]

Runs the cluster's tests on containers of the image of this tree, which is built when there is none yet.
It needs a Docker engine: the local one, or the one that DOCKER_HOST names.

  --skip-without-engine   end with 0, and not with 1, where there is no engine
`;

const say = (line: string): void => console.error(`test:containers: ${line}`);

try {
  process.exitCode = await main();
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}

/** Returns the exit code. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'skip-without-engine': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const problem = engineProblem();
  if (problem !== undefined) {
    // Whoever asked for this suite believes that it ran, unless they are told otherwise.
    say(`SKIPPED, nothing was tested: ${problem}`);
    console.log('0 passed, 0 failed, 1 skipped');
    return values['skip-without-engine'] ? 0 : 1;
  }
  ensureImage(say);
  const resources = new TestResources(await connectEngine());
  for (const what of await resources.removeLeftovers()) say(`an earlier run has left ${what}: removed`);
  const vitest = startVitest(positionals);
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true;
      say(`${signal}: cleaning up`);
      killGroup(vitest);
    });
  }
  const [code] = (await once(vitest, 'exit')) as [number | null];
  for (const what of await resources.removeOwn()) say(`removed ${what}`);
  return interrupted ? 130 : (code ?? 1);
}

/** In a process group of its own: a Ctrl-C is ours to pass on, so that nothing is made any more when we clear up. */
function startVitest(words: readonly string[]): ChildProcess {
  return spawn('vitest', ['run', '--config', 'test/containers/vitest.config.ts', ...words], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...runEnvironment },
    detached: true,
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}
