import { parseArgs } from 'node:util';
import { simulate } from './simulation.ts';
import { Report } from './report.ts';

/**
 * `npm run sim`: runs seeds of the simulation, from a random one on or from `--from`; `--seed N` runs one, and `--trace`
 * prints what happens in it. Ends with 1 when something did not hold.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log('npm run sim -- [--seeds N] [--from SEED] | --seed SEED [--trace]');
} else {
  const isOne = values.seed !== undefined;
  const first = wholeNumber(values.seed ?? values.from) ?? Math.floor(Math.random() * 1e9);
  const count = isOne ? 1 : (wholeNumber(values.seeds) ?? 100);
  const report = new Report();
  for (let seed = first; seed < first + count && report.failed === undefined; seed++) {
    report.take(await simulate(seed, values.trace ? (line) => console.log(line) : undefined));
  }
  report.end(isOne);
  process.exitCode = report.failed === undefined ? 0 : 1;
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  console.error(`a seed and a number of seeds are whole numbers, not ${JSON.stringify(text)}`);
  process.exit(2);
}
