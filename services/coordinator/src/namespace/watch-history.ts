import { assert } from '@weir/base/assert.ts';
import type { Revision } from '@weir/base/ids.ts';
import { WATCH_HISTORY_BYTES_MAX, WATCH_HISTORY_EVENTS_MAX } from '@weir/base/limits.ts';
import type { NodeEvent } from './node.ts';

/** What one transaction did to nodes. */
export interface EventBatch {
  readonly revision: Revision;
  readonly events: readonly NodeEvent[];
  readonly bytes: number;
}

/** How much is kept; beyond it the oldest goes. */
export interface HistoryLimits {
  readonly events: number;
  readonly bytes: number;
}

const LIMITS: HistoryLimits = { events: WATCH_HISTORY_EVENTS_MAX, bytes: WATCH_HISTORY_BYTES_MAX };

/**
 * The latest changes of nodes, in the order of their revisions, for watches that are behind. Batches are numbered: the
 * first has the number `first`, the next one will have `end`.
 *
 * Invariant: every change of a revision above `compacted` is here. The newest batch always is.
 */
export class WatchHistory {
  readonly #limits: HistoryLimits;
  readonly #batches: EventBatch[] = [];
  #first = 0;
  /** Batches at the front of the array that are gone already. */
  #dead = 0;
  #compacted: Revision;
  #newest: Revision;
  #events = 0;
  #bytes = 0;

  /** @param since - nothing is known of what was at or before this revision */
  constructor(since: Revision, limits: HistoryLimits = LIMITS) {
    this.#compacted = since;
    this.#newest = since;
    this.#limits = limits;
  }

  /** Of changes up to this revision some are not here any more. */
  get compacted(): Revision {
    return this.#compacted;
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#first + this.#batches.length - this.#dead;
  }

  at(number: number): EventBatch {
    const batch = this.#batches[number - this.#first + this.#dead];
    assert(batch !== undefined && number >= this.#first, `there is no batch ${number}`);
    return batch;
  }

  /** The number of the first batch of that revision or a later one. */
  numberOf(revision: number): number {
    let low = this.#first;
    let high = this.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.at(middle).revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param bytes - of the events' data */
  append(batch: EventBatch): void {
    assert(batch.revision > this.#newest, `changes of revision ${batch.revision} come after those of ${this.#newest}`);
    this.#newest = batch.revision;
    this.#batches.push(batch);
    this.#events += batch.events.length;
    this.#bytes += batch.bytes;
    while ((this.#events > this.#limits.events || this.#bytes > this.#limits.bytes) && this.end - this.#first > 1) {
      this.#dropFirst();
    }
  }

  #dropFirst(): void {
    const { revision, events, bytes } = this.at(this.#first);
    this.#compacted = revision;
    this.#events -= events.length;
    this.#bytes -= bytes;
    this.#first++;
    this.#dead++;
    // Now and then, so that each drop costs little.
    if (this.#dead * 2 > this.#batches.length) {
      this.#batches.splice(0, this.#dead);
      this.#dead = 0;
    }
  }
}
