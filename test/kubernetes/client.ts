import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { History, partitionName, valueOf } from '../faults/history.ts';
import type { StoredRecord } from '../faults/history.ts';

/**
 * Runs in a pod of the cluster under test, on the image under test, with the files that it imports.
 *
 *   node client.ts load   writes numbered records until standard input ends, then prints what became of them
 *   node client.ts judge  takes a ledger from standard input, reads everything back, and prints the verdict
 */

/** What was acknowledged: partition, offset and the record's number. */
export type Acknowledged = readonly [partition: number, offset: number, number: number];

/** What a load came to. */
export interface LoadResult {
  /** The next number that nobody has used. */
  readonly next: number;
  readonly acknowledged: readonly Acknowledged[];
  readonly requests: number;
  /** Requests without an answer, and answers that are not 200, the first few in words. */
  readonly failed: number;
  readonly failures: readonly string[];
  /** The longest time in which no record was acknowledged. */
  readonly longestGapMs: number;
  readonly seconds: number;
}

const FAILURES_KEPT = 10;
const RECORDS_PER_REQUEST_MAX = 20;
const PAGE_RECORDS = 5_000;
const ANSWER_MS_MAX = 60_000;
/** After a failure: whoever is away is not asked in a tight loop. */
const FAILED_PAUSE_MS = 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string' },
    topic: { type: 'string' },
    partitions: { type: 'string', default: '1' },
    writers: { type: 'string', default: '8' },
    'first-number': { type: 'string', default: '0' },
  },
});
const url = new URL(values.url!);
const topic = values.topic!;
const partitions = Number(values.partitions);
const writers = Number(values.writers);
/** Kept alive and never tried again: a connection that is cut under a request is a failure, as it is for a user. */
const agent = new Agent({ keepAlive: true, maxSockets: writers });

const result = positionals[0] === 'judge' ? await judge() : await load();
// A pipe takes what is written in its own time; connections that are kept alive must not keep the process.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function load(): Promise<LoadResult> {
  const acknowledged: Acknowledged[] = [];
  const failures: string[] = [];
  const startMs = performance.now();
  let next = Number(values['first-number']);
  let lastMs = startMs;
  let longestGapMs = 0;
  let requests = 0;
  let failed = 0;
  const input = { ended: false };
  process.stdin.resume().once('end', () => (input.ended = true));
  const fail = async (why: string): Promise<void> => {
    failed++;
    if (failures.length < FAILURES_KEPT) failures.push(`after ${seconds(startMs)} s: ${why}`);
    await new Promise((resolve) => setTimeout(resolve, FAILED_PAUSE_MS));
  };
  const write = async (writer: number): Promise<void> => {
    for (let turn = writer; !input.ended; turn++) {
      const partition = turn % partitions;
      const count = 1 + (turn % RECORDS_PER_REQUEST_MAX);
      const numbers = Array.from({ length: count }, () => next++);
      requests++;
      try {
        const answer = await http('POST', `/v1/topics/${topic}/records?partition=${partition}`, numbers.map(valueOf));
        if (answer.status !== 200) {
          await fail(`${answer.status} ${answer.body.trim()}`);
          continue;
        }
        const nowMs = performance.now();
        longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
        lastMs = nowMs;
        const receipts = (JSON.parse(answer.body) as { offsets: { offset?: number; message?: string }[] }).offsets;
        for (const [i, { offset, message }] of receipts.entries()) {
          if (offset !== undefined) acknowledged.push([partition, offset, numbers[i]!]);
          else await fail(message ?? 'a record was refused');
        }
      } catch (error) {
        await fail(error instanceof Error ? error.message : String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, i) => write(i)));
  longestGapMs = Math.round(Math.max(longestGapMs, performance.now() - lastMs));
  return { next, acknowledged, requests, failed, failures, longestGapMs, seconds: seconds(startMs) };
}

async function judge(): Promise<unknown> {
  const ledger = JSON.parse(await text(process.stdin)) as { next: number; acknowledged: Acknowledged[] };
  const history = new History();
  history.take(ledger.next);
  for (const [partition, offset, number] of ledger.acknowledged) {
    history.acknowledged(partitionName(topic, partition), offset, number, 0);
  }
  const stored = new Map<string, readonly StoredRecord[]>();
  for (let partition = 0; partition < partitions; partition++) {
    stored.set(partitionName(topic, partition), await readPartition(partition));
  }
  return history.judge(stored);
}

async function readPartition(partition: number): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (let offset: number | string = 'earliest'; ; offset = records.at(-1)!.offset + 1) {
    const path = `/v1/topics/${topic}/records?partition=${partition}&offset=${offset}&limit=${PAGE_RECORDS}`;
    const answer = await http('GET', path);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body.trim()}`);
    const page = (JSON.parse(answer.body) as { records: StoredRecord[] }).records;
    if (page.length === 0) return records;
    records.push(...page);
  }
}

function http(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = body === undefined ? '' : JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) };
    const call = request(new URL(path, url), { method, agent, headers, timeout: ANSWER_MS_MAX }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${ANSWER_MS_MAX / 1_000} s`)));
    call.on('error', reject);
    call.end(sent);
  });
}

function seconds(sinceMs: number): number {
  return Math.round((performance.now() - sinceMs) / 100) / 10;
}
