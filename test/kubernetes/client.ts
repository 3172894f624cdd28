import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { History, partitionName, valueOf } from '../faults/history.ts';
import type { StoredRecord } from '../faults/history.ts';
import { LoadTally, untilInputEnds } from './load-tally.ts';
import type { Acknowledged, LoadResult } from './load-tally.ts';

/**
 * Runs in a pod of the cluster under test, on the image under test, with the files that it imports.
 *
 *   node client.ts load   writes numbered records until standard input ends, then prints what became of them
 *   node client.ts judge  takes a ledger from standard input, reads everything back, and prints the verdict
 */

const RECORDS_PER_REQUEST_MAX = 20;
const PAGE_RECORDS = 5_000;
const ANSWER_MS_MAX = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string' },
    topic: { type: 'string' },
    partitions: { type: 'string', default: '1' },
    writers: { type: 'string', default: '8' },
    'first-number': { type: 'string', default: '0' },
    'pace-ms': { type: 'string', default: '0' },
  },
});
const url = new URL(values.url!);
const topic = values.topic!;
const partitions = Number(values.partitions);
const writers = Number(values.writers);
const paceMs = Number(values['pace-ms']);
/** Kept alive and never tried again: a connection that is cut under a request is a failure, as it is for a user. */
const agent = new Agent({ keepAlive: true, maxSockets: writers });

const result = positionals[0] === 'judge' ? await judge() : await load();
// A pipe takes what is written in its own time; connections that are kept alive must not keep the process.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function load(): Promise<LoadResult> {
  const tally = new LoadTally(Number(values['first-number']));
  const input = untilInputEnds();
  const write = async (writer: number): Promise<void> => {
    for (let turn = writer; !input.ended; turn++) {
      const partition = turn % partitions;
      const numbers = tally.take(1 + (turn % RECORDS_PER_REQUEST_MAX));
      try {
        const answer = await http('POST', `/v1/topics/${topic}/records?partition=${partition}`, numbers.map(valueOf));
        if (answer.status !== 200) {
          await tally.fail(`${answer.status} ${answer.body.trim()}`);
          continue;
        }
        const receipts = (JSON.parse(answer.body) as { offsets: { offset?: number; message?: string }[] }).offsets;
        for (const [i, { offset, message }] of receipts.entries()) {
          if (offset !== undefined) tally.acknowledge(partition, offset, numbers[i]!);
          else await tally.fail(message ?? 'a record was refused');
        }
      } catch (error) {
        await tally.fail(error instanceof Error ? error.message : String(error));
      }
      if (paceMs > 0) await pause(paceMs);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, i) => write(i)));
  return tally.result();
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
