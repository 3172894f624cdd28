import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** A flight as the data set has it, with the run and the row that tell every record from every other. */
interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
  readonly run: number;
  readonly row: number;
}

/** What was sent and what came back. */
export interface FlightsReport {
  readonly sent: number;
  readonly read: number;
  readonly origins: number;
  readonly sendSeconds: number;
  readonly readSeconds: number;
  /** Whatever is not as it must be; empty when all is well. */
  readonly problems: readonly string[];
}

const PARTITIONS = 6;
const PAGE = 10_000;

/** The 20,000 flights of the public data set. */
function loadFlights(): Omit<Flight, 'run' | 'row'>[] {
  // The package exports code that fetches its data from elsewhere; the data itself lies beside that code.
  const code = createRequire(import.meta.url).resolve('vega-datasets');
  const path = join(code.slice(0, code.lastIndexOf('vega-datasets')), 'vega-datasets', 'data', 'flights-20k.json');
  return JSON.parse(readFileSync(path, 'utf8')) as Omit<Flight, 'run' | 'row'>[];
}

/**
 * Sends the flights `runs` times over through the gateway at `url`, keyed by their origin, reads everything back and
 * checks that nothing is missing, nothing came twice, and that each origin's flights are in the order they were sent.
 */
export async function runFlights(url: string, topic: string, runs: number): Promise<FlightsReport> {
  const flights = loadFlights();
  await createTopic(url, topic);
  const sendStart = performance.now();
  for (let run = 0; run < runs; run++) await sendRun(url, topic, flights, run);
  const readStart = performance.now();
  const problems: string[] = [];
  const counts = new Map<string, number>();
  const latest = new Map<string, { partition: number; sequence: number }>();
  const seen = new Uint8Array(runs * flights.length);
  let read = 0;
  for await (const { partition, key, value } of readAll(url, topic)) {
    read++;
    const sequence = value.run * flights.length + value.row;
    if (key !== value.origin) problems.push(`run ${value.run} row ${value.row}: key ${key}, origin ${value.origin}`);
    if (seen[sequence] === 1) problems.push(`run ${value.run} row ${value.row} came twice`);
    seen[sequence] = 1;
    const before = latest.get(key);
    if (before !== undefined && before.partition !== partition)
      problems.push(`${key} is in partitions ${before.partition} and ${partition}`);
    if (before !== undefined && before.sequence >= sequence)
      problems.push(`${key}: run ${value.run} row ${value.row} is out of order`);
    latest.set(key, { partition, sequence });
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [origin, count] of countByOrigin(flights)) {
    if (counts.get(origin) !== count * runs)
      problems.push(`${origin}: ${counts.get(origin) ?? 0} records instead of ${count * runs}`);
  }
  return {
    sent: runs * flights.length,
    read,
    origins: counts.size,
    sendSeconds: (readStart - sendStart) / 1000,
    readSeconds: (performance.now() - readStart) / 1000,
    problems,
  };
}

async function createTopic(url: string, name: string): Promise<void> {
  const response = await fetch(`${url}/v1/topics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, partitions: PARTITIONS }),
  });
  if (response.status !== 201)
    throw new Error(`the topic was not created: ${response.status} ${await response.text()}`);
}

/** One run as one request of 20,000 lines; the gateway answers with a receipt a line. */
async function sendRun(url: string, topic: string, flights: readonly object[], run: number): Promise<void> {
  const lines = flights.map((flight, row) => `${JSON.stringify({ ...flight, run, row })}\n`);
  const response = await fetch(`${url}/v1/topics/${topic}/records?keyField=origin`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join(''),
  });
  const receipts = (await response.text()).trimEnd().split('\n');
  const refused = receipts.find((receipt) => !receipt.includes('"offset"'));
  if (response.status !== 200 || receipts.length !== flights.length || refused !== undefined) {
    throw new Error(
      `run ${run}: ${response.status}, ${receipts.length} receipts for ${flights.length} lines; ${refused ?? ''}`,
    );
  }
}

async function* readAll(url: string, topic: string): AsyncGenerator<{ partition: number; key: string; value: Flight }> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let offset = 0; ;) {
      const path = `/v1/topics/${topic}/records?partition=${partition}&offset=${offset}&limit=${PAGE}`;
      const response = await fetch(url + path);
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      const { records } = (await response.json()) as {
        records: { partition: number; offset: number; key: string; value: Flight }[];
      };
      if (records.length === 0) break;
      yield* records;
      offset = records.at(-1)!.offset + 1;
    }
  }
}

function countByOrigin(flights: readonly { origin: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { origin } of flights) counts.set(origin, (counts.get(origin) ?? 0) + 1);
  return counts;
}
