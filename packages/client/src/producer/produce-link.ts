import { errorCodeOf } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { PRODUCE_REQUEST_BYTES } from '@weir/base/limits.ts';
import type { Connection, Stream, TransportFailure } from '@weir/base/transport.ts';
import { Acks } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ProduceResponse, ProduceResult } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ClientWorld } from '../world.ts';
import type { ProducerBatch } from './batch.ts';
import { IDLE } from './partition-queue.ts';
import type { PartitionQueue } from './partition-queue.ts';
import { PRODUCE } from './produce-frame.ts';
import type { FrameBatch, ProduceFrame } from './produce-frame.ts';

/** What a batch adds to a request beside its bytes, at most. */
const BATCH_OVERHEAD_BYTES = 64;

/** What a link tells the producer. The queue's state is the producer's to change. */
export interface LinkOwner {
  delivered(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number): void;
  /** `batch` is undefined for a queue that was still in line. */
  failed(queue: PartitionQueue, batch: ProducerBatch | undefined, why: Refusal): void;
  /** Nothing was left to send of a queue that was in line. */
  emptied(queue: PartitionQueue): void;
}

interface SentRequest {
  readonly queues: readonly PartitionQueue[];
  readonly batches: readonly ProducerBatch[];
  readonly bytes: number;
}

/**
 * The produce stream to one broker. Queues stand in line; batches of several partitions that are ready in the same
 * turn share a request.
 *
 * Invariant: what is sent and not answered stays within the broker's window, unless it is a single request.
 */
export class ProduceLink {
  readonly address: string;
  readonly #connection: Connection;
  readonly #clock: ClientWorld['clock'];
  readonly #owner: LinkOwner;
  #stream: Stream<ProduceFrame> | undefined;
  /** Unknown until the broker says; then nothing is sent yet. */
  #windowBytes: number | undefined;
  #writable = true;
  #nextId = 1;
  #line: PartitionQueue[] = [];
  #unanswered = new Map<number, SentRequest>();
  #unansweredBytes = 0;
  #pumping = false;

  constructor(address: string, connection: Connection, clock: ClientWorld['clock'], owner: LinkOwner) {
    this.address = address;
    this.#connection = connection;
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Puts a queue in line; its state says so. */
  enqueue(queue: PartitionQueue): void {
    queue.state = { kind: 'waiting', link: this };
    this.#line.push(queue);
    this.#pumpAtEndOfTurn();
  }

  /** Gives up the stream: what was sent and what stands in line fails, and may be tried again. */
  cut(why: Refusal): void {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.abort({ kind: 'broken', code: why.code, message: why.message });
    this.#fail(why);
  }

  #pumpAtEndOfTurn(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#clock.endOfTurn(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#line.length === 0) return;
    this.#stream ??= this.#open();
    while (this.#line.length > 0 && this.#hasRoom()) this.#sendNext();
  }

  #hasRoom(): boolean {
    if (!this.#writable || this.#windowBytes === undefined) return false;
    if (this.#unanswered.size === 0) return true;
    return this.#unansweredBytes + this.#line[0]!.headBytes + BATCH_OVERHEAD_BYTES <= this.#windowBytes;
  }

  /** Takes queues from the head of the line while they ask for the same acks and fit one request. */
  #sendNext(): void {
    const acks = this.#line[0]!.headAcks;
    const queues: PartitionQueue[] = [];
    const batches: ProducerBatch[] = [];
    const frames: FrameBatch[] = [];
    let traceparent = '';
    let bytes = 0;
    let taken = 0;
    const room = Math.min(PRODUCE_REQUEST_BYTES, this.#windowBytes! - this.#unansweredBytes);
    for (const queue of this.#line) {
      const adds = queue.headBytes + BATCH_OVERHEAD_BYTES;
      if (batches.length > 0 && (queue.headAcks !== acks || bytes + adds > room)) break;
      taken++;
      const batch = queue.take();
      if (batch === undefined) {
        queue.state = IDLE;
        this.#owner.emptied(queue);
        continue;
      }
      queue.state = { kind: 'inFlight', link: this, batch };
      queues.push(queue);
      batches.push(batch);
      const { topic } = queue;
      frames.push({
        topicId: topic.info.idBytes,
        partition: queue.index,
        leaderEpoch: topic.info.partitions[queue.index]?.leaderEpoch ?? -1,
        records: batch.close(),
      });
      traceparent ||= batch.traceparent;
      bytes += batch.bytes + BATCH_OVERHEAD_BYTES;
    }
    this.#line.splice(0, taken);
    if (batches.length === 0) return;
    const id = this.#nextId++;
    this.#unanswered.set(id, { queues, batches, bytes });
    this.#unansweredBytes += bytes;
    const wire = acks === 'leader' ? Acks.LEADER : Acks.ALL;
    this.#writable = this.#stream!.send({ id, acks: wire, traceparent, batches: frames });
  }

  #open(): Stream<ProduceFrame> {
    this.#windowBytes = undefined;
    this.#writable = true;
    const stream: Stream<ProduceFrame> = this.#connection.open(PRODUCE, {
      message: (response) => {
        if (this.#stream === stream) this.#receive(response);
      },
      drained: () => {
        if (this.#stream !== stream) return;
        this.#writable = true;
        this.#pump();
      },
      closed: (failure) => {
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        this.#fail(refusalFor(failure, this.address));
      },
    });
    return stream;
  }

  #receive({ response }: ProduceResponse): void {
    switch (response.case) {
      case 'window':
        this.#windowBytes = Number(response.value.bytes);
        return this.#pump();
      case 'result':
        return this.#answered(response.value);
      case undefined:
        return;
    }
  }

  #answered(result: ProduceResult): void {
    const id = Number(result.id);
    const sent = this.#unanswered.get(id);
    if (sent === undefined) return;
    this.#unanswered.delete(id);
    this.#unansweredBytes -= sent.bytes;
    for (let i = 0; i < sent.batches.length; i++) {
      const answer = result.results[i];
      if (answer?.errorCode === 0) {
        this.#owner.delivered(sent.queues[i]!, sent.batches[i]!, Number(answer.baseOffset));
      } else {
        const code = answer === undefined ? 'UNKNOWN_SERVER_ERROR' : errorCodeOf(answer.errorCode);
        const message = answer?.message ?? `the broker at ${this.address} answered fewer batches than were sent`;
        this.#owner.failed(sent.queues[i]!, sent.batches[i], { code, message });
      }
    }
    // In this turn further answers may come; what they free goes out together.
    this.#pumpAtEndOfTurn();
  }

  #fail(why: Refusal): void {
    const unanswered = [...this.#unanswered.values()];
    const line = this.#line;
    this.#unanswered.clear();
    this.#unansweredBytes = 0;
    this.#line = [];
    for (const { queues, batches } of unanswered) {
      for (let i = 0; i < batches.length; i++) this.#owner.failed(queues[i]!, batches[i], why);
    }
    for (const queue of line) this.#owner.failed(queue, undefined, why);
  }
}

function refusalFor(failure: TransportFailure | undefined, address: string): Refusal {
  if (failure === undefined) return { code: 'SHUTTING_DOWN', message: `the broker at ${address} ended the stream` };
  return { code: failure.code, message: `the broker at ${address}: ${failure.message}` };
}
