import type { Cancel } from '@weir/base/clock.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { ProducerBatch } from './batch.ts';
import type { ProduceLink } from './produce-link.ts';
import type { AcksWanted, ProducerRecord, SendCall } from './send-call.ts';
import type { TopicSender } from './topic-sender.ts';

/**
 * Where a partition's records stand. `idle`: there are none; `lingering`: they wait for company; `parked`: nobody is
 * known to lead; `waiting`: in line at the leader's link; `inFlight`: one batch is with the leader, others gather;
 * `backoff`: the last try failed.
 */
export type QueueState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'lingering' }
  | { readonly kind: 'parked' }
  | { readonly kind: 'waiting'; readonly link: ProduceLink }
  | { readonly kind: 'inFlight'; readonly link: ProduceLink; readonly batch: ProducerBatch }
  | { readonly kind: 'backoff'; readonly cancel: Cancel; readonly triedEpoch: number };

export const IDLE: QueueState = { kind: 'idle' };
export const LINGERING: QueueState = { kind: 'lingering' };
export const PARKED: QueueState = { kind: 'parked' };

/**
 * One partition's records in the order in which they were sent: closed batches, then the open one. At most one batch
 * is in flight, so that a retry never overtakes.
 */
export class PartitionQueue {
  readonly topic: TopicSender;
  readonly index: number;
  state: QueueState = IDLE;
  /** Failed tries in a row, and why the last one failed. */
  failures = 0;
  lastRefusal: Refusal | undefined;
  #closed: ProducerBatch[] = [];
  #open: ProducerBatch | undefined;

  constructor(topic: TopicSender, index: number) {
    this.topic = topic;
    this.index = index;
  }

  get empty(): boolean {
    return this.#open === undefined && this.#closed.length === 0;
  }

  /** Whether a batch is full, so that waiting for company is over. */
  get full(): boolean {
    return this.#closed.length > 0;
  }

  /** Bytes of the batch that `take` would give. */
  get headBytes(): number {
    return this.#closed[0]?.bytes ?? this.#open?.bytes ?? 0;
  }

  /** Of the batch that `take` would give. */
  get headAcks(): AcksWanted {
    return this.#closed[0]?.acks ?? this.#open?.acks ?? 'all';
  }

  /** Adds a record that takes `bytes` in a batch of its own, where that is no more than the topic allows. */
  append(
    record: ProducerRecord,
    call: SendCall,
    index: number,
    bytes: number,
    now: { monoMs: number; wallMs: number },
  ): void {
    let open = this.#open;
    if (open !== undefined && (open.acks !== call.acks || !open.append(record, call, index, now.wallMs))) {
      this.#closeOpen();
      open = undefined;
    } else if (open !== undefined) {
      open.heldBytes += bytes;
      return;
    }
    const { batchBytes, maxBytes } = this.topic;
    open = new ProducerBatch({ maxBytes: Math.max(bytes, batchBytes), acks: call.acks, createdMs: now.monoMs });
    open.append(record, call, index, now.wallMs);
    open.heldBytes = bytes;
    this.#open = open;
    if (bytes >= Math.min(batchBytes, maxBytes)) this.#closeOpen();
  }

  /** The next batch to send, closed. */
  take(): ProducerBatch | undefined {
    if (this.#closed.length === 0) this.#closeOpen();
    return this.#closed.shift();
  }

  /** Puts a batch that failed back to the head. */
  putBack(batch: ProducerBatch): void {
    this.#closed.unshift(batch);
  }

  /** Takes out what was created up to a moment, oldest first. */
  takeCreatedBefore(monoMs: number): ProducerBatch[] {
    if (this.#open !== undefined && this.#open.createdMs <= monoMs) this.#closeOpen();
    const fresh = this.#closed.findIndex((batch) => batch.createdMs > monoMs);
    return this.#closed.splice(0, fresh === -1 ? this.#closed.length : fresh);
  }

  #closeOpen(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    open.close();
    this.#closed.push(open);
    this.topic.batchClosed(this.index);
  }
}
