import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { errorCodeOf, refusal } from '@weir/base/errors.ts';
import { FETCH_FRAME_BYTES } from '@weir/base/limits.ts';
import type { Handler, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { FetchRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { FetchRequest, SubscribeSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { baseOffsetOf, lastOffsetOf } from '@weir/records/batch-header.ts';
import { batchOf, changesOf, TestPartitions, TOPIC_ID_BYTES } from '../test-broker.ts';
import { ColdGate } from './cold-gate.ts';
import { Fetch } from './fetch.ts';
import type { FetchFrame } from './fetch-frame.ts';

/** A reader's end of a stream that has no network. `room` is what `send` answers. */
class Reader {
  readonly frames: FetchFrame[] = [];
  room = true;
  aborted: TransportFailure | undefined;
  ended = false;
  readonly handlers: StreamHandlers<FetchRequest>;

  constructor(handler: Handler) {
    if (handler.kind !== 'stream') throw new Error('a stream is expected');
    const stream = {
      send: (frame: FetchFrame): boolean => {
        // What is not retained is gone after the call, as for a transport that writes at once.
        this.frames.push({ ...frame, records: frame.records.map((part) => Buffer.from(part)) });
        return this.room;
      },
      end: () => void (this.ended = true),
      abort: (failure: TransportFailure) => void (this.aborted = failure),
    };
    this.handlers = handler.accept(stream, {}, 'test') as StreamHandlers<FetchRequest>;
  }

  subscribe(wanted: MessageInitShape<typeof SubscribeSchema> = {}): void {
    const value = { subscription: 1n, topicId: TOPIC_ID_BYTES, leaderEpoch: -1, creditBytes: 1_000_000n, ...wanted };
    this.handlers.message(create(FetchRequestSchema, { request: { case: 'subscribe', value } }));
  }

  credit(bytes: number, subscription = 1n): void {
    const value = { subscription, bytes: BigInt(bytes) };
    this.handlers.message(create(FetchRequestSchema, { request: { case: 'credit', value } }));
  }

  unsubscribe(subscription = 1n): void {
    this.handlers.message(create(FetchRequestSchema, { request: { case: 'unsubscribe', value: { subscription } } }));
  }

  /** What came, as "first-last" offsets, "end" for an empty frame, or an error code. Then it is forgotten. */
  take(): string[] {
    return this.frames.splice(0).map((frame) => {
      if (frame.errorCode !== 0) return errorCodeOf(frame.errorCode);
      if (frame.records.length === 0) return 'end';
      const first = Buffer.from(frame.records[0]!);
      const all = Buffer.concat(frame.records);
      let last = 0;
      for (let at = 0; at < all.length; at += 12 + all.readInt32BE(at + 8)) last = lastOffsetOf(all, at);
      return `${baseOffsetOf(first, 0)}-${last}`;
    });
  }
}

function setUp(options: ConstructorParameters<typeof TestPartitions>[0] = {}) {
  const broker = new TestPartitions(options).leading();
  const { partitions, turn, metrics, slabs } = broker;
  const fetch = new Fetch({ partitions, turn, metrics, slabs, coldGate: new ColdGate(16) });
  const append = (batch: Buffer): void => {
    const why = broker.partition().append(batch, -1, broker.waiter, 0);
    if (why !== undefined) throw new Error(why.message);
    broker.settle();
  };
  return { broker, fetch, append, open: () => new Reader(fetch.handler) };
}

test('a reader gets what is there, then the end, then what comes', () => {
  const { broker, append, open } = setUp();
  append(batchOf(3));
  append(batchOf(2));
  const reader = open();
  reader.subscribe();
  broker.settle();
  expect(reader.take()).toEqual(['0-4', 'end']);
  append(batchOf(1));
  expect(reader.take()).toEqual(['5-5', 'end']);
  broker.settle();
  expect(reader.take()).toEqual([]);
});

test('a subscription from the middle of a batch gets the whole batch', () => {
  const { broker, append, open } = setUp();
  append(batchOf(3));
  const reader = open();
  reader.subscribe({ offset: 2n });
  broker.settle();
  expect(reader.take()).toEqual(['0-2', 'end']);
});

test('without credit nothing is sent, and one batch larger than the credit goes whole', () => {
  const { broker, append, open } = setUp();
  append(batchOf(1, 'a'.repeat(500)));
  append(batchOf(1, 'b'.repeat(500)));
  const reader = open();
  reader.subscribe({ creditBytes: 0n });
  broker.settle();
  expect(reader.take()).toEqual([]);
  reader.credit(10);
  broker.settle();
  expect(reader.take()).toEqual(['0-0']);
  reader.credit(10);
  broker.settle();
  expect(reader.take()).toEqual([]);
  reader.credit(1_000);
  broker.settle();
  expect(reader.take()).toEqual(['1-1', 'end']);
});

test('offsets past the end are refused with the range that there is', () => {
  const { broker, append, open } = setUp();
  append(batchOf(3));
  const reader = open();
  reader.subscribe({ offset: 4n });
  reader.subscribe({ offset: -1n, subscription: 2n });
  reader.subscribe({ offset: 3n, subscription: 3n });
  broker.settle();
  expect(reader.frames.find(({ subscription }) => subscription === 1n)?.message).toContain('0 to 3');
  expect(reader.take().toSorted()).toEqual(['OFFSET_OUT_OF_RANGE', 'OFFSET_OUT_OF_RANGE', 'end']);
});

test('what is not served here is refused, and the stream goes on', () => {
  const { broker, append, open } = setUp();
  append(batchOf(1));
  const reader = open();
  reader.subscribe({ topicId: new Uint8Array(16) });
  reader.subscribe({ subscription: 2n, leaderEpoch: 9 });
  reader.subscribe({ subscription: 3n });
  broker.settle();
  expect(reader.take()).toEqual(['UNKNOWN_TOPIC_ID', 'UNKNOWN_LEADER_EPOCH', '0-0', 'end']);
});

test('a number used twice, or a request of nothing, ends the stream', () => {
  const { fetch, open } = setUp();
  const twice = open();
  twice.subscribe();
  twice.subscribe();
  expect(twice.aborted?.code).toBe('INVALID_REQUEST');
  const nothing = open();
  nothing.handlers.message(create(FetchRequestSchema, {}));
  expect(nothing.aborted?.code).toBe('INVALID_REQUEST');
  twice.handlers.closed(undefined);
  nothing.handlers.closed(undefined);
  expect(fetch.subscriptions).toBe(0);
});

test('a stream without room gets nothing more until it has drained', () => {
  const { broker, append, open } = setUp({ appendPendingBytesMax: 64 * 1024 * 1024, tailCacheBytes: 8 * 1024 * 1024 });
  for (let i = 0; i < 6; i++) append(batchOf(1, 'x'.repeat(200_000)));
  const reader = open();
  reader.room = false;
  reader.subscribe({ creditBytes: 10_000_000n });
  broker.settle();
  expect(reader.take()).toEqual(['0-0']);
  append(batchOf(1));
  expect(reader.take()).toEqual([]);
  reader.room = true;
  reader.handlers.drained();
  broker.settle();
  expect(reader.take()).toEqual(['1-1', '2-2', '3-3', '4-4', '5-6', 'end']);
});

test('records that left the tail cache come from disk, in order and without a gap', () => {
  const { broker, append, open } = setUp({ tailCacheBytes: 100_000 });
  for (let i = 0; i < 30; i++) append(batchOf(2, 'x'.repeat(10_000)));
  const reader = open();
  reader.subscribe({ creditBytes: 10_000_000n });
  broker.settle();
  for (const { records } of reader.frames) expect(Buffer.concat(records).length).toBeLessThanOrEqual(FETCH_FRAME_BYTES);
  const seen = reader.take();
  expect(seen.at(-1)).toBe('end');
  let next = 0;
  for (const range of seen.slice(0, -1)) {
    const [first, last] = range.split('-').map(Number);
    expect(first).toBe(next);
    next = last! + 1;
  }
  expect(next).toBe(60);
});

test('a stream that fills up while its reads wait for the disk is not read for', () => {
  const { broker, append, open } = setUp({ tailCacheBytes: 1_000 });
  for (let i = 0; i < 3; i++) append(batchOf(1, 'x'.repeat(10_000)));
  const reader = open();
  reader.room = false;
  for (let id = 1n; id <= 100n; id++) reader.subscribe({ subscription: id });
  broker.settle();
  // Those that had begun are sent, no more.
  expect(reader.frames.length).toBeLessThanOrEqual(16);
  reader.room = true;
  for (let i = 0; i < 100; i++) {
    reader.handlers.drained();
    broker.settle();
  }
  expect(reader.take().filter((range) => range === 'end')).toHaveLength(100);
});

test('a read that fails ends the subscription with a storage error', () => {
  const { broker, append, open } = setUp({ tailCacheBytes: 1_000 });
  append(batchOf(1, 'x'.repeat(10_000)));
  const reader = open();
  reader.subscribe();
  broker.clock.endTurns();
  broker.disk.failNextRead();
  broker.settle();
  expect(reader.take()).toEqual(['KAFKA_STORAGE_ERROR']);
});

test('who unsubscribes or goes away while a read is under way gets nothing, and frees its place', () => {
  const { broker, fetch, append, open } = setUp({ tailCacheBytes: 1_000 });
  append(batchOf(1, 'x'.repeat(10_000)));
  const reader = open();
  reader.subscribe();
  broker.clock.endTurns();
  reader.unsubscribe();
  broker.settle();
  expect(reader.take()).toEqual([]);
  reader.subscribe({ subscription: 2n });
  broker.clock.endTurns();
  reader.handlers.closed(undefined);
  broker.settle();
  expect(reader.take()).toEqual([]);
  expect(fetch.subscriptions).toBe(0);
  // All places are free again.
  const other = open();
  for (let id = 1n; id <= 40n; id++) other.subscribe({ subscription: id });
  broker.settle();
  expect(other.take().filter((range) => range === 'end')).toHaveLength(40);
});

test('a lost leadership ends its subscriptions, a stop all of them and the stream', () => {
  const { broker, fetch, append, open } = setUp();
  append(batchOf(1));
  const reader = open();
  reader.subscribe();
  broker.settle();
  reader.take();
  broker.apply(...changesOf({ partitions: [{ leader: 2, epoch: 1, replicas: [1, 2] }] }));
  expect(reader.take()).toEqual(['NOT_LEADER_OR_FOLLOWER']);
  broker.apply(...changesOf({ partitions: [{ leader: 1, epoch: 2, replicas: [1, 2] }] }));
  reader.subscribe({ subscription: 2n, offset: 1n });
  broker.settle();
  fetch.stop(refusal('SHUTTING_DOWN', 'stop'));
  expect(reader.take()).toEqual(['end', 'SHUTTING_DOWN']);
  expect(reader.ended).toBe(true);
});

test('many subscriptions take turns: none gets its second frame before all had their first', () => {
  const { broker, append, open } = setUp({ appendPendingBytesMax: 64 * 1024 * 1024, tailCacheBytes: 8 * 1024 * 1024 });
  for (let i = 0; i < 4; i++) append(batchOf(1, 'x'.repeat(200_000)));
  const reader = open();
  for (let id = 1n; id <= 5n; id++) reader.subscribe({ subscription: id, creditBytes: 10_000_000n });
  broker.settle();
  const firstFive = reader.frames.slice(0, 5).map(({ subscription }) => subscription);
  expect(new Set(firstFive).size).toBe(5);
});
