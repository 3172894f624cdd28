import { assert } from '@weir/base/assert.ts';
import type { Offset } from '@weir/base/ids.ts';
import { INDEX_CACHE_BYTES, READ_AHEAD_BYTES_MAX } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { baseOffsetOf, lastOffsetOf } from '@weir/records/batch-header.ts';
import { IndexCache } from './index-cache.ts';
import { ReadAhead } from './read-ahead.ts';

/** What an entry costs besides its backing: the view, its places in the queues. */
const ENTRY_BYTES = 128;
/** A queue's front is cut off once so many places in it are empty. */
const COMPACT_AT = 1_024;

/**
 * The memory that all logs of a broker share for reads: the very buffers that were appended last, oldest out first.
 * A small view may keep a large allocation alive, so what counts is the allocation behind it, once, as long as any
 * entry lies in it.
 */
export class TailCache {
  readonly #budgetBytes: number;
  /** Whose memory the batches may be in: an entry is a reference. */
  readonly slabs: Slabs;
  /** Indexes of sealed segments, which cold reads need. */
  readonly indexes = new IndexCache(INDEX_CACHE_BYTES);
  /** What cold reads have read ahead. */
  readonly readAhead: ReadAhead;
  /** How many entries lie in an allocation. */
  readonly #backings = new Map<ArrayBufferLike, number>();
  /** An entry's window, for each entry from the oldest on; an entry of a forgotten window is void. */
  #order: TailWindow[] = [];
  #first = 0;
  #bytes = 0;

  constructor(budgetBytes: number, slabs: Slabs, readAheadBytes = READ_AHEAD_BYTES_MAX) {
    this.#budgetBytes = budgetBytes;
    this.slabs = slabs;
    this.readAhead = new ReadAhead(readAheadBytes, slabs);
  }

  /** Bytes that the entries keep in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A place for one log's batches. */
  window(): TailWindow {
    return new TailWindow(this);
  }

  /** Called by a window for each batch that enters it. */
  entered(window: TailWindow, batch: Buffer): void {
    this.slabs.retain(batch);
    const entries = this.#backings.get(batch.buffer) ?? 0;
    this.#backings.set(batch.buffer, entries + 1);
    this.#bytes += ENTRY_BYTES + (entries === 0 ? batch.buffer.byteLength : 0);
    this.#order.push(window);
    while (this.#bytes > this.#budgetBytes && this.#first < this.#order.length)
      this.#order[this.#first++]?.dropOldest();
    if (this.#first >= COMPACT_AT && this.#first * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Called by a window for each batch that leaves it. */
  left(batch: Buffer): void {
    const entries = this.#backings.get(batch.buffer);
    assert(entries !== undefined && entries > 0, 'a batch leaves the tail cache once');
    if (entries === 1) this.#backings.delete(batch.buffer);
    else this.#backings.set(batch.buffer, entries - 1);
    this.#bytes -= ENTRY_BYTES + (entries === 1 ? batch.buffer.byteLength : 0);
    this.slabs.release(batch);
  }

  /** Called by a window whose newest batches have left, so many of them. */
  withdrew(window: TailWindow, count: number): void {
    let left = count;
    const kept: TailWindow[] = [];
    for (let i = this.#order.length - 1; i >= this.#first; i--) {
      const other = this.#order[i]!;
      if (other === window && left > 0) left -= 1;
      else kept.push(other);
    }
    this.#order = kept.toReversed();
    this.#first = 0;
  }

  /** Called by a window that is over, after its batches have left. */
  forget(window: TailWindow): void {
    this.#order = this.#order.slice(this.#first).filter((other) => other !== window);
    this.#first = 0;
  }
}

/**
 * One log's last batches.
 *
 * Invariant: the batches follow each other without a gap, and the last one ends at the log's end.
 */
export class TailWindow {
  readonly #cache: TailCache;
  #batches: (Buffer | undefined)[] = [];
  #bases: number[] = [];
  #first = 0;

  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  add(batch: Buffer): void {
    this.#batches.push(batch);
    this.#bases.push(baseOffsetOf(batch, 0));
    this.#cache.entered(this, batch);
  }

  dropOldest(): void {
    const batch = this.#batches[this.#first];
    if (batch === undefined) return;
    this.#batches[this.#first++] = undefined;
    this.#cache.left(batch);
    if (this.#first >= COMPACT_AT && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first);
      this.#bases = this.#bases.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Lets go of the batches that reach an offset or lie behind it: the log was cut there. */
  truncate(end: Offset): void {
    let dropped = 0;
    for (;;) {
      const batch = this.#batches.at(-1);
      if (this.#batches.length === this.#first || batch === undefined || lastOffsetOf(batch, 0) < end) break;
      this.#batches.pop();
      this.#bases.pop();
      this.#cache.left(batch);
      dropped += 1;
    }
    if (dropped > 0) this.#cache.withdrew(this, dropped);
  }

  /** Lets go of everything. */
  clear(): void {
    for (let i = this.#first; i < this.#batches.length; i++) {
      const batch = this.#batches[i];
      if (batch !== undefined) this.#cache.left(batch);
    }
    this.#batches = [];
    this.#bases = [];
    this.#first = 0;
    this.#cache.forget(this);
  }

  /**
   * Batches from the one that contains `from` on, as long as they end at or below `upTo`, up to `maxBytes` but for the
   * first. Undefined when `from` lies before the window.
   */
  read(from: Offset, maxBytes: number, upTo: Offset): Buffer[] | undefined {
    if (this.#first === this.#bases.length || from < this.#bases[this.#first]!) return undefined;
    const buffers: Buffer[] = [];
    let bytes = 0;
    for (let i = this.#indexOf(from); i < this.#batches.length; i++) {
      const batch = this.#batches[i]!;
      if (lastOffsetOf(batch, 0) >= upTo) break;
      if (buffers.length > 0 && bytes + batch.length > maxBytes) break;
      buffers.push(batch);
      bytes += batch.length;
    }
    return buffers;
  }

  #indexOf(from: Offset): number {
    let low = this.#first;
    let high = this.#bases.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bases[middle]! <= from) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
