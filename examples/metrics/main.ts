import { parseArgs } from 'node:util';
import { messageOf } from '@weir/base/errors.ts';
import { Pipeline } from './pipeline.ts';

/** `npm run example:metrics`, with Weir running. */
const USAGE = 'npm run example:metrics -- [--coordinators HOST:PORT,…] [--gateway URL] [--keep]';
const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 };
const PROBLEMS_TOLD_MAX = 20;

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

process.exitCode = await main();

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) return EXIT.usage;
  const { coordinators, gateway, keep } = options;
  const pipeline = new Pipeline({
    coordinators: coordinators.split(','),
    gateway,
    keep,
    say: (line) => console.log(line),
    signal: interrupted.signal,
  });
  try {
    const { expected, right, samples, records, problems } = await pipeline.run();
    for (const problem of problems.slice(0, PROBLEMS_TOLD_MAX)) console.log(`  ${problem}`);
    console.log(
      `${right} of ${expected} aggregates are right, with ${samples} samples; ${records - expected} were published ` +
        `again, and count once; ${problems.length} problems`,
    );
    return problems.length === 0 ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (interrupted.signal.aborted) return EXIT.interrupted;
    console.error(`metrics: ${messageOf(error)}`);
    return EXIT.failed;
  }
}

function optionsOf(words: string[]) {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        coordinators: { type: 'string', default: '127.0.0.1:7070' },
        gateway: { type: 'string', default: 'http://127.0.0.1:8080' },
        keep: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    console.error(`metrics: ${messageOf(error)}\n${USAGE}`);
    return undefined;
  }
}
