/** Begins a read from disk. False: it is not needed any more, and the next may begin. */
export type BeginRead = () => boolean;

/**
 * Lets so many reads from disk be under way at a time, over all streams; the rest wait in the order in which they came.
 * Subscriptions wait with one read each, fetches of Kafka clients with a few, which bounds the queue.
 */
export class ColdGate {
  readonly #max: number;
  #under = 0;
  readonly #waiting = new Set<BeginRead>();
  #admitting = false;

  constructor(max: number) {
    this.#max = max;
  }

  /** Begins now or when it is its turn; `leave` has to be called once the read is done. */
  enter(begin: BeginRead): void {
    this.#waiting.add(begin);
    this.#admit();
  }

  /** Takes back an `enter` that has not begun. */
  cancel(begin: BeginRead): void {
    this.#waiting.delete(begin);
  }

  /** A read is done. */
  leave(): void {
    this.#under--;
    this.#admit();
  }

  #admit(): void {
    // A read that is done at once comes back here from within.
    if (this.#admitting) return;
    this.#admitting = true;
    for (const begin of this.#waiting) {
      if (this.#under >= this.#max) break;
      this.#waiting.delete(begin);
      this.#under++;
      if (!begin()) this.#under--;
    }
    this.#admitting = false;
  }
}
