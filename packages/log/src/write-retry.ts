import type { Cancel, Clock } from '@weir/base/clock.ts';
import type { DiskError } from '@weir/base/disk.ts';
import { WRITE_RETRY_MS } from '@weir/base/limits.ts';

/** Tries again, WRITE_RETRY_MS later, what a disk without room or a process without descriptors has refused. */
export class WriteRetry {
  readonly #clock: Clock;
  #cancel: Cancel | undefined;
  #why: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is waited for; undefined: nothing is. */
  get why(): string | undefined {
    return this.#why;
  }

  after(error: DiskError, again: () => void): void {
    this.#why = error.message;
    this.#cancel ??= this.#clock.after(WRITE_RETRY_MS, () => {
      this.#cancel = undefined;
      this.#why = undefined;
      again();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
