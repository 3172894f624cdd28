import { unreachable } from '@weir/base/assert.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { COLD_READ_BYTES, REPLICATION_FRAME_BYTES } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { ColdRead } from '@weir/log/log-read.ts';
import type { FollowerReader, Leadership } from '../partition/leadership.ts';
import type { Partition } from '../partition/partition.ts';
import { batchFrames } from '../rpc/batch-frames.ts';
import type { BeginRead, ColdGate } from '../rpc/cold-gate.ts';

/** The stream that a subscription is on. */
export interface FollowerSubscriptionOwner {
  readonly coldGate: ColdGate;
  readonly slabs: Slabs;
  /** It has something to send: `step` is called when it is its turn. */
  ready(subscription: FollowerSubscription): void;
  /** It has nothing to send but a watermark or a start. */
  marksDue(subscription: FollowerSubscription): void;
  /** So much is going to be sent, or negative: is not going to be sent after all. */
  reserved(bytes: number): void;
  /** @param producers - with its first frame, what was remembered of producers whose batches it cannot get */
  frame(subscription: FollowerSubscription, records: readonly Buffer[], producers: Buffer | undefined): void;
  over(subscription: FollowerSubscription, why: Refusal): void;
}

type Phase =
  | { readonly kind: 'queued' }
  | { readonly kind: 'parked' }
  | { readonly kind: 'cold'; readonly begin: BeginRead }
  | { readonly kind: 'closed' };

const QUEUED: Phase = { kind: 'queued' };
const PARKED: Phase = { kind: 'parked' };
const CLOSED: Phase = { kind: 'closed' };

/** The leader's side of one partition that is followed: what is sent next. */
export class FollowerSubscription implements FollowerReader {
  readonly id: bigint;
  readonly partition: Partition;
  readonly leadership: Leadership;
  readonly #owner: FollowerSubscriptionOwner;
  #next: Offset;
  #phase: Phase = QUEUED;
  #producers: Buffer | undefined;
  /** The high watermark that the follower was told last; -1: it was told nothing yet. */
  #toldWatermark = -1;
  /** The log's start that it was told last. */
  #toldStart = -1;

  constructor(
    {
      id,
      partition,
      leadership,
      from,
      producers,
    }: {
      readonly id: bigint;
      readonly partition: Partition;
      readonly leadership: Leadership;
      readonly from: Offset;
      readonly producers: Buffer | undefined;
    },
    owner: FollowerSubscriptionOwner,
  ) {
    this.id = id;
    this.partition = partition;
    this.leadership = leadership;
    this.#next = from;
    this.#producers = producers;
    this.#owner = owner;
    leadership.addFollower(this);
    owner.ready(this);
  }

  wake(): void {
    if (this.#phase.kind === 'parked') this.#enqueue();
  }

  marksMoved(): void {
    if (this.#phase.kind === 'parked') this.#owner.marksDue(this);
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
    this.leadership.removeFollower(this);
  }

  /** Tells the watermark and the start by themselves, unless data has told them meanwhile. */
  tellMarks(): void {
    if (this.#phase.kind === 'parked' && this.#hasNews) this.#send([]);
  }

  /** Sends at most one frame of about so many bytes, and says how to go on. */
  step(maxBytes: number): void {
    if (this.#phase.kind !== 'queued') return;
    const read = this.leadership.read(this.#next, Math.min(REPLICATION_FRAME_BYTES, maxBytes));
    switch (read.kind) {
      case 'batches':
        this.#next = read.nextOffset;
        this.#owner.reserved(bytesOf(read.buffers));
        this.#send(read.buffers);
        this.#enqueue();
        return;
      case 'cold':
        this.#readCold({ ...read.plan, maxBytes: Math.min(COLD_READ_BYTES, maxBytes) });
        return;
      case 'atEnd':
        this.#phase = PARKED;
        this.leadership.park(this, this.#next);
        if (this.#toldWatermark === -1) this.#send([]);
        else if (this.#hasNews) this.#owner.marksDue(this);
        return;
      case 'outOfRange':
        this.ended(
          refusal('OFFSET_OUT_OF_RANGE', `${this.partition.name} begins at ${this.partition.logStartOffset} by now`),
        );
        return;
      default:
        unreachable(read);
    }
  }

  #readCold(plan: ColdRead): void {
    const { coldGate, slabs } = this.#owner;
    this.#owner.reserved(plan.maxBytes);
    const begin = (): boolean => {
      this.partition.readCold(plan, (error, buffers) => {
        this.#owner.reserved(bytesOf(buffers) - plan.maxBytes);
        this.#readDone(error, buffers);
        for (const buffer of buffers) slabs.release(buffer);
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
    for (const buffer of buffers) {
      for (const { records, nextOffset } of batchFrames(buffer, REPLICATION_FRAME_BYTES)) {
        this.#next = nextOffset;
        this.#send([records]);
      }
    }
    this.#enqueue();
  }

  get #hasNews(): boolean {
    const { highWatermark, logStartOffset } = this.partition;
    return this.#toldWatermark < highWatermark || this.#toldStart < logStartOffset;
  }

  #send(records: readonly Buffer[]): void {
    this.#toldWatermark = this.partition.highWatermark;
    this.#toldStart = this.partition.logStartOffset;
    const producers = this.#producers;
    this.#producers = undefined;
    this.#owner.frame(this, records, producers);
  }

  #enqueue(): void {
    // What was just sent may have ended the stream.
    if (this.#phase.kind === 'closed') return;
    this.#phase = QUEUED;
    this.#owner.ready(this);
  }
}

function bytesOf(buffers: readonly Buffer[]): number {
  let bytes = 0;
  for (const buffer of buffers) bytes += buffer.length;
  return bytes;
}
