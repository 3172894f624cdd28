import type { Refusal } from '@weir/base/errors.ts';
import type { RecordHeader } from '@weir/records/record.ts';

/** A record on its way to a topic. */
export interface ProducerRecord {
  /** Chooses the partition where `partition` does not; null: any. */
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
  /** Milliseconds since 1970; the time of sending when absent. */
  readonly timestampMs?: number;
  readonly partition?: number;
}

/** `all`: durable on every in-sync replica; `leader`: on the leader. */
export type AcksWanted = 'all' | 'leader';

export interface SendOptions {
  /** `all` when absent. */
  readonly acks?: AcksWanted;
  /** W3C traceparent of what this belongs to. */
  readonly traceparent?: string;
}

/** What became of the records of one call, by their index in it. */
export interface SendOutcome {
  readonly count: number;
  /** -1 where none could be chosen. */
  readonly partition: Int32Array;
  /** -1: refused. */
  readonly offset: Float64Array;
  readonly refusals: ReadonlyMap<number, Refusal>;
}

const NO_REFUSALS: ReadonlyMap<number, Refusal> = new Map();

/**
 * One call of `sendMany` until the last of its records has an outcome: arrays for all of them, nothing per record.
 *
 * Invariant: `done` is called once, when every record is either delivered or refused.
 */
export class SendCall implements SendOutcome {
  readonly count: number;
  readonly partition: Int32Array;
  readonly offset: Float64Array;
  readonly acks: AcksWanted;
  readonly traceparent: string;
  #refusals: Map<number, Refusal> | undefined;
  #open: number;
  readonly #done: (call: SendCall) => void;

  constructor(count: number, options: SendOptions, done: (call: SendCall) => void) {
    this.count = count;
    // One allocation outside the heap for both: they are what a call costs the collector.
    const arrays = new ArrayBuffer(12 * count);
    this.offset = new Float64Array(arrays, 0, count).fill(-1);
    this.partition = new Int32Array(arrays, 8 * count, count).fill(-1);
    this.acks = options.acks ?? 'all';
    this.traceparent = options.traceparent ?? '';
    this.#open = count;
    this.#done = done;
  }

  get refusals(): ReadonlyMap<number, Refusal> {
    return this.#refusals ?? NO_REFUSALS;
  }

  /** Notes why a record is not there; it counts only with `settle`. */
  refuse(index: number, why: Refusal): void {
    this.#refusals ??= new Map();
    this.#refusals.set(index, why);
  }

  /** That many more records have their outcome. */
  settle(records: number): void {
    this.#open -= records;
    if (this.#open === 0) this.#done(this);
  }
}
