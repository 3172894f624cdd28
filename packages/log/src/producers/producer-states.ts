import { PRODUCER_BATCHES_KEPT, PRODUCERS_PER_LOG_MAX } from '@weir/base/limits.ts';
import { WeirError } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import {
  baseOffsetOf,
  baseSequenceOf,
  hasProducerId,
  lastOffsetDeltaOf,
  lastOffsetOf,
  maxTimestampOf,
  producerEpochOf,
  producerIdOf,
} from '@weir/records/batch-header.ts';

/** `seenMs` of a producer whose last batch came after the last look at the clock. */
export const JUST_SEEN = -1;

/** A batch of an idempotent producer that is in the log. */
export interface ProducerBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  /** Its largest; -1 for none. */
  readonly timestampMs: number;
}

/** What a log knows of an idempotent producer: Kafka's `ProducerStateEntry`. A batch makes a new one. */
export interface ProducerState {
  readonly epoch: number;
  /**
   * The last ones of this epoch, oldest first: at least one, at most PRODUCER_BATCHES_KEPT. A producer has no more of
   * them unanswered, so it repeats none that is older.
   */
  readonly batches: readonly ProducerBatch[];
  /**
   * Wall clock of the first look behind its last batch, or JUST_SEEN. Not the batch's timestamp, by which Kafka goes: who
   * copies old records would be forgotten between two batches.
   */
  seenMs: number;
}

/** A state with its producer. */
export type ProducerEntry = readonly [producerId: number, state: ProducerState];

/** The id of the idempotent producer that wrote a batch; undefined: none did, or it has an id that nobody gives out. */
export function idempotentIdOf(buffer: Buffer, at: number): number | undefined {
  if (!hasProducerId(buffer, at)) return undefined;
  try {
    return producerIdOf(buffer, at);
  } catch (error) {
    if (error instanceof WeirError) return undefined;
    throw error;
  }
}

/** The sequence number of a batch's last record. They go on from 0 behind 2^31 - 1. */
export function lastSequenceOf(buffer: Buffer, at: number): number {
  const last = baseSequenceOf(buffer, at) + lastOffsetDeltaOf(buffer, at);
  return last > SEQUENCE_MAX ? last - SEQUENCE_MAX - 1 : last;
}

const SEQUENCE_MAX = 0x7fff_ffff;

/** The sequence number behind another one. */
export function nextSequence(sequence: number): number {
  return sequence === SEQUENCE_MAX ? 0 : sequence + 1;
}

/** A producer's state behind a batch that has its offsets. Whether the batch follows is not asked: it is in the log. */
export function stateBehind(known: ProducerState | undefined, buffer: Buffer, at: number): ProducerState {
  const epoch = producerEpochOf(buffer, at);
  const batch = {
    firstSequence: baseSequenceOf(buffer, at),
    lastSequence: lastSequenceOf(buffer, at),
    firstOffset: baseOffsetOf(buffer, at),
    lastOffset: lastOffsetOf(buffer, at),
    timestampMs: maxTimestampOf(buffer, at),
  };
  const before = known?.epoch === epoch ? known.batches : [];
  return { epoch, batches: lastOf([...before, batch]), seenMs: JUST_SEEN };
}

function lastOf(batches: readonly ProducerBatch[]): readonly ProducerBatch[] {
  return batches.length > PRODUCER_BATCHES_KEPT ? batches.slice(-PRODUCER_BATCHES_KEPT) : batches;
}

/**
 * The idempotent producers of a log as of one of its offsets.
 *
 * Invariant: who was heard of longest ago comes first; so those that are JUST_SEEN come last.
 */
export class ProducerStates {
  readonly #states = new Map<number, ProducerState>();
  readonly #max: number;
  /** Who comes last. */
  #latest: number | undefined;

  constructor(max: number = PRODUCERS_PER_LOG_MAX) {
    this.#max = max;
  }

  get size(): number {
    return this.#states.size;
  }

  get(producerId: number): ProducerState | undefined {
    return this.#states.get(producerId);
  }

  /** All of them, in their order. */
  entries(): IterableIterator<ProducerEntry> {
    return this.#states.entries();
  }

  /** A producer's state is this from now on. Where there are too many, the one that is idle longest is forgotten. */
  put(producerId: number, state: ProducerState): void {
    if (this.#latest !== producerId) this.#states.delete(producerId);
    this.#states.set(producerId, state);
    this.#latest = producerId;
    if (this.#states.size <= this.#max) return;
    for (const idlest of this.#states.keys()) {
      this.#states.delete(idlest);
      break;
    }
  }

  /** Takes in a batch that is in the log; one that no idempotent producer wrote changes nothing. */
  replay(buffer: Buffer, at: number): void {
    const producerId = idempotentIdOf(buffer, at);
    if (producerId === undefined) return;
    this.put(producerId, stateBehind(this.#states.get(producerId), buffer, at));
  }

  /** Takes in what was replayed from an offset at or below `from` on, as though it had been replayed here from there on. */
  merge(replayed: ProducerStates, from: Offset): void {
    for (const [producerId, { epoch, batches, seenMs }] of replayed.entries()) {
      const later = batches.filter(({ firstOffset }) => firstOffset >= from);
      if (later.length === 0) continue;
      const known = this.#states.get(producerId);
      const before = known?.epoch === epoch ? known.batches : [];
      this.put(producerId, { epoch, batches: lastOf([...before, ...later]), seenMs });
    }
  }

  /** Whether any of them has a batch at or behind an offset. */
  reach(end: Offset): boolean {
    for (const { batches } of this.#states.values()) if (batches.at(-1)!.lastOffset >= end) return true;
    return false;
  }

  /** A look at the clock: forgets those that were seen so long ago or longer. */
  expire(nowMs: number, expirationMs: number): void {
    for (const [producerId, state] of this.#states) {
      if (state.seenMs === JUST_SEEN) state.seenMs = Math.floor(nowMs);
      else if (nowMs - state.seenMs >= expirationMs) this.#forget(producerId);
    }
  }

  clear(): void {
    this.#states.clear();
    this.#latest = undefined;
  }

  #forget(producerId: number): void {
    this.#states.delete(producerId);
    if (this.#latest === producerId) this.#latest = undefined;
  }
}
