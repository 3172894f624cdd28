import { parseArgs } from 'node:util';
import { messageOf } from '@weir/base/errors.ts';
import { WordCountRun } from './word-count.ts';

/** `npm run example:words`, with Weir running. */
const USAGE = 'npm run example:words -- [--coordinators HOST:PORT,…] [--keep]';
const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 };
const PROBLEMS_TOLD_MAX = 20;

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

process.exitCode = await main();

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) return EXIT.usage;
  const { coordinators, keep } = options;
  const run = new WordCountRun({
    coordinators: coordinators.split(','),
    keep,
    say: (line) => console.log(line),
    signal: interrupted.signal,
  });
  try {
    const { words, total, recognised, topWords, problems } = await run.run();
    for (const problem of problems.slice(0, PROBLEMS_TOLD_MAX)) console.log(`  ${problem}`);
    console.log(`most frequent: ${topWords.map(([word, count]) => `${word} ${count}`).join(', ')}`);
    console.log(
      `${total} words counted, ${words} different ones; ${recognised} were read again after the crash and not counted ` +
        `again; ${problems.length} problems`,
    );
    return problems.length === 0 ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (interrupted.signal.aborted) return EXIT.interrupted;
    console.error(`words: ${messageOf(error)}`);
    return EXIT.failed;
  }
}

function optionsOf(words: string[]) {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        coordinators: { type: 'string', default: '127.0.0.1:7070' },
        keep: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    console.error(`words: ${messageOf(error)}\n${USAGE}`);
    return undefined;
  }
}
