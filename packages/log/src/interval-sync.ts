import type { Cancel, Clock } from '@weir/base/clock.ts';
import { FLUSH_INTERVAL_MS } from '@weir/base/limits.ts';
import type { ResolvedLogConfig } from './log-config.ts';
import type { BeginSync, SyncLane } from './sync-lane.ts';

interface IntervalSyncParts {
  readonly clock: Clock;
  readonly config: Pick<ResolvedLogConfig, 'flush' | 'flushIntervalBytes'>;
  readonly files: { readonly syncs: SyncLane };
}

/** With so much unsynced a sync is due: it takes a few milliseconds then, and its log is not written meanwhile. */
const DUE_BYTES = 4 * 1024 * 1024;
/** So long after a write it is due as well, which leaves a part of FLUSH_INTERVAL_MS for its turn and for the sync itself. */
const DUE_MS = (3 / 4) * FLUSH_INTERVAL_MS;

/** When a log with `flush=interval` is synced: in the lane that all logs of a broker share. With `flush=commit` it does nothing. */
export class IntervalSync {
  readonly #clock: Clock;
  readonly #lane: SyncLane;
  readonly #isOn: boolean;
  readonly #dueBytes: number;
  readonly #begin: BeginSync;
  #cancelTimer: Cancel | undefined;
  #leaveLane: (() => void) | undefined;

  /** @param start - starts a sync, unless there is no need for one; tells whether it is under way, so that `back` is called */
  constructor({ clock, config, files }: IntervalSyncParts, start: () => boolean) {
    this.#clock = clock;
    this.#lane = files.syncs;
    this.#isOn = config.flush === 'interval';
    this.#dueBytes = Math.min(DUE_BYTES, config.flushIntervalBytes / 2);
    this.#begin = (done) => {
      if (start()) this.#leaveLane = done;
      else done();
    };
  }

  /** So much is written and not synced. */
  unsynced(bytes: number): void {
    if (!this.#isOn || bytes === 0) return;
    if (bytes >= this.#dueBytes) this.#want();
    else this.#cancelTimer ??= this.#clock.after(DUE_MS, () => this.#want());
  }

  /** A sync of the log is back, whoever wanted it. */
  back(): void {
    const leave = this.#leaveLane;
    this.#leaveLane = undefined;
    leave?.();
  }

  /** None is wanted any more; one that is under way leaves the lane when it is back. */
  cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#lane.forget(this.#begin);
  }

  #want(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#lane.want(this.#begin);
  }
}
