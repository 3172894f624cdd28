import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf } from '@weir/base/errors.ts';
import { buildEtcd, toolchainProblem } from './build.ts';
import { ETCD_PROGRAM } from './program.ts';

/** `npm run test:etcd`: the coordinator's store on a real etcd, of one member and of three. */

const say = (line: string): void => console.error(`test:etcd: ${line}`);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}

/** Returns the exit code. */
async function main(words: readonly string[]): Promise<number> {
  const problem = toolchainProblem();
  if (problem !== undefined) {
    // Whoever asked for this suite believes that it ran, unless they are told otherwise.
    say(`SKIPPED, nothing was tested: ${problem}`);
    console.log('0 passed, 0 failed, 1 skipped');
    return 1;
  }
  const program = await buildEtcd(say);
  const vitest = spawn('vitest', ['run', 'test/etcd', ...words], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [ETCD_PROGRAM]: program },
  });
  // Whoever ends this alone ends all of it: an etcd that stays would have nobody to end it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill('SIGINT'));
  const [code] = (await once(vitest, 'exit')) as [number | null];
  return code ?? 1;
}
