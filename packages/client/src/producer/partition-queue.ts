import { assert } from '@weir/base/assert.ts';
import type { Cancel } from '@weir/base/clock.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { PRODUCER_BATCHES_KEPT } from '@weir/base/limits.ts';
import { ProducerBatch } from './batch.ts';
import type { ProduceLink } from './produce-link.ts';
import type { AcksWanted, ProducerRecord, SendCall } from './send-call.ts';
import type { TopicSender } from './topic-sender.ts';

/**
 * Where a partition's records stand. `idle`: there are none; `lingering`: they wait for company; `parked`: nobody is
 * known to lead, or there is no producer id yet; `sending`: in line at the leader's link, or on their way through it, while
 * others gather; `backoff`: the last try failed.
 */
export type QueueState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'lingering' }
  | { readonly kind: 'parked' }
  | { readonly kind: 'sending'; readonly link: ProduceLink }
  | { readonly kind: 'backoff'; readonly cancel: Cancel };

export const IDLE: QueueState = { kind: 'idle' };
export const LINGERING: QueueState = { kind: 'lingering' };
export const PARKED: QueueState = { kind: 'parked' };

/** One try to send a batch. */
export interface Flight {
  readonly queue: PartitionQueue;
  readonly batch: ProducerBatch;
}

/** What became of the tries between two moments in which none was in flight, at least one of which failed. */
export interface Round {
  /** Of the first. */
  readonly why: Refusal;
  /** Batches that are given up: nothing will tell any more whether they are in the log. */
  readonly lost: readonly ProducerBatch[];
}

/** Refusals that say for certain that this try has appended nothing. Any other may come of a batch that is in the log. */
const NOT_APPENDED: ReadonlySet<ErrorCode> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'NOT_ENOUGH_REPLICAS',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'THROTTLING_QUOTA_EXCEEDED',
  'UNKNOWN_LEADER_EPOCH',
]);

/** An epoch is an int16, a sequence number an int32. */
const EPOCH_MAX = 0x7fff;
const SEQUENCE_MAX = 0x7fff_ffff;

/** The sequence number behind so many records. They go on from 0 behind the largest. */
export function sequenceBehind(sequence: number, records: number): number {
  return (sequence + records) & SEQUENCE_MAX;
}

/**
 * One partition's records in the order in which they were sent: batches that were sent and have no outcome, closed ones, the
 * open one. With acks=all they are appended once and in order, whatever is sent again (KIP-98): each has the place among its
 * producer's batches that it got when it was first sent, and keeps it. The epoch of the producer id is the partition's own,
 * and goes up by itself (KIP-360): what is still under way in an earlier one is refused once the next has begun.
 *
 * Invariants: from the first that has no outcome on, no more than PRODUCER_BATCHES_KEPT are sent, as the log knows no more of
 * them again; a batch is tried again only once all that were sent behind it have been answered, and then all are, from the
 * first on; one with acks=leader, which has no place, goes alone.
 */
export class PartitionQueue {
  readonly topic: TopicSender;
  readonly index: number;
  state: QueueState = IDLE;
  /** The link that it stands in line at. */
  line: ProduceLink | undefined;
  /** The leader epoch that was known at the last try. */
  triedEpoch = -1;
  /** Failed tries in a row, and why the last one failed. */
  failures = 0;
  lastRefusal: Refusal | undefined;
  #open: ProducerBatch | undefined;
  #closed: ProducerBatch[] = [];
  /** Sent, without an outcome. */
  #unanswered: ProducerBatch[] = [];
  /** Of `#unanswered`, those that have gone out since the last failure. */
  #sent = 0;
  #inFlight = 0;
  /** Why the first try failed since then; no more goes out before all that did is answered. */
  #failure: Refusal | undefined;
  /** The log has been seen to know the producer, so that it refuses what overtakes: more than one may be on its way. */
  #isKnown = false;
  #producer: { readonly id: number; readonly epoch: number } | undefined;
  #spentId: number | undefined;
  /** Of the next record. */
  #sequence = 0;
  /** Batches that got a place so far. */
  #sealed = 0;
  /** A batch that has a place was given up: in this epoch nothing new can follow it. */
  #hasGap = false;

  constructor(topic: TopicSender, index: number) {
    this.topic = topic;
    this.index = index;
  }

  get empty(): boolean {
    return this.#open === undefined && this.#closed.length === 0 && this.#unanswered.length === 0;
  }

  /** Whether a batch is full, so that waiting for company is over. */
  get full(): boolean {
    return this.#closed.length > 0;
  }

  /** Tries that are on their way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether the next batch needs a producer id, which there is none of. */
  get needsProducer(): boolean {
    return this.#producer === undefined && this.#unanswered.length === 0 && this.headAcks === 'all';
  }

  /** The producer id that was used up here last, and is not to be used again. */
  get spentId(): number | undefined {
    return this.#spentId;
  }

  /** Why the last try failed, for a message; empty when it did not. */
  get lastTry(): string {
    return this.failures > 0 && this.lastRefusal !== undefined ? `; last: ${this.lastRefusal.message}` : '';
  }

  /** Whether a batch may go to the leader now. */
  get sendable(): boolean {
    if (this.#failure !== undefined) return false;
    if (this.#sent < this.#unanswered.length) return this.#inFlight === 0 || this.#isKnown;
    if (this.#unanswered.length === 0) return !this.empty && !this.needsProducer;
    // While others are on their way, what is not full waits for company.
    const next = this.#closed[0];
    if (next === undefined || next.acks !== 'all' || !this.#isKnown || this.#hasGap) return false;
    return this.#sealed - this.#unanswered[0]!.number < PRODUCER_BATCHES_KEPT;
  }

  /** Bytes of the batch that `take` would give. */
  get headBytes(): number {
    return this.#head?.bytes ?? 0;
  }

  /** Of the batch that `take` would give. */
  get headAcks(): AcksWanted {
    return this.#head?.acks ?? 'all';
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

  /** Has a producer id from now on, which no other producer has. */
  identify(id: number): void {
    assert(this.needsProducer, 'a producer id stays until it is spent');
    this.#producer = { id, epoch: 0 };
    this.#sequence = 0;
  }

  /** The next batch to send, sealed, as a try that is on its way. Only while it is `sendable`. */
  take(): Flight {
    assert(this.sendable, 'a batch is taken when it may go');
    const batch = this.#unanswered[this.#sent] ?? this.#sealNext();
    this.#sent++;
    this.#inFlight++;
    batch.flight = { queue: this, batch };
    return batch.flight;
  }

  /** A try is answered: its batch is in the log. */
  delivered({ batch }: Flight): void {
    this.failures = 0;
    this.#isKnown = batch.acks === 'all' && this.#failure === undefined;
    this.#remove(batch);
    this.#closeGap();
  }

  /**
   * A try failed. Once nothing is in flight any more, `endRound` is called.
   *
   * @param isAnswered - whether the leader has said so; else it may have appended the batch
   */
  failed({ batch }: Flight, why: Refusal, isAnswered: boolean): void {
    this.#land(batch);
    if (isAnswered) batch.refusedWith = why.code;
    if (!isAnswered || !NOT_APPENDED.has(why.code)) batch.mayBeThere = true;
    this.#failure ??= why;
  }

  /** Gives up a batch that has been sent. */
  giveUp(batch: ProducerBatch): void {
    this.#remove(batch);
    this.#hasGap ||= batch.acks === 'all';
    this.#closeGap();
  }

  /** Takes back what is in flight, to be sent to another leader: with its place it is appended once all the same. */
  recall(): boolean {
    if (this.#unanswered[0]?.acks !== 'all') return false;
    for (const batch of this.#unanswered) {
      if (batch.flight === undefined) continue;
      this.#land(batch);
      batch.mayBeThere = true;
    }
    this.#startOver();
    return true;
  }

  /**
   * Ends a round in which a try failed, with nothing in flight any more; undefined: none did. All that has no outcome is
   * sent again from its first on.
   *
   * Where the first one is out of order, nothing before it can come any more: the log has lost what it had acknowledged, or
   * a batch before this one was given up. Where the id is another producer's, none of its batches can come. Then those that
   * are certain not to be in the log have new places, and the others are given up as `lost`.
   */
  endRound(): Round | undefined {
    const why = this.#failure;
    if (why === undefined) return undefined;
    assert(this.#inFlight === 0, 'a round ends when all of it is answered');
    const isTaken = this.#unanswered.some(({ refusedWith }) => refusedWith === 'INVALID_PRODUCER_EPOCH');
    const isOutOfOrder = this.#unanswered[0]?.refusedWith === 'OUT_OF_ORDER_SEQUENCE_NUMBER';
    this.#startOver();
    if (!isTaken && !isOutOfOrder) return { why, lost: [] };
    const lost = this.#unanswered.filter(({ mayBeThere }) => mayBeThere);
    this.#closed.unshift(...this.#unanswered.filter(({ mayBeThere }) => !mayBeThere));
    this.#unanswered = [];
    if (isTaken) this.#spendProducer();
    else this.#beginEpoch();
    return { why, lost };
  }

  /** Nothing is left: what the log knew of the producer may be gone when it has more. */
  rest(): void {
    this.#isKnown = false;
  }

  /** Takes out what was created up to a moment, oldest first, sent or not. */
  takeCreatedBefore(monoMs: number): ProducerBatch[] {
    const expired = this.#unanswered.filter(({ createdMs }) => createdMs <= monoMs);
    for (const batch of expired) this.giveUp(batch);
    if (this.#open !== undefined && this.#open.createdMs <= monoMs) this.#closeOpen();
    const fresh = this.#closed.findIndex((batch) => batch.createdMs > monoMs);
    expired.push(...this.#closed.splice(0, fresh === -1 ? this.#closed.length : fresh));
    return expired;
  }

  get #head(): ProducerBatch | undefined {
    return this.#unanswered[this.#sent] ?? this.#closed[0] ?? this.#open;
  }

  /** Gives the next batch its place. */
  #sealNext(): ProducerBatch {
    if (this.#closed.length === 0) this.#closeOpen();
    const batch = this.#closed.shift()!;
    if (batch.acks === 'all') {
      batch.seal({ ...this.#producer!, baseSequence: this.#sequence });
      this.#sequence = sequenceBehind(this.#sequence, batch.count);
    } else {
      batch.seal();
      this.#isKnown = false;
    }
    batch.number = this.#sealed++;
    this.#unanswered.push(batch);
    return batch;
  }

  /** Its try is over. */
  #land(batch: ProducerBatch): void {
    if (batch.flight === undefined) return;
    batch.flight = undefined;
    this.#inFlight--;
  }

  #remove(batch: ProducerBatch): void {
    this.#land(batch);
    const at = this.#unanswered.indexOf(batch);
    assert(at !== -1, 'a batch has one outcome');
    this.#unanswered.splice(at, 1);
    if (at < this.#sent) this.#sent--;
  }

  #startOver(): void {
    for (const batch of this.#unanswered) batch.refusedWith = undefined;
    this.#sent = 0;
    this.#failure = undefined;
    this.#isKnown = false;
  }

  /** Behind a gap goes the next epoch, once there is nothing left of this one that may yet be appended. */
  #closeGap(): void {
    if (this.#hasGap && this.#unanswered.length === 0) this.#beginEpoch();
  }

  #beginEpoch(): void {
    this.#hasGap = false;
    this.#isKnown = false;
    this.#sequence = 0;
    const { id, epoch } = this.#producer!;
    if (epoch === EPOCH_MAX) this.#spendProducer();
    else this.#producer = { id, epoch: epoch + 1 };
  }

  #spendProducer(): void {
    this.#spentId = this.#producer!.id;
    this.#producer = undefined;
    this.#hasGap = false;
  }

  #closeOpen(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    this.#closed.push(open);
    this.topic.batchClosed(this.index);
  }
}
