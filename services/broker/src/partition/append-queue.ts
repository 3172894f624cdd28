import { assert } from '@weir/base/assert.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';

/** Someone who sent a batch and waits until it counts. */
export interface AppendWaiter {
  /** The batch in that slot of its request counts. */
  appended(slot: number, baseOffset: Offset, logStartOffset: Offset): void;
  /** It will not be answered with an offset; it may be in the log all the same. */
  failed(slot: number, refusal: Refusal): void;
}

interface Entry {
  readonly endOffset: Offset;
  readonly baseOffset: Offset;
  readonly bytes: number;
  readonly waiter: AppendWaiter;
  readonly slot: number;
}

/**
 * Batches that were appended and do not count yet, in offset order; and those that a producer has sent again, each where
 * the one is that was appended.
 *
 * Invariant: end offsets never fall from head to tail.
 */
export class AppendQueue {
  #entries: Entry[] = [];
  #head = 0;

  push(entry: Entry): void {
    const last = this.#entries.at(-1);
    assert(last === undefined || last.endOffset <= entry.baseOffset, 'appends wait in offset order');
    this.#entries.push(entry);
  }

  /** A batch that is in the log already: answered with, or like, the one that was appended. */
  pushDuplicate(duplicate: Omit<Entry, 'bytes'>): void {
    let at = this.#entries.length;
    while (at > this.#head && this.#entries[at - 1]!.endOffset > duplicate.endOffset) at--;
    this.#entries.splice(at, 0, { ...duplicate, bytes: 0 });
  }

  /** Answers all that end at or below the position; tells how many bytes they were. */
  release(position: Offset, logStartOffset: Offset): number {
    let bytes = 0;
    while (this.#head < this.#entries.length) {
      const entry = this.#entries[this.#head]!;
      if (entry.endOffset > position) break;
      this.#head++;
      bytes += entry.bytes;
      entry.waiter.appended(entry.slot, entry.baseOffset, logStartOffset);
    }
    if (this.#head === this.#entries.length) {
      this.#entries = [];
      this.#head = 0;
    } else if (this.#head > 1_000 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return bytes;
  }

  /** Answers all that still wait with a refusal; tells how many bytes they were. */
  fail(refusal: Refusal): number {
    let bytes = 0;
    const entries = this.#entries;
    const head = this.#head;
    this.#entries = [];
    this.#head = 0;
    for (let i = head; i < entries.length; i++) {
      const entry = entries[i]!;
      bytes += entry.bytes;
      entry.waiter.failed(entry.slot, refusal);
    }
    return bytes;
  }
}
