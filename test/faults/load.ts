import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@weir/base/errors.ts';
import type { Random } from '@weir/base/random.ts';
import type { HttpTarget } from '../cluster/http-client.ts';
import { partitionName, valueOf } from './history.ts';
import type { History, StoredRecord } from './history.ts';

const RECORDS_PER_REQUEST_MAX = 20;
const PAGE_RECORDS = 5_000;

/** A topic that a load goes to. */
export interface LoadTopic {
  readonly name: string;
  readonly partitions: number;
}

/** What a partition answered with instead of taking records, or giving them. Status 0: there was no answer. */
export interface Refused {
  readonly status: number;
  readonly text: string;
}

/** Creates a topic. @throws Error */
export async function createTopic(
  weir: HttpTarget,
  { name, partitions }: LoadTopic,
  configs: Readonly<Record<string, string>> = {},
): Promise<string> {
  const answer = await weir.http('/v1/topics', { body: { name, partitions, configs } });
  if (answer.status !== 201) throw new Error(`the topic ${name} was not created: ${answer.status} ${answer.text}`);
  return answer.json.id as string;
}

/** How a load differs from the usual one. */
export interface LoadOptions {
  /** The partitions it goes to; all of them when left out. */
  readonly only?: readonly number[];
  /** How long a writer waits after an acknowledgement, and the reader at a partition's end. */
  readonly paceMs?: number;
}

/** Writers and a reader on a topic, which note what was acknowledged and what was read, until `stop`. */
export class Load {
  /** Writes that were answered with anything but offsets. */
  readonly refused: Refused[] = [];
  /** Every request, of the reader as well, that had no success or no answer: why. */
  readonly failures: string[] = [];
  /** Records so far. */
  acknowledged = 0;
  /** Records so far. */
  read = 0;
  readonly #weir: HttpTarget;
  readonly #history: History;
  readonly #topic: LoadTopic;
  readonly #random: Random;
  readonly #partitions: readonly number[];
  readonly #paceMs: number | undefined;
  readonly #workers: Promise<void>[] = [];
  #over = false;

  constructor(weir: HttpTarget, history: History, topic: LoadTopic, random: Random, options: LoadOptions = {}) {
    this.#weir = weir;
    this.#history = history;
    this.#topic = topic;
    this.#random = random;
    this.#partitions = options.only ?? Array.from({ length: topic.partitions }, (_, i) => i);
    this.#paceMs = options.paceMs;
  }

  start(writers = 8): this {
    for (let i = 0; i < writers; i++) this.#workers.push(this.#write());
    this.#workers.push(this.#read());
    return this;
  }

  /** No more requests; returns when those under way have an answer, or none because the process is gone. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#workers);
  }

  async #write(): Promise<void> {
    while (!this.#over) {
      const partition = this.#partitions[Math.floor(this.#random.unit() * this.#partitions.length)]!;
      const count = 1 + Math.floor(this.#random.unit() * RECORDS_PER_REQUEST_MAX);
      try {
        const refused = await produce(this.#weir, this.#history, this.#topic.name, partition, count);
        if (refused === undefined) {
          this.acknowledged += count;
          if (this.#paceMs !== undefined) await pause(this.#paceMs);
          continue;
        }
        this.refused.push(refused);
        this.#failed(`write to ${partition}`, refused);
      } catch (error) {
        this.#failed(`write to ${partition}`, noAnswer(error));
      }
      await pause(5);
    }
  }

  /** Follows one partition from its start, then the next: what it shows must stay. */
  async #read(): Promise<void> {
    const next = new Map<number, number>();
    for (let i = 0; !this.#over; i = (i + 1) % this.#partitions.length) {
      const partition = this.#partitions[i]!;
      const from = next.get(partition) ?? 0;
      const path = `/v1/topics/${this.#topic.name}/records?partition=${partition}&offset=${from}&limit=500`;
      const answer = await this.#weir.http(path).catch(noAnswer);
      if (answer.status !== 200) {
        this.#failed(`read of ${partition}`, answer);
        await pause(5);
        continue;
      }
      const records = answer.json.records as StoredRecord[];
      const nowMs = performance.now();
      for (const record of records) this.#history.read(partitionName(this.#topic.name, partition), record, nowMs);
      this.read += records.length;
      if (records.length > 0) next.set(partition, records.at(-1)!.offset + 1);
      else await pause(this.#paceMs ?? 1);
    }
  }

  #failed(what: string, { status, text }: Refused): void {
    this.failures.push(`${what}: ${status === 0 ? 'no answer' : status} ${text.trim()}`);
  }
}

/**
 * Sends so many new records to a partition and notes what is acknowledged.
 *
 * @returns the first refusal, or undefined
 * @throws TypeError or DOMException (as a rejection) without an answer
 */
export async function produce(
  weir: HttpTarget,
  history: History,
  topic: string,
  partition: number,
  count: number,
): Promise<Refused | undefined> {
  const numbers = history.take(count);
  const answer = await weir.http(`/v1/topics/${topic}/records?partition=${partition}`, { body: numbers.map(valueOf) });
  if (answer.status !== 200) return answer;
  const nowMs = performance.now();
  let refused: Refused | undefined;
  const receipts = answer.json.offsets as { offset?: number; error_code?: number }[];
  for (const [i, receipt] of receipts.entries()) {
    if (receipt.offset !== undefined) {
      history.acknowledged(partitionName(topic, partition), receipt.offset, numbers[i]!, nowMs);
    } else refused ??= { status: receipt.error_code ?? 0, text: JSON.stringify(receipt) };
  }
  return refused;
}

/** What a read of a partition from its start to its end came to. */
export interface PartitionRead {
  readonly records: readonly StoredRecord[];
  /** Where it ended before the end. */
  readonly error: Refused | undefined;
}

/** Reads a partition from a given offset, or its first one, to its end. No answer in time is an error with status 0. */
export async function readPartition(
  weir: HttpTarget,
  topic: string,
  partition: number,
  from: number | 'earliest' = 'earliest',
  timeoutMs?: number,
): Promise<PartitionRead> {
  const records: StoredRecord[] = [];
  for (let offset = from; ; offset = records.at(-1)!.offset + 1) {
    const path = `/v1/topics/${topic}/records?partition=${partition}&offset=${offset}&limit=${PAGE_RECORDS}`;
    const answer = await weir.http(path, timeoutMs === undefined ? {} : { timeoutMs }).catch(noAnswer);
    if (answer.status !== 200) return { records, error: answer };
    const page = answer.json.records as StoredRecord[];
    if (page.length === 0) return { records, error: undefined };
    records.push(...page);
  }
}

function noAnswer(error: unknown): Refused & { json: any } {
  return { status: 0, text: messageOf(error), json: undefined };
}

/**
 * Reads topics as a whole.
 *
 * @throws Error when a partition cannot be read to its end
 */
export async function readAll(weir: HttpTarget, ...topics: LoadTopic[]): Promise<Map<string, readonly StoredRecord[]>> {
  const stored = new Map<string, readonly StoredRecord[]>();
  for (const { name, partitions } of topics) {
    for (let partition = 0; partition < partitions; partition++) {
      const { records, error } = await readPartition(weir, name, partition);
      if (error !== undefined) {
        throw new Error(`${partitionName(name, partition)} is not readable: ${error.status} ${error.text.trim()}`);
      }
      stored.set(partitionName(name, partition), records);
    }
  }
  return stored;
}
