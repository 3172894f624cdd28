import { unreachable } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { COLD_READ_BYTES, FETCH_FRAME_BYTES, SUBSCRIPTION_CREDIT_BYTES_MAX } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { ColdRead } from '@weir/log/log-read.ts';
import type { BrokerMetrics } from '../metrics.ts';
import type { Partition } from '../partition/partition.ts';
import type { TailReader } from '../partition/partition-parts.ts';
import { batchFrames } from './batch-frames.ts';
import type { BeginRead, ColdGate } from './cold-gate.ts';

/** What a subscription tells the stream that it is on. */
export interface SubscriptionOwner {
  readonly metrics: BrokerMetrics;
  readonly coldGate: ColdGate;
  readonly slabs: Slabs;
  /** Its queue is over its mark: nothing is to be read for it now. */
  readonly full: boolean;
  /** It can go on: `step` is to be called, in its turn among the stream's other subscriptions. */
  ready(subscription: Subscription): void;
  /** Sends batches, and retains them until they are on the wire; none: the reader has reached the high watermark. */
  frame(subscription: Subscription, records: readonly Buffer[]): void;
  /** It is over, with the reason. */
  over(subscription: Subscription, why: Refusal): void;
}

type Phase =
  /** In the stream's queue. */
  | { readonly kind: 'queued' }
  /** Has no credit. */
  | { readonly kind: 'starved' }
  /** At the high watermark. */
  | { readonly kind: 'parked' }
  /** Waits for its turn at the disk, or for the disk. */
  | { readonly kind: 'cold'; readonly begin: BeginRead }
  | { readonly kind: 'closed' };

/**
 * One reader of one partition: sends while it has credit and there is something below the high watermark.
 *
 * Invariant: what was sent and not credited is at most the credit, and one batch.
 */
export class Subscription implements TailReader {
  memberIndex = -1;
  readonly id: bigint;
  readonly partition: Partition;
  readonly #owner: SubscriptionOwner;
  #next: Offset;
  /** Negative when the last batch was larger than what was left. */
  #credit: number;
  #phase: Phase = STARVED;
  /** Whether the reader knows that it has reached the end. */
  #toldEnd = false;

  constructor(
    parts: { readonly id: bigint; readonly partition: Partition; readonly from: Offset; readonly credit: number },
    owner: SubscriptionOwner,
  ) {
    this.id = parts.id;
    this.partition = parts.partition;
    this.#next = parts.from;
    this.#credit = Math.min(parts.credit, SUBSCRIPTION_CREDIT_BYTES_MAX);
    this.#owner = owner;
    parts.partition.readers.add(this);
    // Even without credit it learns whether its offset is in range.
    this.#enqueue();
  }

  /** Gives more credit, up to SUBSCRIPTION_CREDIT_BYTES_MAX in all. */
  credit(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, SUBSCRIPTION_CREDIT_BYTES_MAX);
    if (this.#phase.kind === 'starved' && this.#credit > 0) this.#enqueue();
  }

  wake(): void {
    if (this.#phase.kind === 'parked') this.#enqueue();
  }

  ended(why: Refusal): void {
    if (this.#phase.kind === 'closed') return;
    this.close();
    this.#owner.over(this, why);
  }

  /** Lets go of everything; nothing is sent for it any more. */
  close(): void {
    if (this.#phase.kind === 'cold') this.#owner.coldGate.cancel(this.#phase.begin);
    this.#phase = CLOSED;
    this.partition.readers.remove(this);
  }

  /** Sends at most one frame, and says how to go on. */
  step(): void {
    if (this.#phase.kind !== 'queued') return;
    const { partition } = this;
    const read = partition.read(this.#next, Math.max(1, Math.min(FETCH_FRAME_BYTES, this.#credit)));
    switch (read.kind) {
      case 'batches':
        if (this.#credit <= 0) {
          this.#phase = STARVED;
          return;
        }
        this.#owner.metrics.reads.cache++;
        this.#send(read.buffers, read.nextOffset);
        this.#enqueue();
        return;
      case 'cold':
        if (this.#credit <= 0) this.#phase = STARVED;
        // More than a frame: the next ones are then there without another trip to the disk.
        else this.#readCold({ ...read.plan, maxBytes: Math.min(COLD_READ_BYTES, this.#credit) });
        return;
      case 'atEnd':
        this.#phase = PARKED;
        partition.readers.park(this);
        if (this.#toldEnd) return;
        this.#toldEnd = true;
        this.#owner.frame(this, []);
        return;
      case 'outOfRange':
        this.ended(
          refusal(
            'OFFSET_OUT_OF_RANGE',
            `${partition.name} has the offsets ${partition.logStartOffset} to ${partition.highWatermark}, and no ${this.#next}`,
          ),
        );
        return;
      default:
        unreachable(read);
    }
  }

  #readCold(plan: ColdRead): void {
    const { coldGate, metrics } = this.#owner;
    const begin = (): boolean => {
      if (this.#owner.full) {
        // It has filled up while this waited for the disk: what is read now would only wait in memory.
        this.#enqueue();
        return false;
      }
      metrics.reads.disk++;
      this.partition.readCold(plan, (error, buffers) => {
        this.#readDone(error, buffers);
        for (const buffer of buffers) this.#owner.slabs.release(buffer);
        // After what was read is on the stream: whoever is next knows then whether that has filled up.
        coldGate.leave();
      });
      return true;
    };
    this.#phase = { kind: 'cold', begin };
    coldGate.enter(begin);
  }

  #readDone(error: Error | undefined, buffers: readonly Buffer[]): void {
    if (this.#phase.kind !== 'cold') return;
    if (error !== undefined) {
      this.ended(refusal('KAFKA_STORAGE_ERROR', `reading ${this.partition.name} failed: ${error.message}`));
      return;
    }
    // Sent even if the stream has filled up: reads under way are few.
    for (const buffer of buffers) {
      for (const { records, nextOffset } of batchFrames(buffer, FETCH_FRAME_BYTES)) this.#send([records], nextOffset);
    }
    this.#enqueue();
  }

  #send(buffers: readonly Buffer[], nextOffset: Offset): void {
    let bytes = 0;
    for (const buffer of buffers) bytes += buffer.length;
    this.#credit -= bytes;
    this.#next = nextOffset;
    this.#toldEnd = false;
    this.partition.topic.counters.bytesOut += bytes;
    this.#owner.frame(this, buffers);
  }

  #enqueue(): void {
    // What was just sent may have been one frame too many for the stream, which is over then.
    if (this.#phase.kind === 'closed') return;
    this.#phase = QUEUED;
    this.#owner.ready(this);
  }
}

const QUEUED: Phase = { kind: 'queued' };
const STARVED: Phase = { kind: 'starved' };
const PARKED: Phase = { kind: 'parked' };
const CLOSED: Phase = { kind: 'closed' };
