import { WeirError } from '@weir/base/errors.ts';
import { TextBytes } from '@weir/base/text-bytes.ts';
import { READ_PARTITIONS_AT_ONCE } from '@weir/base/limits.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { knownTopic } from '../context.ts';
import type { GatewayContext } from '../context.ts';
import type { ReadResult } from '@weir/client/consumer/read.ts';
import { rawJsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { failureOf, HttpFailure, overloaded } from '../http/failure.ts';
import { addRecordJson } from '../json/record-json.ts';
import { encodeCursor } from '../stream/cursor.ts';
import { beginPoll } from './poll.ts';
import type { Poll } from './poll.ts';
import { readParameters } from './read-parameters.ts';
import type { ReadFrom, ReadParameters } from './read-parameters.ts';

/** GET /v1/topics/{topic}/records: reads without leaving anything behind in the gateway. */
export async function read(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  const asLines = acceptsLines(request);
  const topic = await knownTopic(context, request.params);
  const parameters = readParameters(request, topic);
  if (context.budget.isSpent) throw overloaded();
  const poll = beginPoll(context, topic.name, request);
  let found: Found | undefined;
  try {
    const start = await startOffsets(context, topic, parameters);
    found = new Found(start, { limit: parameters.limit, oneLine: asLines, poll, context });
    const reading: Reading = { context, topic, found, single: parameters.partitions.length === 1 };
    const gone = AbortSignal.any([request.signal, context.stopping]);
    if (reading.single) await readOne(reading, parameters.partitions[0]!, parameters.waitMs, gone);
    else {
      await readInTurn(reading, parameters.partitions);
      if (found.count === 0 && parameters.waitMs > 0) await awaitAny(reading, parameters, gone);
    }
    context.metrics.recordsOut.inc(found.count);
    poll?.end();
    return asLines ? linesReply(topic, found) : objectReply(topic, found);
  } catch (error) {
    poll?.end(failureOf(error)?.code ?? 'UNKNOWN_SERVER_ERROR');
    throw error;
  } finally {
    // From here on the answer is counted as such.
    found?.close();
  }
}

/** What was read so far. */
class Found {
  /** What is answered, up to the last record. */
  readonly text = new TextBytes();
  count = 0;
  readonly next: Map<number, number>;
  readonly #limit: number;
  readonly #oneLine: boolean;
  readonly #poll: Poll | undefined;
  readonly #context: GatewayContext;
  /** Of all records, as the gateway's budget knows them. */
  #bytes = 0;
  #closed = false;

  constructor(
    start: Map<number, number>,
    options: {
      readonly limit: number;
      readonly oneLine: boolean;
      readonly poll: Poll | undefined;
      readonly context: GatewayContext;
    },
  ) {
    this.next = start;
    this.#limit = options.limit;
    this.#oneLine = options.oneLine;
    this.#poll = options.poll;
    this.#context = options.context;
    if (!this.#oneLine) this.text.ascii('{"records":[');
  }

  get recordsLeft(): number {
    return this.#limit - this.count;
  }

  get isFull(): boolean {
    return this.recordsLeft === 0 || this.#bytes >= this.#context.readBytes;
  }

  /** Gives its bytes back; what comes later, of a partition that was still waited for, is not taken any more. */
  close(): void {
    this.#closed = true;
    this.#context.budget.give(this.#bytes);
  }

  /** Takes what still fits; `next` goes on after the last record that did. */
  take(partition: number, result: ReadResult): void {
    if (this.#closed) return;
    for (const record of result.records) {
      if (this.isFull) return;
      const before = this.text.length;
      if (this.count > 0) this.text.ascii(this.#oneLine ? '\n' : ',');
      addRecordJson(this.text, partition, record, this.#oneLine);
      this.#bytes += this.text.length - before;
      this.#context.budget.overdraw(this.text.length - before);
      this.count++;
      this.#poll?.saw(record);
      this.next.set(partition, record.offset + 1);
    }
    this.next.set(partition, result.nextOffset);
  }
}

interface Reading {
  readonly context: GatewayContext;
  readonly topic: TopicInfo;
  readonly found: Found;
  /** Whether one partition was asked for; then an offset that it does not have is an error. */
  readonly single: boolean;
}

async function startOffsets(
  context: GatewayContext,
  topic: TopicInfo,
  { partitions, from }: ReadParameters,
): Promise<Map<number, number>> {
  switch (from.kind) {
    case 'offset':
      return new Map(partitions.map((partition) => [partition, from.offset]));
    case 'cursor':
      // A partition that the cursor does not know is newer than the cursor: all of it is unread.
      return new Map(partitions.map((partition) => [partition, from.cursor.get(partition) ?? 0]));
    case 'timestamp':
      return offsetsAt(context, topic, partitions, from);
  }
}

async function offsetsAt(
  context: GatewayContext,
  topic: TopicInfo,
  partitions: readonly number[],
  { timestamp }: Extract<ReadFrom, { kind: 'timestamp' }>,
): Promise<Map<number, number>> {
  const ask = (at: typeof timestamp, of: readonly number[]): ReturnType<typeof context.client.listOffsets> =>
    context.client.listOffsets(
      topic.name,
      of.map((partition) => ({ partition, timestamp: at })),
    );
  const offsets = new Map((await ask(timestamp, partitions)).map(({ partition, offset }) => [partition, offset]));
  const withoutAny = partitions.filter((partition) => (offsets.get(partition) ?? -1) < 0);
  // No record is that new: the read begins at the end.
  if (withoutAny.length > 0) {
    for (const { partition, offset } of await ask('latest', withoutAny)) offsets.set(partition, offset);
  }
  return new Map(partitions.map((partition) => [partition, offsets.get(partition) ?? 0]));
}

/** Reads partition after partition until there is enough, a few of them ahead. */
async function readInTurn(reading: Reading, partitions: readonly number[]): Promise<void> {
  const { found } = reading;
  for (let first = 0; first < partitions.length && !found.isFull; first += READ_PARTITIONS_AT_ONCE) {
    const some = partitions.slice(first, first + READ_PARTITIONS_AT_ONCE);
    const results = await Promise.all(some.map((partition) => readPartition(reading, partition, some.length, 0)));
    for (const [i, result] of results.entries()) {
      if (result !== undefined && !found.isFull) found.take(some[i]!, result);
    }
  }
}

async function readOne(reading: Reading, partition: number, waitMs: number, signal: AbortSignal): Promise<void> {
  const result = await readPartition(reading, partition, 1, waitMs, signal);
  if (result !== undefined) reading.found.take(partition, result);
}

/** Waits for the first partition to bring something, and takes what others bring at the same time. */
async function awaitAny(reading: Reading, { partitions, waitMs }: ReadParameters, gone: AbortSignal): Promise<void> {
  const enough = new AbortController();
  const signal = AbortSignal.any([gone, enough.signal]);
  try {
    await Promise.all(
      partitions.map(async (partition) => {
        const result = await readPartition(reading, partition, partitions.length, waitMs, signal);
        if (result === undefined || result.records.length === 0 || reading.found.isFull) return;
        reading.found.take(partition, result);
        enough.abort();
      }),
    );
  } finally {
    // One that fails ends the wait for the others.
    enough.abort();
  }
}

/** What a partition has; undefined when it has nothing there, or the wait was broken off. */
async function readPartition(
  { context, topic, found, single }: Reading,
  partition: number,
  sharedBy: number,
  waitMs: number,
  signal?: AbortSignal,
): Promise<ReadResult | undefined> {
  try {
    return await context.client.read({
      topic: topic.name,
      partition,
      offset: found.next.get(partition)!,
      maxRecords: found.recordsLeft,
      maxBytes: Math.ceil(context.readBytes / sharedBy),
      waitMs,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) return undefined;
    if (!(error instanceof WeirError) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error;
    // Over several partitions "from offset N" means: whatever is at N or after it.
    if (!single) return undefined;
    throw await outOfRange(context, topic, partition, found.next.get(partition)!);
  }
}

async function outOfRange(
  context: GatewayContext,
  topic: TopicInfo,
  partition: number,
  offset: number,
): Promise<HttpFailure> {
  const [earliest, latest] = await context.client.listOffsets(topic.name, [
    { partition, timestamp: 'earliest' },
    { partition, timestamp: 'latest' },
  ]);
  const first = earliest?.offset ?? 0;
  const next = latest?.offset ?? 0;
  let range = `has offsets ${first} to ${next - 1}`;
  if (first === next) range = `has no records; the next one gets offset ${next}`;
  else if (first === next - 1) range = `has only offset ${first}`;
  return new HttpFailure(
    'OFFSET_OUT_OF_RANGE',
    `partition ${partition} of "${topic.name}" ${range}: ${offset} is outside. Read from offset=earliest, latest or one in between`,
  );
}

function acceptsLines(request: GatewayRequest): boolean {
  const accept = String(request.headers['accept'] ?? '*/*').toLowerCase();
  if (accept.includes('application/x-ndjson')) return true;
  if (/\*\/\*|application\/(\*|json)/.test(accept)) return false;
  throw new HttpFailure('NOT_ACCEPTABLE', `records come as application/json or application/x-ndjson, not as ${accept}`);
}

function objectReply(topic: TopicInfo, { text, next }: Found): GatewayReply {
  const end = `],"next":${JSON.stringify(Object.fromEntries(next))},"cursor":"${encodeCursor(topic, next)}"}\n`;
  return rawJsonReply(200, text.ascii(end).take());
}

function linesReply(topic: TopicInfo, { text, next, count }: Found): GatewayReply {
  if (count > 0) text.ascii('\n');
  const headers = { 'weir-cursor': encodeCursor(topic, next) };
  return { kind: 'whole', status: 200, type: 'application/x-ndjson; charset=utf-8', body: text.take(), headers };
}
