import { ERRORS, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import { FETCH_FRAMES_PER_TURN_MAX, STREAM_ANSWERS_QUEUED_MAX, SUBSCRIPTIONS_MAX } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { onBulkStream } from '@weir/base/transport.ts';
import type { Handler, Stream, StreamHandlers } from '@weir/base/transport.ts';
import { BrokerService } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { FetchRequest, Subscribe } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod, withCodec } from '@weir/runtime/protobuf.ts';
import type { BrokerMetrics } from '../metrics.ts';
import { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { Turn } from '../partition/turn.ts';
import type { ColdGate } from './cold-gate.ts';
import { fetchFrameCodec } from './fetch-frame.ts';
import type { FetchFrame } from './fetch-frame.ts';
import { Subscription } from './subscription.ts';
import type { SubscriptionOwner } from './subscription.ts';

/** What fetching needs. */
export interface FetchParts {
  readonly partitions: Partitions;
  readonly turn: Turn;
  readonly metrics: BrokerMetrics;
  /** Where the log keeps batches in memory. */
  readonly slabs: Slabs;
  readonly coldGate: ColdGate;
}

/** Serves readers. */
export class Fetch {
  readonly handler: Handler;
  readonly #parts: FetchParts;
  readonly #streams = new Set<FetchStream>();
  #stopping = false;

  constructor(parts: FetchParts) {
    this.#parts = parts;
    const method = withCodec(protobufMethod(BrokerService.method.fetch), { response: fetchFrameCodec });
    this.handler = onBulkStream<FetchRequest, FetchFrame>(method, parts.slabs, (stream) => this.#accept(stream));
  }

  /** Over all streams. */
  get subscriptions(): number {
    let count = 0;
    for (const stream of this.#streams) count += stream.size;
    return count;
  }

  /** Ends all subscriptions with the reason, and all streams. */
  stop(why: Refusal): void {
    this.#stopping = true;
    for (const stream of this.#streams) stream.stop(why);
    this.#streams.clear();
  }

  #accept(stream: Stream<FetchFrame>): StreamHandlers<FetchRequest> {
    const reader = new FetchStream(stream, this.#parts);
    if (this.#stopping) reader.stop(refusal('SHUTTING_DOWN', 'this broker is shutting down'));
    else this.#streams.add(reader);
    return {
      message: (request) => reader.take(request),
      drained: () => reader.drained(),
      closed: () => {
        this.#streams.delete(reader);
        reader.close();
      },
    };
  }
}

/** One reader's stream. Its subscriptions send in turns, one frame each, while the stream has room. */
class FetchStream implements SubscriptionOwner {
  readonly metrics: BrokerMetrics;
  readonly coldGate: ColdGate;
  readonly slabs: Slabs;
  readonly #stream: Stream<FetchFrame>;
  readonly #partitions: Partitions;
  readonly #turn: Turn;
  readonly #subscriptions = new Map<bigint, Subscription>();
  readonly #ready = new Set<Subscription>();
  #full = false;
  /** Frames that were queued since the stream said that its queue is full. */
  #queuedFrames = 0;
  #open = true;
  readonly #pump = (): void => this.#send();

  constructor(stream: Stream<FetchFrame>, parts: FetchParts) {
    this.#stream = stream;
    this.#partitions = parts.partitions;
    this.#turn = parts.turn;
    this.metrics = parts.metrics;
    this.slabs = parts.slabs;
    this.coldGate = parts.coldGate;
  }

  get size(): number {
    return this.#subscriptions.size;
  }

  get full(): boolean {
    return this.#full;
  }

  take({ request }: FetchRequest): void {
    if (!this.#open) return;
    switch (request.case) {
      case 'subscribe':
        this.#subscribe(request.value);
        return;
      case 'credit':
        // For one that is over: it crossed the frame that said so.
        this.#subscriptions.get(request.value.subscription)?.credit(Number(request.value.bytes));
        return;
      case 'unsubscribe':
        this.#remove(request.value.subscription);
        return;
      case undefined:
        this.#abort('a fetch request subscribes, gives credit or unsubscribes; this one does nothing that is known');
        return;
    }
  }

  drained(): void {
    this.#full = false;
    this.#queuedFrames = 0;
    if (this.#ready.size > 0) this.#turn.send(this.#pump);
  }

  ready(subscription: Subscription): void {
    this.#ready.add(subscription);
    if (!this.#full) this.#turn.send(this.#pump);
  }

  frame(subscription: Subscription, records: readonly Buffer[]): void {
    this.#write(subscription, { errorCode: 0, message: '', records });
  }

  over(subscription: Subscription, why: Refusal): void {
    this.#subscriptions.delete(subscription.id);
    this.#ready.delete(subscription);
    this.metrics.fetchRefusals.labels(why.code).inc();
    this.#write(subscription, { errorCode: ERRORS[why.code].number, message: why.message, records: [] });
  }

  /** Ends its subscriptions with the reason, and then itself. */
  stop(why: Refusal): void {
    for (const subscription of this.#subscriptions.values()) subscription.ended(why);
    this.#open = false;
    this.#stream.end();
  }

  close(): void {
    this.#open = false;
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
    this.#ready.clear();
  }

  #subscribe(wanted: Subscribe): void {
    const id = wanted.subscription;
    if (this.#subscriptions.has(id)) {
      this.#abort(`subscription ${id} is there already: a number is used once on a stream`);
      return;
    }
    if (this.#subscriptions.size >= SUBSCRIPTIONS_MAX) {
      this.#refuse(id, refusal('POLICY_VIOLATION', `a stream has at most ${SUBSCRIPTIONS_MAX} subscriptions`));
      return;
    }
    const partition = this.#partitions.serving(wanted.topicId, wanted.partition, wanted.leaderEpoch);
    if (!(partition instanceof Partition)) {
      this.#refuse(id, partition);
      return;
    }
    const from = Number(wanted.offset);
    if (!Number.isSafeInteger(from) || from < 0) {
      this.#refuse(
        id,
        refusal('OFFSET_OUT_OF_RANGE', `offsets begin at 0 and are below 2^53; ${wanted.offset} is neither`),
      );
      return;
    }
    const parts = { id, partition, from: offset(from), credit: Number(wanted.creditBytes) };
    this.#subscriptions.set(id, new Subscription(parts, this));
  }

  #remove(id: bigint): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    subscription.close();
    this.#subscriptions.delete(id);
    this.#ready.delete(subscription);
  }

  #refuse(subscription: bigint, why: Refusal): void {
    this.metrics.fetchRefusals.labels(why.code).inc();
    const errorCode = ERRORS[why.code].number;
    const { message } = why;
    this.#queue({ subscription, errorCode, message, highWatermark: 0, logStartOffset: 0, records: [] });
  }

  #write({ id, partition }: Subscription, frame: Pick<FetchFrame, 'errorCode' | 'message' | 'records'>): void {
    const { highWatermark, logStartOffset } = partition;
    this.#queue({ subscription: id, highWatermark, logStartOffset, ...frame });
  }

  #queue(frame: FetchFrame): void {
    const roomy = this.#stream.send(frame);
    this.#full ||= !roomy;
    if (!this.#full) return;
    this.#queuedFrames++;
    if (this.#queuedFrames <= STREAM_ANSWERS_QUEUED_MAX) return;
    this.#abort(`the reader does not read: ${this.#queuedFrames} frames are waiting`);
  }

  #abort(message: string): void {
    if (!this.#open) return;
    this.close();
    this.#stream.abort({ kind: 'refused', code: 'INVALID_REQUEST', message });
  }

  /** A frame for each in turn. One that goes on is at the end of the queue again. */
  #send(): void {
    let frames = 0;
    for (const subscription of this.#ready) {
      if (this.#full || !this.#open) return;
      if (frames >= FETCH_FRAMES_PER_TURN_MAX) {
        this.#turn.send(this.#pump);
        return;
      }
      this.#ready.delete(subscription);
      subscription.step();
      frames++;
    }
  }
}
