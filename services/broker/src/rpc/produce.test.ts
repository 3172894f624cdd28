import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { errorCodeOf } from '@weir/base/errors.ts';
import { PRODUCE_WINDOW_BYTES, STREAM_ANSWERS_QUEUED_MAX, STREAM_RESULTS_QUEUED_MAX } from '@weir/base/limits.ts';
import type { Handler, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { Acks, ProduceRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ProduceRequest, ProduceResponse } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { recordingTracer } from '@weir/runtime/test-tracer.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { SpanStatusCode } from '@weir/runtime/trace.ts';
import type { Tracer } from '@weir/runtime/world.ts';
import { batchOf, changesOf, TestPartitions, TOPIC_ID_BYTES } from '../test-broker.ts';
import { Produce } from './produce.ts';

/** A producer's end of a stream that has no network. */
class Producer {
  readonly responses: ProduceResponse[] = [];
  room = true;
  aborted: TransportFailure | undefined;
  readonly handlers: StreamHandlers<ProduceRequest>;

  constructor(handler: Handler) {
    if (handler.kind !== 'stream') throw new Error('a stream is expected');
    const stream = {
      send: (response: ProduceResponse): boolean => {
        this.responses.push(response);
        return this.room;
      },
      end: () => {},
      abort: (failure: TransportFailure) => void (this.aborted = failure),
    };
    this.handlers = handler.accept(stream, {}, 'test') as StreamHandlers<ProduceRequest>;
  }

  send(id: number, records: readonly Buffer[], partitions: readonly number[] = [], traceparent = ''): void {
    const batches = records.map((batch, slot) => ({
      topicId: TOPIC_ID_BYTES,
      partition: partitions[slot] ?? 0,
      leaderEpoch: -1,
      records: batch,
    }));
    this.handlers.message(create(ProduceRequestSchema, { id: BigInt(id), acks: Acks.ALL, traceparent, batches }));
  }

  /** What was answered, as the request's number and its offsets or error codes. Then it is forgotten. */
  take(): [number, ...(number | string)[]][] {
    return this.responses.splice(0).flatMap(({ response }): [number, ...(number | string)[]][] => {
      if (response.case !== 'result') return [];
      const { id, results } = response.value;
      const outcomes = results.map(({ errorCode, baseOffset }) =>
        errorCode === 0 ? Number(baseOffset) : errorCodeOf(errorCode),
      );
      return [[Number(id), ...outcomes]];
    });
  }
}

function setUp(appendPendingBytesMax = 64 * 1024 * 1024, tracer: Tracer = testWorld().tracer) {
  const broker = new TestPartitions({ appendPendingBytesMax }).recover();
  const two = [
    { leader: 1, epoch: 0 },
    { leader: 1, epoch: 0 },
  ];
  broker.apply(...changesOf({ partitions: two }));
  const { partitions, clock, metrics, slabs } = broker;
  const produce = new Produce({ partitions, clock, metrics, tracer, slabs });
  return { broker, produce, open: () => new Producer(produce.handler) };
}

test('the window comes first', () => {
  const { open } = setUp();
  const [first] = open().responses;
  expect(first?.response).toMatchObject({ case: 'window', value: { bytes: BigInt(PRODUCE_WINDOW_BYTES) } });
});

test('a request is answered once all its partitions have synced, with results in the order sent', () => {
  const { broker, open } = setUp();
  const producer = open();
  // Partition 1 gets so much that it syncs for itself; partition 0 goes through the journal.
  const large = batchOf(2, 'x'.repeat(200_000));
  producer.send(7, [large, batchOf(1), batchOf(1), Buffer.from('junk')], [1, 0, 1, 0]);
  broker.clock.endTurns();
  expect(broker.disk.pendingSyncs).toBe(2);
  broker.disk.completeSyncs(1);
  broker.clock.endTurns();
  expect(producer.take()).toEqual([]);
  broker.settle();
  expect(producer.take()).toEqual([[7, 0, 0, 2, 'INVALID_RECORD']]);
});

test('requests of one turn share one write and one sync', () => {
  const { broker, open } = setUp();
  const producers = [open(), open(), open()];
  producers.forEach((producer, id) => producer.send(id, [batchOf(1)]));
  broker.clock.endTurns();
  expect(broker.disk.pendingSyncs).toBe(1);
  broker.disk.completeSyncs(1);
  broker.clock.endTurns();
  expect(producers.map((producer) => producer.take())).toEqual([[[0, 0]], [[1, 1]], [[2, 2]]]);
});

test('a producer that ignores its window loses its stream, and what it sent costs nobody else anything', () => {
  const { broker, open } = setUp();
  const greedy = open();
  const large = (): Buffer => batchOf(1, 'x'.repeat(1_000_000));
  greedy.send(1, Array.from({ length: 16 }, large));
  expect(greedy.aborted).toBeUndefined();
  greedy.send(2, [large()]);
  expect(greedy.aborted?.code).toBe('POLICY_VIOLATION');
  const modest = open();
  modest.send(1, [batchOf(1)]);
  broker.settle();
  expect(modest.take()).toEqual([[1, 16]]);
  expect(greedy.take()).toEqual([]);
});

test('answered bytes are credit again', () => {
  const { broker, open } = setUp();
  const producer = open();
  for (let id = 0; id < 3; id++) {
    producer.send(
      id,
      Array.from({ length: 16 }, () => batchOf(1, 'x'.repeat(1_000_000))),
    );
    broker.settle();
  }
  expect(producer.aborted).toBeUndefined();
  expect(producer.take()).toHaveLength(3);
});

test('a producer that does not read its answers loses its stream in the end', () => {
  const { open } = setUp();
  const deaf = open();
  deaf.room = false;
  for (let id = 0; id <= STREAM_ANSWERS_QUEUED_MAX; id++) deaf.send(id, []);
  expect(deaf.aborted?.code).toBe('POLICY_VIOLATION');
});

test('past the budget for the disk batches are throttled, not kept', () => {
  const { broker, open } = setUp(150);
  const producer = open();
  producer.send(1, [batchOf(1), batchOf(1), batchOf(1)]);
  broker.settle();
  expect(producer.take()).toEqual([[1, 0, 1, 'THROTTLING_QUOTA_EXCEEDED']]);
});

test('a stop answers what was taken, refuses what comes, and is idle after that', () => {
  const { broker, produce, open } = setUp();
  const producer = open();
  producer.send(1, [batchOf(1)]);
  let idle = false;
  produce.stop(() => (idle = true));
  producer.send(2, [batchOf(1)]);
  expect(idle).toBe(false);
  broker.settle();
  expect(idle).toBe(true);
  expect(producer.take()).toEqual([
    [2, 'SHUTTING_DOWN'],
    [1, 0],
  ]);
});

test('a producer that goes away is not answered, and what it sent is kept', () => {
  const { broker, open } = setUp();
  const producer = open();
  producer.send(1, [batchOf(3)]);
  producer.handlers.closed({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'gone' });
  broker.settle();
  expect(producer.take()).toEqual([]);
  expect(broker.partition().highWatermark).toBe(3);
});

const TRACE = { id: '0af7651916cd43dd8448eb211c80319c', parent: 'b7ad6b7169203331' };
const TRACEPARENT = `00-${TRACE.id}-${TRACE.parent}-01`;

test('a request with a traceparent has one span, which ends with its answer', () => {
  const { tracer, ended } = recordingTracer();
  const { broker, open } = setUp(undefined, tracer);
  const producer = open();
  producer.send(1, [batchOf(1)]);
  producer.send(2, [batchOf(2)], [0], TRACEPARENT);
  producer.send(3, [batchOf(1), batchOf(1)], [0, 1], TRACEPARENT);
  expect(ended()).toEqual([]);
  broker.settle();
  const [one, two, ...others] = ended();
  expect(others).toEqual([]);
  expect(one!.name).toBe('append orders');
  expect([one!.spanContext().traceId, one!.parentSpanContext?.spanId]).toEqual([TRACE.id, TRACE.parent]);
  expect(one!.attributes).toMatchObject({
    'messaging.destination.name': 'orders',
    'messaging.destination.partition.id': '0',
    'messaging.batch.message_count': 2,
    'messaging.kafka.offset': 1,
  });
  // Of several partitions there is no one offset.
  expect(two!.attributes).toMatchObject({ 'messaging.batch.message_count': 2 });
  expect(two!.attributes).not.toHaveProperty('messaging.kafka.offset');
});

test('the span of what is refused says why, also where the broker does not know the topic', () => {
  const { tracer, ended } = recordingTracer();
  const { produce, open } = setUp(undefined, tracer);
  const producer = open();
  producer.send(1, [Buffer.from('junk')], [0], TRACEPARENT);
  producer.send(2, [batchOf(1)], [7], TRACEPARENT);
  produce.stop(() => {});
  producer.send(3, [batchOf(1)], [0], TRACEPARENT);
  expect(ended().map(({ name, status, attributes }) => [name, status.code, attributes['error.type']])).toEqual([
    ['append orders', SpanStatusCode.ERROR, 'INVALID_RECORD'],
    ['append', SpanStatusCode.ERROR, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['append', SpanStatusCode.ERROR, 'SHUTTING_DOWN'],
  ]);
});

test('answers that nobody reads are bounded by their results as well', () => {
  const { open } = setUp();
  const deaf = open();
  deaf.room = false;
  const refused = Array.from({ length: 10_000 }, () => Buffer.alloc(0));
  for (let id = 0; id <= STREAM_RESULTS_QUEUED_MAX / 10_000 && deaf.aborted === undefined; id++) deaf.send(id, refused);
  expect(deaf.aborted?.message).toContain('does not read its answers');
});

test('a small batch in a large message does not keep the message', () => {
  const { broker, open } = setUp();
  const producer = open();
  const { slabs } = broker;
  const message = slabs.allocate(8 * 1024 * 1024);
  const batch = batchOf(1);
  message.set(batch);
  producer.send(1, [message.subarray(0, batch.length)]);
  slabs.release(message);
  expect(slabs.usedBytes).toBeLessThan(2 * 1024 * 1024);
  broker.settle();
  expect(producer.take()).toEqual([[1, 0]]);
});
