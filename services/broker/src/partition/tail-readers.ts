import { assert } from '@weir/base/assert.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { Members } from '@weir/base/members.ts';
import type { TailReader } from './partition-parts.ts';

/** Who reads one partition, and who of them waits at its tail. */
export class TailReaders {
  readonly #all = new Members<TailReader>();
  #parked = new Set<TailReader>();

  /** Begins to read: `ended` is called when the partition is not served here any more. */
  add(reader: TailReader): void {
    this.#all.add(reader);
  }

  remove(reader: TailReader): void {
    this.#all.remove(reader);
    this.#parked.delete(reader);
  }

  /** Wakes the reader once there is more, or may be. */
  park(reader: TailReader): void {
    assert(this.#all.has(reader), 'a parked reader reads');
    this.#parked.add(reader);
  }

  /** Wakes all that are parked. */
  wake(): void {
    if (this.#parked.size === 0) return;
    const woken = this.#parked;
    this.#parked = new Set();
    for (const reader of woken) reader.wake();
  }

  /** Ends all of them, with the reason. */
  end(why: Refusal): void {
    const readers = this.#all.takeAll();
    this.#parked.clear();
    for (const reader of readers) reader.ended(why);
  }
}
