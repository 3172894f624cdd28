import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { http } from '../cluster/http-client.ts';
import { GroupLedger, WrittenRecords } from '../harness/group-ledger.ts';
import { GroupReader, KeyedWriter, RestConsumer } from '../harness/http-group.ts';
import type { GatewayPlace } from '../harness/http-group.ts';

/**
 * Runs in a pod of the cluster under test: writes keyed records over HTTP and reads them as two groups, REST v2's with four consumers
 * and `/v1/groups/…/records`. Two of the consumers reach gateways by their Service, all others by the pods' addresses in turn. Each line
 * of standard input is a JSON list of those addresses: once every reader was given records by all of them since, "served N" is printed.
 * When the input ends, the last line is what came of it.
 */

/** What it came to. */
export interface ConsumersResult {
  readonly problems: readonly string[];
  readonly written: number;
  readonly readers: readonly {
    readonly name: string;
    readonly records: number;
    readonly longestGapMs: number;
    readonly refusals: Readonly<Record<string, number>>;
  }[];
  /** Records that were given again, none of them committed. */
  readonly repeated: number;
}

/** What each reader has to be given by each gateway before it counts as served. */
const RECORDS_PER_STEP = 20;
const SERVED_MS_MAX = 90_000;
const LOOK_MS = 50;

const { values } = parseArgs({ options: { url: { type: 'string' }, topic: { type: 'string' } } });
const topic = values.topic!;
const service: GatewayPlace = placeAt('the Service', values.url!);
let pods: readonly GatewayPlace[] = [];

const written = new WrittenRecords();
const [v2, v1] = [new GroupLedger(), new GroupLedger()];
const byService = (): readonly GatewayPlace[] => [service];
const byPods = (): readonly GatewayPlace[] => pods;
const consumers: RestConsumer[] = [];
const readers: (RestConsumer | GroupReader)[] = [];
const writers: KeyedWriter[] = [];

let told = 0;
for await (const line of createInterface({ input: process.stdin })) {
  pods = (JSON.parse(line) as string[]).map((address) => placeAt(address, `http://${address}`));
  if (told++ === 0) await begin();
  // Addresses may change again before that.
  void served(told);
}
await end();

async function begin(): Promise<void> {
  for (const [name, gateways, turn] of [
    ['pods-0', byPods, 0],
    ['pods-1', byPods, 1],
    ['service-0', byService, 0],
    ['service-1', byService, 0],
  ] as const) {
    const place = { ledger: v2, gateways, turn };
    consumers.push(await new RestConsumer({ topic, group: `${topic}-v2` }, name, place).create());
  }
  readers.push(
    ...consumers,
    new GroupReader({ topic, group: `${topic}-v1` }, { ledger: v1, gateways: byPods, turn: 0 }),
  );
  for (const reader of readers) reader.start();
  writers.push(...[0, 1].map((i) => new KeyedWriter(topic, `w${i}`, byService, written)));
}

async function served(turn: number): Promise<void> {
  const marks = readers.flatMap((reader) =>
    reader.places.map(({ name }) => ({ reader, name, until: reader.givenBy(name) + RECORDS_PER_STEP })),
  );
  const untilMs = performance.now() + SERVED_MS_MAX;
  while (marks.some(({ reader, name, until }) => reader.givenBy(name) < until)) {
    if (told !== turn) return;
    if (performance.now() > untilMs) {
      const left = marks.filter(({ reader, name, until }) => reader.givenBy(name) < until);
      v2.problem(
        `not within ${SERVED_MS_MAX} ms: ${left.map(({ reader, name }) => `${reader.name} by ${name}`).join()}`,
      );
      break;
    }
    await pause(LOOK_MS);
  }
  process.stdout.write(`served ${turn}\n`);
}

async function end(): Promise<void> {
  await Promise.all(writers.map((writer) => writer.stop()));
  const missing = (): string[] => [v2, v1].flatMap((ledger) => written.missingIn(ledger));
  for (const untilMs = performance.now() + SERVED_MS_MAX; missing().length > 0 && performance.now() < untilMs;) {
    await pause(LOOK_MS);
  }
  for (const one of missing()) v2.problem(one);
  await Promise.all(readers.map((reader) => reader.stop()));
  await leave();
  const result: ConsumersResult = {
    problems: [...v2.problems, ...v1.problems],
    written: written.count,
    readers: readers.map(({ name, count, longestGapMs, refusals }) => {
      return { name, records: count, longestGapMs: Math.round(longestGapMs), refusals: Object.fromEntries(refusals) };
    }),
    repeated: v2.repeated + v1.repeated,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

/** Each consumer that is deleted is out of its group with the answer, whichever gateway is asked. */
async function leave(): Promise<void> {
  for (const [i, { name, path }] of consumers.entries()) {
    const { status, text } = await pods[i % pods.length]!.http(path, { method: 'DELETE' });
    if (status !== 204) v2.problem(`DELETE of ${name} was answered with ${status} ${text}`);
    for (const pod of pods) {
      const { json } = await pod.http(`/v1/groups/${topic}-v2`);
      const left = (json.members as unknown[]).length;
      const expected = consumers.length - 1 - i;
      if (left !== expected) v2.problem(`after ${name} was deleted ${pod.name} told ${left} members, not ${expected}`);
    }
  }
}

function placeAt(name: string, url: string): GatewayPlace {
  return { name, http: (path, options) => http(`${url}${path}`, options) };
}
