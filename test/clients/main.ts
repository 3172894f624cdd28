import { parseArgs } from 'node:util';
import { messageOf } from '@weir/base/errors.ts';
import { runningBroker, startKafka, startWeir } from './brokers.ts';
import type { Broker } from './brokers.ts';
import { findProgram } from './cache.ts';
import { CLIENTS } from './clients.ts';
import type { Client } from './clients.ts';
import { runProgram } from './program.ts';
import { SCENARIOS } from './scenario.ts';
import type { Outcome } from './scenario.ts';
import { isWrong, tableOf } from './table.ts';
import type { Row } from './table.ts';

/** `npm run test:clients`: Kafka's clients as they are, against Weir and against Apache Kafka. */

const USAGE = `Usage: npm run test:clients [-- options]

Runs Kafka clients, each a program of its own and unmodified, against Weir and against Apache Kafka, and compares what
their users see. Ends with 1 when a client could not do with Weir what it can do with Kafka.

  --only NAME,…            just these clients
  --scenario NAME,…        just these scenarios
  --bootstrap HOST:PORT    a Weir that runs already, instead of one on a directory that goes with it
  --kafka-peer DIR         where programs "start" and "stop" are that run an Apache Kafka (or WEIR_KAFKA_PEER)
  --kafka-bootstrap H:P    an Apache Kafka that runs already
  --weir-only, --kafka-only
  --list                   lists clients and scenarios
`;

/** A column: a broker, or why there is none. */
type Column =
  | { readonly kind: 'broker'; readonly broker: Broker }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

const values = readOptions();
/** What this run has to end. */
const started: Broker[] = [];
const say = (line: string): void => console.log(line);

if (values.help) process.stdout.write(USAGE);
else if (values.list) {
  say(`clients:   ${CLIENTS.map(({ name }) => name).join(' ')}`);
  say(`scenarios: ${SCENARIOS.join(' ')}`);
} else process.exitCode = await main();

function readOptions() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        scenario: { type: 'string', multiple: true },
        bootstrap: { type: 'string' },
        'kafka-peer': { type: 'string', default: process.env['WEIR_KAFKA_PEER'] },
        'kafka-bootstrap': { type: 'string' },
        'weir-only': { type: 'boolean', default: false },
        'kafka-only': { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function main(): Promise<number> {
  const names = CLIENTS.map(({ name }) => name);
  const only = chosen('--only', values.only, names);
  const scenarios = chosen('--scenario', values.scenario, SCENARIOS);
  if (only === undefined || scenarios === undefined) return 2;
  endOnSignals();
  try {
    const weir = await openColumn(values['kafka-only'] ? '--kafka-only' : undefined, weirBroker);
    const kafka = await openColumn(values['weir-only'] ? '--weir-only' : withoutKafka(), kafkaBroker);
    const rows: Row[] = [];
    for (const client of CLIENTS) {
      if (only.includes(client.name)) rows.push(...(await runClient(client, { weir, kafka, scenarios })));
    }
    return conclude(rows);
  } finally {
    await stopAll();
  }
}

async function stopAll(): Promise<void> {
  await Promise.all(started.splice(0).map((broker) => broker.stop()));
}

function endOnSignals(): void {
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Not once: a second one must not end this before what it started has ended.
    process.on(signal, () => {
      if (interrupted) return;
      interrupted = true;
      say(`\n${signal}: ending what the run started`);
      void stopAll().finally(() => process.exit(130));
    });
  }
}

function conclude(rows: readonly Row[]): number {
  say('');
  for (const line of tableOf(rows)) say(line);
  const count = (holds: (row: Row) => boolean): number => rows.filter(holds).length;
  const wrong = count(isWrong);
  const passed = count((row) => !isWrong(row) && [row.weir.kind, row.kafka.kind].includes('ok'));
  say(`\n${passed} passed, ${wrong} failed, ${rows.length - passed - wrong} skipped`);
  return wrong === 0 && passed > 0 ? 0 : 1;
}

async function runClient(
  client: Client,
  { weir, kafka, scenarios }: { weir: Column; kafka: Column; scenarios: readonly string[] },
): Promise<Row[]> {
  const weirOutcomes = await runOn(client, { column: weir, scenarios, where: 'Weir' });
  const kafkaOutcomes = await runOn(client, { column: kafka, scenarios, where: 'Kafka' });
  return scenarios.map((scenario) => ({
    client: client.name,
    scenario,
    weir: weirOutcomes.get(scenario)!,
    kafka: kafkaOutcomes.get(scenario)!,
  }));
}

async function runOn(
  client: Client,
  { column, scenarios, where }: { column: Column; scenarios: readonly string[]; where: string },
): Promise<ReadonlyMap<string, Outcome>> {
  const all = (outcome: Outcome): Map<string, Outcome> => new Map(scenarios.map((scenario) => [scenario, outcome]));
  if (column.kind === 'skipped') return all({ kind: 'skipped', reason: column.reason });
  if (column.kind === 'failed') return all({ kind: 'failed', reason: column.reason, seen: {} });
  const missing = client.needs.filter((program) => findProgram(program) === undefined);
  if (missing.length > 0) return all({ kind: 'skipped', reason: `no ${missing.join(', no ')}` });
  try {
    const command = await client.prepare(say);
    const startMs = performance.now();
    const run = `${client.name}-${Date.now().toString(36)}`;
    const outcomes = await runProgram(command, { bootstrap: column.broker.bootstrap, scenarios, run });
    const failed = [...outcomes].filter(([, { kind }]) => kind === 'failed').map(([name]) => name);
    const ending = failed.length === 0 ? 'ok' : `failed: ${failed.join(', ')}`;
    say(`${client.name} on ${where}: ${ending}, ${((performance.now() - startMs) / 1_000).toFixed(1)} s`);
    return outcomes;
  } catch (error) {
    say(`${client.name}: ${messageOf(error)}`);
    return all({ kind: 'failed', reason: messageOf(error), seen: {} });
  }
}

async function openColumn(skip: string | undefined, start: () => Promise<Broker>): Promise<Column> {
  if (skip !== undefined) return { kind: 'skipped', reason: skip };
  try {
    const broker = await start();
    started.push(broker);
    return { kind: 'broker', broker };
  } catch (error) {
    say(`test:clients: ${messageOf(error)}`);
    return { kind: 'failed', reason: messageOf(error).split('\n')[0]! };
  }
}

async function weirBroker(): Promise<Broker> {
  if (values.bootstrap !== undefined) return runningBroker(values.bootstrap);
  say('starting weir dev');
  return startWeir();
}

function withoutKafka(): string | undefined {
  if (values['kafka-bootstrap'] !== undefined || values['kafka-peer'] !== undefined) return undefined;
  return 'no --kafka-peer';
}

async function kafkaBroker(): Promise<Broker> {
  if (values['kafka-bootstrap'] !== undefined) return runningBroker(values['kafka-bootstrap']);
  say('starting Apache Kafka');
  return startKafka(values['kafka-peer']!);
}

/** The names that were asked for, in the order in which they run; undefined when there is an unknown one. */
function chosen(option: string, asked: string[] | undefined, known: readonly string[]): readonly string[] | undefined {
  if (asked === undefined) return known;
  const wanted = asked.flatMap((list) => list.split(','));
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length === 0) return known.filter((name) => wanted.includes(name));
  console.error(`${option} ${unknown.join(', ')}: there are ${known.join(', ')}`);
  return undefined;
}
