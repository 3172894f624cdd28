import type { Offset } from '@weir/base/ids.ts';

interface Waiter {
  readonly end: Offset;
  readonly done: () => void;
}

/** Who waits until a log's own files are synced up to an offset. */
export class SettleWaiters {
  #waiters: Waiter[] = [];

  get size(): number {
    return this.#waiters.length;
  }

  add(end: Offset, done: () => void): void {
    this.#waiters.push({ end, done });
  }

  /** Tells those who wait for no more than this. */
  settled(end: Offset): void {
    if (this.#waiters.length === 0) return;
    const told = this.#waiters.filter((waiter) => waiter.end <= end);
    this.#waiters = this.#waiters.filter((waiter) => waiter.end > end);
    for (const { done } of told) done();
  }

  /** Tells all: nothing more is going to happen. */
  release(): void {
    for (const { done } of this.#waiters.splice(0)) done();
  }
}
