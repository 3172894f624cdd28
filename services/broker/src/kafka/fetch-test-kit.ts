import type { RequestToSend, ResponseOf } from '@weir/kafka/api.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf } from '@weir/records/batch-header.ts';
import { batchOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import type { TestClient } from './test-client.ts';
import { TestDoor } from './test-door.ts';
import type { TestDoorOptions } from './test-door.ts';

type Request = RequestToSend<typeof fetch>;
type Response = ResponseOf<typeof fetch>;
type WantedPartition = Request['topics'][number]['partitions'][number];

/** Large enough for whatever a test has. */
const PLENTY = 1_000_000;
/** Any number but 0, which begins a session: no session is asked for. */
const NO_SESSION = -1;

/** What a reader wants of a partition; the rest is everything from the beginning. */
export interface Want extends Partial<WantedPartition> {
  readonly partition?: number;
}

/** One topic in a request, by name and by id. */
export function wanting(wants: readonly Want[], name = 'orders', topicId = TOPIC_ID_BYTES): Request['topics'][number] {
  const partitions = wants.map((want) => ({
    partition: 0,
    fetchOffset: 0,
    partitionMaxBytes: PLENTY,
    ...want,
  }));
  return { topic: name, topicId, partitions };
}

/** A request that does not wait, and belongs to no session. */
export function fetchOf(wants: readonly Want[], parts: Partial<Request> = {}): Request {
  return {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 10 * PLENTY,
    isolationLevel: 0,
    sessionEpoch: NO_SESSION,
    topics: [wanting(wants)],
    ...parts,
  };
}

/** What came of each partition in turn: "index first-last" of its offsets, "index end", or "index error N". */
export function shown({ errorCode, responses }: Response): string[] {
  if (errorCode !== 0) return [`error ${errorCode}`];
  return responses.flatMap(({ partitions }) =>
    partitions.map(({ partitionIndex, errorCode: error, records }) => {
      if (error !== 0) return `${partitionIndex} error ${error}`;
      return `${partitionIndex} ${rangeOf(records!)}`;
    }),
  );
}

/** The offsets of whole batches that follow each other without a gap. */
function rangeOf(records: Buffer): string {
  if (records.length === 0) return 'end';
  let next = baseOffsetOf(records, 0);
  for (let at = 0; at < records.length; at += batchBytesOf(records, at)) {
    if (baseOffsetOf(records, at) !== next) throw new Error(`a gap before ${baseOffsetOf(records, at)}`);
    next = (lastOffsetOf(records, at) + 1) as typeof next;
  }
  return `${baseOffsetOf(records, 0)}-${next - 1}`;
}

/** A door with a reader, and a way to append to its partitions. */
export async function openReader(options: TestDoorOptions = {}) {
  const door = await TestDoor.open(options);
  const client = door.connect();
  const append = async (batch: Buffer, index = 0): Promise<void> => {
    const why = door.broker.partition(index).append(batch, -1, door.broker.waiter, 0);
    if (why !== undefined) throw new Error(why.message);
    await door.settle();
  };
  return {
    door,
    client,
    append,
    /** So many batches of a record each, with so many bytes as value. */
    fill: async (count: number, bytes: number, index = 0): Promise<void> => {
      for (let i = 0; i < count; i++) await append(batchOf(1, 'x'.repeat(bytes)), index);
    },
    ask: async (request: Request, version = 12): Promise<string[]> => shown(await client.ask(fetch, version, request)),
  };
}

/** What came since, a line for each answer. */
export function taken(client: TestClient): string[][] {
  return client.take().map(({ response }) => shown(response as Response));
}

/** So many partitions that this broker leads. */
export function ledPartitions(count: number): { partitions: { leader: number; epoch: number }[] } {
  return { partitions: Array.from({ length: count }, () => ({ leader: 1, epoch: 0 })) };
}
