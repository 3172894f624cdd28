import { assert } from '@weir/base/assert.ts';
import { errorCodeOf } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { PRODUCE_REQUEST_BYTES } from '@weir/base/limits.ts';
import type { Connection, Stream, TransportFailure } from '@weir/base/transport.ts';
import { Acks } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ProduceResponse, ProduceResult } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ClientWorld } from '../world.ts';
import type { Flight, PartitionQueue, QueueState } from './partition-queue.ts';
import { PRODUCE } from './produce-frame.ts';
import type { FrameBatch, ProduceFrame } from './produce-frame.ts';
import type { AcksWanted } from './send-call.ts';

/** What a batch adds to a request beside its bytes, at most. */
const BATCH_OVERHEAD_BYTES = 64;

/** What a link tells the producer. The queue's state is the producer's to change. */
export interface LinkOwner {
  delivered(flight: Flight, baseOffset: number): void;
  /** @param isAnswered - whether the broker has said so; else the batch may be in its log */
  failed(flight: Flight, why: Refusal, isAnswered: boolean): void;
  /** A queue that stood in line does not any more: the stream is over. */
  dismissed(queue: PartitionQueue, why: Refusal): void;
  /** Nothing was left to send of a queue that was in line. */
  emptied(queue: PartitionQueue): void;
}

interface SentRequest {
  readonly flights: readonly Flight[];
  readonly bytes: number;
}

/**
 * The produce stream to one broker. Queues stand in line; batches that are ready in the same turn, of several partitions or
 * of one, share a request.
 *
 * Invariant: what is sent and not answered stays within the broker's window, unless it is a single request.
 */
export class ProduceLink {
  readonly address: string;
  readonly #connection: Connection;
  readonly #clock: ClientWorld['clock'];
  readonly #owner: LinkOwner;
  /** Of every queue that sends through it. */
  readonly #sending: QueueState = { kind: 'sending', link: this };
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

  /** Puts a queue in line, where it may be already; its state says so. */
  enqueue(queue: PartitionQueue): void {
    assert(queue.sendable, 'a queue stands in line with something to send');
    queue.state = this.#sending;
    if (queue.line === this) return;
    queue.line?.leave(queue);
    queue.line = this;
    this.#line.push(queue);
    this.#pumpAtEndOfTurn();
  }

  /** Takes a queue out of the line. */
  leave(queue: PartitionQueue): void {
    queue.line = undefined;
    const at = this.#line.indexOf(queue);
    if (at !== -1) this.#line.splice(at, 1);
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

  /** Takes batches from the head of the line while they ask for the same acks and fit one request. */
  #sendNext(): void {
    let acks: AcksWanted = 'all';
    const flights: Flight[] = [];
    const frames: FrameBatch[] = [];
    let traceparent = '';
    let bytes = 0;
    let taken = 0;
    const room = Math.min(PRODUCE_REQUEST_BYTES, this.#windowBytes! - this.#unansweredBytes);
    // It grows meanwhile: who has more to send stands at its end again.
    for (const queue of this.#line) {
      const isOurs = queue.state === this.#sending && queue.sendable;
      const adds = queue.headBytes + BATCH_OVERHEAD_BYTES;
      if (isOurs && flights.length > 0 && (queue.headAcks !== acks || bytes + adds > room)) break;
      taken++;
      queue.line = undefined;
      if (!isOurs) {
        this.#owner.emptied(queue);
        continue;
      }
      const flight = queue.take();
      const { batch } = flight;
      acks = batch.acks;
      flights.push(flight);
      const { topic } = queue;
      queue.triedEpoch = topic.info.partitions[queue.index]?.leaderEpoch ?? -1;
      frames.push({
        topicId: topic.info.idBytes,
        partition: queue.index,
        leaderEpoch: queue.triedEpoch,
        records: batch.sealed,
      });
      traceparent ||= batch.traceparent;
      bytes += adds;
      if (!queue.sendable) continue;
      queue.line = this;
      this.#line.push(queue);
    }
    this.#line.splice(0, taken);
    if (flights.length === 0) return;
    const id = this.#nextId++;
    this.#unanswered.set(id, { flights, bytes });
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
    for (const [i, flight] of sent.flights.entries()) {
      const answer = result.results[i];
      if (answer === undefined) {
        const message = `the broker at ${this.address} answered fewer batches than were sent`;
        this.#owner.failed(flight, { code: 'UNKNOWN_SERVER_ERROR', message }, false);
      } else if (answer.errorCode === 0) {
        this.#owner.delivered(flight, Number(answer.baseOffset));
      } else {
        this.#owner.failed(flight, { code: errorCodeOf(answer.errorCode), message: answer.message }, true);
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
    for (const queue of line) queue.line = undefined;
    for (const { flights } of unanswered) for (const flight of flights) this.#owner.failed(flight, why, false);
    for (const queue of line) this.#owner.dismissed(queue, why);
  }
}

function refusalFor(failure: TransportFailure | undefined, address: string): Refusal {
  if (failure === undefined) return { code: 'SHUTTING_DOWN', message: `the broker at ${address} ended the stream` };
  return { code: failure.code, message: `the broker at ${address}: ${failure.message}` };
}
