import type { Cancel, Clock } from '@weir/base/clock.ts';
import { APPLY_SLICE_MS, RETENTION_CHECK_MS } from '@weir/base/limits.ts';
import type { RetentionReport } from '@weir/log/retention.ts';
import type { Partition } from './partition.ts';

/** What retention needs. */
export interface RetentionParts {
  readonly clock: Clock;
  readonly partitions: () => Iterable<Partition>;
  readonly removed: (partition: Partition, report: RetentionReport) => void;
}

/**
 * Looks every RETENTION_CHECK_MS which records are too old or too many, in slices, so that the loop stays free: to remove
 * some takes a few syncs.
 */
export class Retention {
  readonly #parts: RetentionParts;
  #cancel: Cancel | undefined;
  /** Those of the pass under way that were not looked at yet. */
  #waiting: Partition[] = [];

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.every(RETENTION_CHECK_MS, () => this.look());
  }

  stop(): void {
    this.#cancel?.();
    this.#waiting = [];
  }

  /** Begins a pass, unless one is under way. */
  look(): void {
    if (this.#waiting.length > 0) return;
    this.#waiting = [...this.#parts.partitions()];
    this.#slice();
  }

  #slice(): void {
    const { clock } = this.#parts;
    const until = clock.monotonicMs() + APPLY_SLICE_MS;
    const nowMs = clock.wallMs();
    for (let partition = this.#waiting.pop(); partition !== undefined; partition = this.#waiting.pop()) {
      const report = partition.retain(nowMs);
      if (report.segments > 0) this.#parts.removed(partition, report);
      if (clock.monotonicMs() >= until) break;
    }
    if (this.#waiting.length > 0) clock.endOfTurn(() => this.#slice());
  }
}
