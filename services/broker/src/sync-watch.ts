import { SYNC_STALLED_MS } from '@weir/base/limits.ts';
import type { Logger } from '@weir/runtime/world.ts';

/** Something that syncs: a log or the journal. */
export interface Syncing {
  readonly name: string;
  /** On the monotonic clock; undefined: no sync is under way. */
  readonly syncingSinceMs: number | undefined;
}

/** Says when a sync does not come back: batches wait then, and a disk that stalls shows nowhere else. */
export class SyncWatch {
  readonly #syncing: () => Iterable<Syncing>;
  readonly #logger: Pick<Logger, 'error' | 'info'>;
  #longestMs = 0;
  #stalled = false;

  /** The disk does not sync any more. */
  readonly #stalls: (why: string) => void;

  constructor(
    syncing: () => Iterable<Syncing>,
    logger: Pick<Logger, 'error' | 'info'>,
    stalls: (why: string) => void = () => {},
  ) {
    this.#syncing = syncing;
    this.#logger = logger;
    this.#stalls = stalls;
  }

  /** How long the oldest sync was under way when it was looked at; 0 without one. */
  get longestMs(): number {
    return this.#longestMs;
  }

  look(nowMs: number): void {
    let longestMs = 0;
    let longest = '';
    for (const { name, syncingSinceMs } of this.#syncing()) {
      if (syncingSinceMs === undefined || nowMs - syncingSinceMs <= longestMs) continue;
      longestMs = nowMs - syncingSinceMs;
      longest = name;
    }
    this.#longestMs = longestMs;
    const stalled = longestMs >= SYNC_STALLED_MS;
    if (stalled && !this.#stalled) {
      const seconds = Math.round(longestMs / 1_000);
      this.#logger.error(`the disk stalls: a sync of ${longest} has been under way for ${seconds} s, and batches wait`);
      this.#stalls('the disk stalls');
    } else if (!stalled && this.#stalled) {
      this.#logger.info('the disk syncs again');
    }
    this.#stalled = stalled;
  }
}
