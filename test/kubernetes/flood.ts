import { parseArgs } from 'node:util';

/**
 * Runs in a pod of the cluster under test: as much as gateways take, in large uploads and large reads, until standard
 * input ends. Nobody checks the records: what matters is what memory it takes.
 */

/** What it came to. */
export interface FloodResult {
  readonly uploads: number;
  readonly records: number;
  readonly read: number;
  /** Answers by status; "none" for those that did not come. */
  readonly statuses: Readonly<Record<string, number>>;
}

const UPLOADERS = 48;
const READERS = 12;
const LINES = 4_000;
const PAUSE_MS = 100;

const { values } = parseArgs({ options: { url: { type: 'string' }, topic: { type: 'string' } } });
const records = `${values.url}/v1/topics/${values.topic}/records`;
const lines = Array.from({ length: LINES }, () => JSON.stringify({ x: 'y'.repeat(1_000) })).join('\n');
const input = { ended: false };
process.stdin.resume().once('end', () => (input.ended = true));

const statuses: Record<string, number> = {};
const sums = { uploads: 0, records: 0, read: 0 };

/** One request, read to its end; its text when it was answered with 200. */
async function ask(url: string, options: RequestInit): Promise<string | undefined> {
  let status = 'none';
  try {
    const response = await fetch(url, options);
    const text = await response.text();
    status = String(response.status);
    return response.ok ? text : undefined;
  } catch {
    // The gateway went away, or refused the connection.
    return undefined;
  } finally {
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
}

async function upload(): Promise<void> {
  while (!input.ended) {
    const headers = { 'content-type': 'application/x-ndjson' };
    const receipts = await ask(records, { method: 'POST', headers, body: lines });
    if (receipts === undefined) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    else {
      sums.uploads++;
      sums.records += receipts.split('"offset"').length - 1;
    }
  }
}

async function read(partition: number): Promise<void> {
  for (let offset: number | string = 'earliest'; !input.ended;) {
    const text = await ask(`${records}?partition=${partition}&offset=${offset}&limit=5000`, {});
    const page = text === undefined ? undefined : (JSON.parse(text) as { records: { offset: number }[] });
    const last = page?.records.at(-1);
    // Behind what is kept: from the beginning again.
    if (page === undefined) offset = 'earliest';
    else if (last !== undefined) offset = last.offset + 1;
    sums.read += page?.records.length ?? 0;
    if (last === undefined) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

await Promise.all([
  ...Array.from({ length: UPLOADERS }, upload),
  ...Array.from({ length: READERS }, (_, partition) => read(partition)),
]);
const result: FloodResult = { ...sums, statuses };
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
