import { create } from '@bufbuild/protobuf';
import type { Clock } from '@weir/base/clock.ts';
import { ERRORS, refusal } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import {
  PARTITIONS_PER_REQUEST_MAX,
  PRODUCE_WINDOW_BYTES,
  STREAM_ANSWERS_QUEUED_MAX,
  STREAM_RESULTS_QUEUED_MAX,
} from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { onBulkStream } from '@weir/base/transport.ts';
import type { Handler, Stream, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import {
  Acks,
  BrokerService,
  PartitionResultSchema,
  ProduceResponseSchema,
  ProduceResultSchema,
  ProduceWindowSchema,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import type {
  PartitionResult,
  ProduceRequest,
  ProduceResponse,
  ProduceResult,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import { BATCH_HEADER_BYTES, recordCountOf } from '@weir/records/batch-header.ts';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { endSpan, SpanKind, startSpan } from '@weir/runtime/trace.ts';
import type { Span } from '@weir/runtime/trace.ts';
import type { Tracer } from '@weir/runtime/world.ts';
import { appendKeeping } from '../append-keeping.ts';
import type { BrokerMetrics } from '../metrics.ts';
import type { AppendWaiter } from '../partition/append-queue.ts';
import { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import { servingProducers } from '../serving-producers.ts';

/** What producing needs. */
export interface ProduceParts {
  readonly partitions: Partitions;
  readonly clock: Clock;
  readonly tracer: Tracer;
  readonly metrics: BrokerMetrics;
  /** Where batches are in memory from the socket on. */
  readonly slabs: Slabs;
}

/** Answers producers. Every batch is decided upon and appended in the turn in which it came. */
export class Produce {
  readonly handler: Handler;
  readonly #parts: ProduceParts;
  readonly #streams = new Set<ProduceStream>();
  #stopping = false;
  #unanswered = 0;
  #idle: (() => void) | undefined;

  constructor(parts: ProduceParts) {
    this.#parts = parts;
    const method = protobufMethod(BrokerService.method.produce);
    this.handler = onBulkStream(method, parts.slabs, (stream) => this.#accept(stream));
  }

  /** Takes nothing more; `idle` is called once everything that was taken is answered. */
  stop(idle: () => void): void {
    this.#stopping = true;
    this.#idle = idle;
    this.#checkIdle();
  }

  /** Ends all streams. */
  end(): void {
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  #accept(stream: Stream<ProduceResponse>): StreamHandlers<ProduceRequest> {
    const producer = new ProduceStream(stream);
    this.#streams.add(producer);
    return {
      message: (request) => this.#take(producer, request),
      drained: () => producer.drained(),
      closed: () => {
        producer.closed = true;
        this.#streams.delete(producer);
      },
    };
  }

  #take(producer: ProduceStream, request: ProduceRequest): void {
    const { clock, tracer, metrics, partitions } = this.#parts;
    let bytes = 0;
    for (const batch of request.batches) bytes += batch.records.length;
    const breach = producer.breachedBy(request, bytes);
    if (breach !== undefined) {
      this.#streams.delete(producer);
      producer.abort(breach);
      return;
    }
    this.#unanswered++;
    const pending = new PendingRequest(request, bytes, producer, clock.monotonicMs(), (answered) => {
      metrics.appendSeconds.observe((clock.monotonicMs() - answered.sinceMs) / 1_000);
      this.#unanswered--;
      this.#checkIdle();
    });
    if (request.traceparent !== '') pending.trace(tracer, request);
    const refused = this.#refusalOf(request);
    const acks = request.acks === Acks.ALL ? 'all' : 'leader';
    for (let slot = 0; slot < request.batches.length; slot++) {
      const batch = request.batches[slot]!;
      const found = refused ?? servingProducers(partitions, batch);
      if (!(found instanceof Partition)) {
        this.#refuse(pending, slot, found);
        continue;
      }
      pending.reached(found.topic.name);
      const { leaderEpoch } = batch;
      const kept = { slabs: this.#parts.slabs, keptBytes: bytes };
      const problem = appendKeeping(asBuffer(batch.records), kept, (records) =>
        found.append(records, leaderEpoch, pending, slot, acks),
      );
      if (problem !== undefined) this.#refuse(pending, slot, problem);
    }
    pending.taken();
  }

  #refuse(pending: PendingRequest, slot: number, why: Refusal): void {
    this.#parts.metrics.refusals.labels(why.code).inc();
    pending.failed(slot, why);
  }

  #refusalOf(request: ProduceRequest): Refusal | undefined {
    if (this.#stopping) return refusal('SHUTTING_DOWN', 'this broker is shutting down');
    if (request.acks === Acks.ALL || request.acks === Acks.LEADER) return undefined;
    return refusal('INVALID_REQUEST', `acks is ACKS_ALL (1) or ACKS_LEADER (2), not ${request.acks}`);
  }

  #checkIdle(): void {
    if (this.#unanswered > 0 || this.#idle === undefined) return;
    const idle = this.#idle;
    this.#idle = undefined;
    idle();
  }
}

/** One producer's stream, with the bytes that it has not been answered. */
class ProduceStream {
  readonly #stream: Stream<ProduceResponse>;
  unansweredBytes = 0;
  closed = false;
  /** Answers that were queued since the stream said that its queue is full. */
  #queuedAnswers = 0;
  #queuedResults = 0;
  #full = false;

  constructor(stream: Stream<ProduceResponse>) {
    this.#stream = stream;
    const window = create(ProduceWindowSchema, { bytes: BigInt(PRODUCE_WINDOW_BYTES) });
    stream.send(create(ProduceResponseSchema, { response: { case: 'window', value: window } }));
  }

  /** Why the request ends the stream, or undefined: its sender has not kept to the window, or is none of ours. */
  breachedBy(request: ProduceRequest, bytes: number): TransportFailure | undefined {
    if (this.unansweredBytes + bytes > PRODUCE_WINDOW_BYTES) {
      const message = `${this.unansweredBytes + bytes} bytes are unanswered; the stream's window is ${PRODUCE_WINDOW_BYTES}`;
      return { kind: 'refused', code: 'POLICY_VIOLATION', message };
    }
    if (request.batches.length > PARTITIONS_PER_REQUEST_MAX) {
      const message = `a request has at most ${PARTITIONS_PER_REQUEST_MAX} batches, this one has ${request.batches.length}`;
      return { kind: 'refused', code: 'INVALID_REQUEST', message };
    }
    return undefined;
  }

  answer(result: ProduceResult): void {
    if (this.closed) return;
    const roomy = this.#stream.send(create(ProduceResponseSchema, { response: { case: 'result', value: result } }));
    this.#full ||= !roomy;
    if (!this.#full) return;
    this.#queuedAnswers++;
    this.#queuedResults += result.results.length;
    const few = this.#queuedAnswers <= STREAM_ANSWERS_QUEUED_MAX && this.#queuedResults <= STREAM_RESULTS_QUEUED_MAX;
    if (few) return;
    this.abort({
      kind: 'refused',
      code: 'POLICY_VIOLATION',
      message: `the producer does not read its answers: ${this.#queuedAnswers} of them are waiting`,
    });
  }

  drained(): void {
    this.#full = false;
    this.#queuedAnswers = 0;
    this.#queuedResults = 0;
  }

  abort(failure: TransportFailure): void {
    this.closed = true;
    this.#stream.abort(failure);
  }

  end(): void {
    this.closed = true;
    this.#stream.end();
  }
}

/** The conventions have this name for it. */
const OFFSET_ATTRIBUTE = 'messaging.kafka.offset';

/** A request whose batches are on their way; it is answered when the last of them is. */
class PendingRequest implements AppendWaiter {
  readonly sinceMs: number;
  readonly #id: bigint;
  readonly #bytes: number;
  readonly #producer: ProduceStream;
  readonly #answered: (self: PendingRequest) => void;
  readonly #results: PartitionResult[];
  /** Batches without a result, and one for the request itself while it is being taken. */
  #open: number;
  /** Only where it is recorded. */
  #span: Span | undefined;
  #isNamed = false;
  #failure: ErrorCode | undefined;

  constructor(
    request: ProduceRequest,
    bytes: number,
    producer: ProduceStream,
    sinceMs: number,
    answered: (self: PendingRequest) => void,
  ) {
    this.#id = request.id;
    this.#bytes = bytes;
    this.#producer = producer;
    this.sinceMs = sinceMs;
    this.#answered = answered;
    this.#results = Array.from<PartitionResult>({ length: request.batches.length });
    this.#open = request.batches.length + 1;
    producer.unansweredBytes += bytes;
  }

  /** One span for the request, whatever becomes of it; it ends with the answer. */
  trace(tracer: Tracer, request: ProduceRequest): void {
    const span = startSpan(tracer, 'append', { kind: SpanKind.SERVER, traceparent: request.traceparent });
    if (!span.isRecording()) return;
    this.#span = span;
    const { batches } = request;
    span.setAttributes({
      'messaging.system': 'weir',
      'messaging.operation.name': 'append',
      'messaging.message.envelope.size': this.#bytes,
      'messaging.batch.message_count': batches.reduce((sum, { records }) => sum + claimedRecordsOf(records), 0),
      ...(batches.length === 1 ? { 'messaging.destination.partition.id': String(batches[0]!.partition) } : {}),
    });
  }

  /** A batch found its partition: the span is named for the topic of the first that did. */
  reached(topic: string): void {
    if (this.#span === undefined || this.#isNamed) return;
    this.#isNamed = true;
    this.#span.updateName(`append ${topic}`).setAttribute('messaging.destination.name', topic);
  }

  appended(slot: number, baseOffset: Offset, logStartOffset: Offset): void {
    if (this.#span !== undefined && this.#results.length === 1) this.#span.setAttribute(OFFSET_ATTRIBUTE, baseOffset);
    this.#results[slot] = create(PartitionResultSchema, {
      baseOffset: BigInt(baseOffset),
      logStartOffset: BigInt(logStartOffset),
    });
    this.#close();
  }

  failed(slot: number, why: Refusal): void {
    this.#failure ??= why.code;
    this.#results[slot] = create(PartitionResultSchema, {
      errorCode: ERRORS[why.code].number,
      message: why.message,
      baseOffset: -1n,
      logStartOffset: -1n,
    });
    this.#close();
  }

  /** All its batches have been decided upon. */
  taken(): void {
    this.#close();
  }

  #close(): void {
    this.#open--;
    if (this.#open > 0) return;
    const producer = this.#producer;
    producer.unansweredBytes -= this.#bytes;
    producer.answer(create(ProduceResultSchema, { id: this.#id, results: this.#results }));
    if (this.#span !== undefined) endSpan(this.#span, this.#failure);
    this.#answered(this);
  }
}

/** What a batch says that it holds, before it is checked. */
function claimedRecordsOf(records: Uint8Array): number {
  return records.length < BATCH_HEADER_BYTES ? 0 : recordCountOf(asBuffer(records), 0);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
