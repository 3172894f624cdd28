import { parseArgs } from 'node:util';
import { messageOf } from '@weir/base/errors.ts';
import { LogSearch } from './log-search.ts';
import { findSource, SOURCE_KINDS } from './source.ts';

/** `npm run example:logs`, with Weir running. */
const USAGE =
  'npm run example:logs -- [--coordinators HOST:PORT,…] [--pattern REGEX] ' +
  `[--source ${SOURCE_KINDS.join('|')}] [--lines N] [--show N] [--keep]`;
const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 };
const LINES_MAX = 1_000_000;

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

process.exitCode = await main();

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (typeof options === 'string') {
    console.error(`logs: ${options}\n${USAGE}`);
    return EXIT.usage;
  }
  const source = findSource(options.source, options.lines);
  if (source === undefined) {
    console.error(
      `logs: there is nothing to read of the kind ${options.source}; without --source others are looked for`,
    );
    return EXIT.failed;
  }
  const search = new LogSearch({ ...options, source, say: (line) => console.log(line), signal: interrupted.signal });
  try {
    const { problems } = await search.run();
    for (const problem of problems) console.log(`  ${problem}`);
    return problems.length === 0 ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (interrupted.signal.aborted) return EXIT.interrupted;
    console.error(`logs: ${messageOf(error)}`);
    return EXIT.failed;
  }
}

/** The options, or what is wrong with them. */
function optionsOf(words: string[]) {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        coordinators: { type: 'string', default: '127.0.0.1:7070' },
        pattern: { type: 'string', default: 'error|fail|warn|denied|refused|half-installed' },
        source: { type: 'string' },
        lines: { type: 'string', default: '5000' },
        show: { type: 'string', default: '20' },
        keep: { type: 'boolean', default: false },
      },
    });
    const { coordinators, keep } = values;
    const source = SOURCE_KINDS.find((kind) => kind === values.source);
    if (values.source !== undefined && source === undefined) return `--source is one of ${SOURCE_KINDS.join(', ')}`;
    const [lines, show] = [Number(values.lines), Number(values.show)];
    if (!Number.isInteger(lines) || lines < 1 || lines > LINES_MAX) return `--lines is 1 to ${LINES_MAX}`;
    if (!Number.isInteger(show) || show < 0) return '--show is a whole number from 0';
    const pattern = new RegExp(values.pattern, 'i');
    return { coordinators, keep, source, lines, show, pattern };
  } catch (error) {
    return messageOf(error);
  }
}
