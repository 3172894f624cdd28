import {
  CATCH_UP_BYTES_PER_SECOND,
  CATCH_UP_LOADED_BYTES_PER_SECOND,
  CATCH_UP_SLICE_MS,
  LOADED_BYTES_PER_SECOND,
  LOAD_LOOK_MS,
} from '@weir/base/limits.ts';

/**
 * How fast replicas that are behind are served, over all of them: what is read for them takes the disk, the processor and the
 * network from those who write and who are in sync. Where nobody writes they have nearly all of it; under load a share that
 * writers hardly feel.
 *
 * A bucket that is filled with time: it may be overdrawn by what is sent at once, and lets nothing through until that is made
 * up for.
 */
export class CatchUpThrottle {
  readonly #appendedBytes: () => number;
  #debtBytes = 0;
  #sinceMs: number | undefined;
  #load = { lookedMs: 0, appendedBytes: 0 };
  #rate = CATCH_UP_LOADED_BYTES_PER_SECOND;

  /** @param appendedBytes - of all that producers have written to this broker since its start */
  constructor(appendedBytes: () => number) {
    this.#appendedBytes = appendedBytes;
  }

  /** What may be sent in one go. */
  get sliceBytes(): number {
    return (this.#rate * CATCH_UP_SLICE_MS) / 1_000;
  }

  /** @param bytes - negative: so many were not sent after all */
  spend(bytes: number): void {
    this.#debtBytes += bytes;
  }

  /** How long to wait before more is sent; 0: not at all. */
  waitMs(nowMs: number): number {
    this.#lookAtLoad(nowMs);
    const perMs = this.#rate / 1_000;
    const sinceMs = this.#sinceMs ?? nowMs;
    this.#sinceMs = nowMs;
    this.#debtBytes = Math.max(0, this.#debtBytes - (nowMs - sinceMs) * perMs);
    return this.#debtBytes / perMs;
  }

  #lookAtLoad(nowMs: number): void {
    const { lookedMs, appendedBytes: before } = this.#load;
    if (nowMs - lookedMs < LOAD_LOOK_MS) return;
    const appendedBytes = this.#appendedBytes();
    const perSecond = ((appendedBytes - before) / (nowMs - lookedMs)) * 1_000;
    this.#rate = perSecond < LOADED_BYTES_PER_SECOND ? CATCH_UP_BYTES_PER_SECOND : CATCH_UP_LOADED_BYTES_PER_SECOND;
    this.#load = { lookedMs: nowMs, appendedBytes };
  }
}
