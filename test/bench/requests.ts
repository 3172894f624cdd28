import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { splitAddress } from '@weir/base/options.ts';
import type { Api, RequestToSend } from '@weir/kafka/api.ts';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { FRAME_LENGTH_BYTES, readResponse, requestFrame } from '@weir/kafka/message.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { batchBytesOf, lastOffsetOf } from '@weir/records/batch-header.ts';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { cpuSeconds, print } from './measure.ts';
import { createTopic } from './partitions.ts';

const PRODUCE_VERSION = 9;
const FETCH_VERSION = 12;
const IN_FLIGHT = 5;
/** So many requests bring what V8 compiles to its last form. */
const WARM_UP = 20_000;
const ROUNDS = 3;
const FETCH_BYTES_MAX = 50_000_000;
const PARTITION_BYTES_MAX = 1_048_576;

interface Produced {
  readonly name: string;
  readonly partitions: number;
  readonly batchBytes: number;
  readonly requests: number;
}

const PRODUCED: readonly Produced[] = [
  { name: 'produce, a batch of 100 B', partitions: 1, batchBytes: 100, requests: 100_000 },
  { name: 'produce, a batch of 16 KiB', partitions: 1, batchBytes: 16_384, requests: 50_000 },
  { name: 'produce, 12 partitions with 16 KiB each', partitions: 12, batchBytes: 16_384, requests: 5_000 },
  { name: 'produce, 100 partitions with 1 KiB each', partitions: 100, batchBytes: 1_024, requests: 2_000 },
];

/** What one request of Kafka's protocol costs the broker in CPU time. The client sends bytes that it has made before. */
export async function benchRequests(): Promise<void> {
  console.log("\nCPU time of the broker for one request of Kafka's protocol, flush=interval, the best of three rounds");
  const cluster = await new DevCluster('--separate', '--broker.flush', 'interval').start();
  try {
    for (const partitions of [1, 12, 100]) await createTopic(cluster, topicOf(partitions), partitions);
    for (const row of PRODUCED) await measureProduce(cluster, row);
    await measureEndToEnd(cluster);
    for (const partitions of [1, 12, 100]) await measureFetch(cluster, partitions);
  } finally {
    await cluster.remove();
  }
}

async function measureProduce(
  cluster: DevCluster,
  { name, partitions, batchBytes, requests }: Produced,
): Promise<void> {
  const connection = await PreparedConnection.open(cluster.service('broker').kafka!);
  const frame = produceFrame(partitions, batchBytes);
  const run = (count: number): Promise<void> => connection.repeat(frame, count, IN_FLIGHT);
  await run(Math.min(WARM_UP, requests));
  const { microseconds } = await best(cluster, requests, () => run(requests));
  connection.close();
  print({ name, result: `${microseconds.toFixed(1)} µs` });
}

/** A record after the other, and a reader that waits for each. */
async function measureEndToEnd(cluster: DevCluster): Promise<void> {
  const address = cluster.service('broker').kafka!;
  const [producer, reader] = [await PreparedConnection.open(address), await PreparedConnection.open(address)];
  await createTopic(cluster, 'cycle', 1);
  const frame = produceFrame(1, 100, 'cycle');
  let offset = 0;
  const run = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const read = reader.ask(fetchFrame('cycle', [offset]));
      await Promise.all([producer.ask(frame), read]);
      offset++;
    }
  };
  await run(WARM_UP);
  const { microseconds } = await best(cluster, WARM_UP, () => run(WARM_UP));
  producer.close();
  reader.close();
  print({ name: 'produce 100 B to a reader that waits: both', result: `${microseconds.toFixed(1)} µs` });
}

/** All that `measureProduce` has left, in the order in which it comes. */
async function measureFetch(cluster: DevCluster, partitions: number): Promise<void> {
  const connection = await PreparedConnection.open(cluster.service('broker').kafka!);
  let bytes = 0;
  const run = async (): Promise<void> => {
    bytes = 0;
    const offsets = Array.from({ length: partitions }, () => 0);
    for (;;) {
      const answer = await connection.ask(fetchFrame(topicOf(partitions), offsets));
      const { responses } = readResponse(fetch, FETCH_VERSION, answer).response;
      let read = 0;
      for (const { partitionIndex, records } of responses[0]?.partitions ?? []) {
        read += records!.length;
        offsets[partitionIndex] = endOf(records!, offsets[partitionIndex]!);
      }
      bytes += read;
      if (read === 0) return;
    }
  };
  await run();
  const { seconds } = await best(cluster, 1, run);
  connection.close();
  print({
    name: `fetch ${partitions} partitions from the disk, a connection without a session`,
    result: `${(seconds / (bytes / 1e9)).toFixed(2)} s/GB of ${(bytes / 1e9).toFixed(2)} GB`,
  });
}

/** The round that took least: what others do on the machine only adds. */
async function best(
  cluster: DevCluster,
  requests: number,
  run: () => Promise<void>,
): Promise<{ readonly seconds: number; readonly microseconds: number }> {
  const { pid } = cluster.service('broker');
  let seconds = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = cpuSeconds(pid);
    await run();
    seconds = Math.min(seconds, cpuSeconds(pid) - before);
  }
  return { seconds, microseconds: (seconds * 1e6) / requests };
}

function topicOf(partitions: number): string {
  return `requests-${partitions}`;
}

function produceFrame(partitions: number, batchBytes: number, name = topicOf(partitions)): Buffer {
  const builder = new BatchBuilder({ maxBytes: batchBytes + 1_024 });
  builder.append({ key: null, value: Buffer.alloc(batchBytes, 'weir '), timestampMs: Date.now() });
  const records = [builder.build()];
  const partitionData = Array.from({ length: partitions }, (_, index) => ({ index, records }));
  const topicData = [{ name, partitionData }];
  return frameOf(produce, PRODUCE_VERSION, { transactionalId: null, acks: 1, timeoutMs: 30_000, topicData });
}

function fetchFrame(topic: string, offsets: readonly number[]): Buffer {
  const partitions = offsets.map((fetchOffset, partition) => ({
    partition,
    fetchOffset,
    partitionMaxBytes: PARTITION_BYTES_MAX,
  }));
  return frameOf(fetch, FETCH_VERSION, {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: FETCH_BYTES_MAX,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic, partitions }],
  });
}

function frameOf<A extends Api>(api: A, version: number, request: RequestToSend<A>): Buffer {
  return Buffer.concat(requestFrame(api, version, { correlationId: 1, clientId: 'bench' }, request));
}

/** The offset behind the last of some batches. */
function endOf(records: Buffer, from: number): number {
  let end = from;
  for (let at = 0; at < records.length; at += batchBytesOf(records, at)) end = lastOffsetOf(records, at) + 1;
  return end;
}

/** Sends requests that are bytes already, and looks at no answer but where it ends. */
class PreparedConnection {
  readonly #socket: Socket;
  readonly #waiting: ((answer: Buffer) => void)[] = [];
  #pieces: Buffer[] = [];
  #bytes = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece) => {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
      this.#take();
    });
  }

  static open(address: string): Promise<PreparedConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ ...splitAddress(address), noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new PreparedConnection(socket)));
    });
  }

  ask(frame: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(frame);
    });
  }

  /** The same request so often, some of them under way at a time. */
  async repeat(frame: Buffer, count: number, inFlight: number): Promise<void> {
    let begun = 0;
    const one = async (): Promise<void> => {
      while (begun < count) {
        begun++;
        await this.ask(frame);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, one));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(): void {
    while (this.#bytes >= FRAME_LENGTH_BYTES) {
      if (this.#pieces[0]!.length < FRAME_LENGTH_BYTES) this.#pieces = [Buffer.concat(this.#pieces)];
      const end = FRAME_LENGTH_BYTES + this.#pieces[0]!.readInt32BE(0);
      if (this.#bytes < end) return;
      const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
      this.#bytes -= end;
      this.#pieces = this.#bytes === 0 ? [] : [all.subarray(end)];
      this.#waiting.shift()?.(all.subarray(FRAME_LENGTH_BYTES, end));
    }
  }
}
