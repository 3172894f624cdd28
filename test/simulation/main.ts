import { parseArgs } from 'node:util';
import { simulateBrokers } from './brokers/simulate.ts';
import { Report } from './report.ts';
import { simulate } from './simulation.ts';

/**
 * `npm run sim`: runs seeds of the simulation, from a random one on or from `--from`, each as one of the coordinators and as one
 * of the brokers, or as one of a `--kind`; `--seed N` runs one, and `--trace` prints what happens in it. Ends with 1 when
 * something did not hold.
 */
const KINDS = ['coordinators', 'brokers'] as const;

const { values } = parseArgs({
  options: {
    kind: { type: 'string' },
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string' },
    scale: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(
    'npm run sim -- [--kind coordinators|brokers] [--seeds N] [--from SEED] | --seed SEED [--trace]\n' +
      '  --scale N: the faults of the brokers last N times as long',
  );
} else {
  const kinds = KINDS.filter((kind) => values.kind === undefined || values.kind === kind);
  if (kinds.length === 0) refuse(`a kind is ${KINDS.join(' or ')}, not ${JSON.stringify(values.kind)}`);
  const isOne = values.seed !== undefined;
  const first = wholeNumber(values.seed ?? values.from) ?? Math.floor(Math.random() * 1e9);
  const count = isOne ? 1 : (wholeNumber(values.seeds) ?? 100);
  const scale = wholeNumber(values.scale) ?? 1;
  const print = values.trace ? (line: string) => console.log(line) : undefined;
  const report = new Report();
  for (let seed = first; seed < first + count; seed++) {
    for (const kind of kinds) {
      if (report.failed !== undefined) break;
      report.take(await (kind === 'brokers' ? simulateBrokers(seed, { scale, print }) : simulate(seed, print)));
    }
  }
  report.end(isOne);
  process.exitCode = report.failed === undefined ? 0 : 1;
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  return refuse(`a seed, a number of seeds and a scale are whole numbers, not ${JSON.stringify(text)}`);
}

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}
