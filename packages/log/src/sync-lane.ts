/** Begins a sync; `done` is called once when it is back, or at once where there is nothing to sync any more. */
export type BeginSync = (done: () => void) => void;

/** One more at a time for so many that wait: where thousands of logs are written the disk is better at many syncs at once. */
const WAITING_PER_SYNC = 16;

/**
 * Lets the syncs of logs with `flush=interval` go one after the other. Nobody waits for these syncs but their own log, which
 * is not written meanwhile. Together each would take as long as all: the logs of a topic, which fill alike, would come to
 * a stand for that long at the same moment.
 */
export class SyncLane {
  readonly #waiting = new Set<BeginSync>();
  #under = 0;
  #isBeginning = false;

  /** Begins now or when it is its turn. */
  want(begin: BeginSync): void {
    this.#waiting.add(begin);
    this.#begin();
  }

  /** Takes back a `want` that has not begun. */
  forget(begin: BeginSync): void {
    this.#waiting.delete(begin);
  }

  #begin(): void {
    // One that is done at once comes back here from within.
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    for (const begin of this.#waiting) {
      if (this.#under >= 1 + Math.floor(this.#waiting.size / WAITING_PER_SYNC)) break;
      this.#waiting.delete(begin);
      this.#under += 1;
      begin(() => {
        this.#under -= 1;
        this.#begin();
      });
    }
    this.#isBeginning = false;
  }
}
