import { assert } from '@weir/base/assert.ts';
import { CONSUMER_TREE_HISTORY_BYTES_MAX, CONSUMER_TREE_HISTORY_CHANGES_MAX } from '@weir/base/group-limits.ts';
import { changeBytes } from './tree-change.ts';
import type { TreeChange } from './tree-change.ts';

/** What one record did to a group's nodes. */
export interface HistoryEntry {
  readonly revision: number;
  readonly change: TreeChange;
}

/** How much is kept of all logs together; beyond it the oldest goes. */
export interface HistoryLimits {
  readonly changes: number;
  readonly bytes: number;
}

const LIMITS: HistoryLimits = { changes: CONSUMER_TREE_HISTORY_CHANGES_MAX, bytes: CONSUMER_TREE_HISTORY_BYTES_MAX };

/** What the histories of one broker keep together: whoever came first goes first, of whichever log. */
export class HistoryBudget {
  readonly #limits: HistoryLimits;
  /** Whose change came, in the order in which they came; of those at the front some may be gone already. */
  readonly #order = new Fifo<TreeHistory>();
  #changes = 0;
  #bytes = 0;

  constructor(limits: HistoryLimits = LIMITS) {
    this.#limits = limits;
  }

  /** A change was put into a history. */
  took(history: TreeHistory, bytes: number): void {
    this.#order.push(history);
    this.#changes++;
    this.#bytes += bytes;
    while (this.#order.length > 1 && this.#isOver) this.#order.shift().dropFirst();
  }

  /** One is gone from a history. */
  gave(bytes: number): void {
    this.#changes--;
    this.#bytes -= bytes;
  }

  get #isOver(): boolean {
    const { changes, bytes } = this.#limits;
    // Those that are gone in the middle are bounded as well.
    return this.#order.length > 2 * changes || this.#changes > changes || this.#bytes > bytes;
  }
}

/**
 * The latest changes of the groups of one log, in the order of its records, for watches that are behind. Entries are numbered: the
 * first has the number `first`, the next one will have `end`.
 *
 * Invariant: every change of a revision above `compacted` is here, as it happened.
 */
export class TreeHistory {
  readonly #budget: HistoryBudget;
  readonly #entries = new Fifo<HistoryEntry & { readonly bytes: number }>();
  #first = 0;
  #compacted = 0;

  constructor(budget: HistoryBudget) {
    this.#budget = budget;
  }

  /** Of changes up to this revision some are not here. */
  get compacted(): number {
    return this.#compacted;
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#first + this.#entries.length;
  }

  at(number: number): HistoryEntry {
    return this.#entries.at(number - this.#first);
  }

  /** The number of the first entry of that revision or a later one. */
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

  append(entry: HistoryEntry): void {
    const bytes = changeBytes(entry.change);
    this.#entries.push({ ...entry, bytes });
    this.#budget.took(this, bytes);
  }

  /** Not all is known of what happened up to a revision: nobody goes on from there. */
  forget(revision: number): void {
    while (this.#entries.length > 0 && this.#entries.at(0).revision <= revision) this.dropFirst();
    this.#compacted = Math.max(this.#compacted, revision);
  }

  dropFirst(): void {
    // The budget may count one that was forgotten.
    if (this.#entries.length === 0) return;
    const { revision, bytes } = this.#entries.shift();
    this.#compacted = Math.max(this.#compacted, revision);
    this.#first++;
    this.#budget.gave(bytes);
  }

  /** Nobody looks at it any more. */
  clear(): void {
    while (this.#entries.length > 0) this.dropFirst();
  }
}

/** A queue whose front goes now and then, so that each `shift` costs little. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  at(index: number): T {
    assert(index >= 0 && index < this.length, `there is no item ${index}`);
    return this.#items[this.#head + index]!;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T {
    const item = this.at(0);
    this.#head++;
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
