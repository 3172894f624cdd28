import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { setImmediate as turn } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, expect, test } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { refusal } from '@weir/base/errors.ts';
import { PRODUCE } from '@weir/client/producer/produce-frame.ts';
import { FetchRequestSchema, FetchResponseSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { writeBaseOffset, writeLeaderEpoch } from '@weir/records/batch-header.ts';
import { grpcTransport } from '@weir/runtime/grpc-transport.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { batchOf, TestPartitions, TOPIC_ID_BYTES } from '../test-broker.ts';
import { ColdGate } from './cold-gate.ts';
import { Fetch } from './fetch.ts';
import { Produce } from './produce.ts';

const MIB = 1024 * 1024;
const TAIL_CACHE_BYTES = 2 * MIB;

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Lets sockets and the broker go on until it is so. */
async function until(broker: TestPartitions, condition: () => boolean): Promise<void> {
  while (!condition()) {
    broker.settle();
    await turn();
  }
}

/** A broker of one partition behind real sockets; its memory is overwritten as soon as it is released. */
async function setUp() {
  const broker = new TestPartitions({ tailCacheBytes: TAIL_CACHE_BYTES, appendPendingBytesMax: 64 * MIB }).leading();
  const { partitions, turn: turns, metrics, slabs, clock } = broker;
  const fetch = new Fetch({ partitions, turn: turns, metrics, slabs, coldGate: new ColdGate(16) });
  const produce = new Produce({ partitions, clock, metrics, slabs, tracer: testWorld().tracer });
  const listener = await grpcTransport.listen('127.0.0.1:0', [fetch.handler, produce.handler]);
  closers.push(() => listener.close(0));
  return { broker, fetch, listener, producer: new Producer(broker, listener.address) };
}

/** Appends over the network, and keeps what it sent as the log has it: with offsets and epoch. */
class Producer {
  readonly appended: Buffer[] = [];
  #answered = 0;
  #offset = 0;
  readonly #broker: TestPartitions;
  readonly #stream;

  constructor(broker: TestPartitions, address: string) {
    this.#broker = broker;
    const connection = grpcTransport.connect(address);
    closers.push(() => connection.close());
    this.#stream = connection.open(PRODUCE, {
      message: ({ response }) => {
        if (response.case !== 'result') return;
        for (const { errorCode } of response.value.results)
          assert(errorCode === 0, `a batch was refused: ${errorCode}`);
        this.#answered += response.value.results.length;
      },
      drained() {},
      closed() {},
    });
  }

  /** Sends requests of some batches each, and waits for their answers. */
  async send(requests: readonly (readonly number[])[]): Promise<void> {
    for (const batchSizes of requests) {
      const batches = batchSizes.map((bytes) => this.#next(bytes));
      this.#stream.send({ id: this.appended.length, acks: 1, traceparent: '', batches });
      await until(this.#broker, () => this.#answered === this.appended.length);
    }
  }

  #next(bytes: number) {
    const number = this.appended.length;
    const records = batchOf(1, String.fromCodePoint(33 + (number % 90)).repeat(bytes), number);
    const stored = Buffer.from(records);
    writeBaseOffset(stored, 0, offset(this.#offset++));
    writeLeaderEpoch(stored, 0, leaderEpoch(0));
    this.appended.push(stored);
    return { topicId: TOPIC_ID_BYTES, partition: 0, leaderEpoch: 0, records };
  }
}

/** A subscriber by hand, with HTTP/2's narrow windows, that reads when it is told to. */
class SlowReader {
  readonly session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  #chunks: Buffer[] = [];
  #records: Buffer[] = [];
  bytes = 0;

  constructor(address: string, from: number) {
    this.session = connectHttp2(`http://${address}`);
    this.session.on('error', () => {});
    closers.push(() => this.session.destroy());
    this.#stream = this.session.request({
      ':method': 'POST',
      ':path': '/weir.broker.v1.BrokerService/Fetch',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.#stream.on('error', () => {});
    const credit = { subscription: 1n, topicId: TOPIC_ID_BYTES, leaderEpoch: -1, creditBytes: BigInt(64 * MIB) };
    const value = { ...credit, offset: BigInt(from) };
    const message = toBinary(FetchRequestSchema, create(FetchRequestSchema, { request: { case: 'subscribe', value } }));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    this.#stream.write(Buffer.concat([prefix, message]));
  }

  get records(): Buffer {
    return Buffer.concat(this.#records);
  }

  read(): void {
    this.#stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#takeMessages();
    });
  }

  #takeMessages(): void {
    let all = Buffer.concat(this.#chunks);
    while (all.length >= 5 && all.length >= 5 + all.readUInt32BE(1)) {
      const end = 5 + all.readUInt32BE(1);
      const { errorCode, records } = fromBinary(FetchResponseSchema, all.subarray(5, end));
      assert(errorCode === 0, `the subscription ended: ${errorCode}`);
      this.#records.push(Buffer.from(records));
      this.bytes += records.length;
      all = all.subarray(end);
    }
    this.#chunks = [all];
  }
}

/** Requests of large and small batches, so many bytes in all. */
function requestSizes(bytes: number): number[][] {
  const requests: number[][] = [];
  for (let sent = 0, i = 0; sent < bytes; i++) {
    const request = i % 7 === 0 ? Array.from({ length: 20 }, () => 50) : [(i * 37_003) % 300_000, 9_000];
    requests.push(request);
    for (const size of request) sent += size;
  }
  return requests;
}

test(
  'readers that stop reading get every byte, however often memory was used again meanwhile',
  { timeout: 60_000 },
  async () => {
    const { broker, fetch, listener, producer } = await setUp();
    await producer.send(requestSizes(1 * MIB));
    const firstCount = producer.appended.length;
    // One begins at the start, one at the end; both get stuck with what the sockets and the queue hold.
    const early = new SlowReader(listener.address, 0);
    const late = new SlowReader(listener.address, firstCount);
    const gone = new SlowReader(listener.address, 0);
    await until(broker, () => fetch.subscriptions === 3);
    await producer.send(requestSizes(8 * TAIL_CACHE_BYTES));
    const total = Buffer.concat(producer.appended);
    expect(early.bytes + late.bytes).toBe(0);
    // The cache and what three readers have queued, with slabs that are not full; and far from all that went through.
    expect(broker.slabs.bytes).toBeLessThan(total.length);
    gone.session.destroy();
    early.read();
    late.read();
    const lateFrom = Buffer.concat(producer.appended.slice(0, firstCount)).length;
    await until(broker, () => early.bytes === total.length && late.bytes === total.length - lateFrom);
    expect(early.records.equals(total)).toBe(true);
    expect(late.records.equals(total.subarray(lateFrom))).toBe(true);
    await until(broker, () => fetch.subscriptions === 2);
    // Nothing is left once nobody reads and the logs are closed.
    early.session.destroy();
    late.session.destroy();
    await until(broker, () => fetch.subscriptions === 0);
    broker.partitions.close(refusal('SHUTTING_DOWN', 'stop'), true);
    await until(broker, () => broker.slabs.usedBytes === 0);
  },
);
