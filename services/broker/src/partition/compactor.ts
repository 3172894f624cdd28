import type { Cancel, Clock } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import { COMPACTION_CHECK_MS, COMPACTION_PAUSE_MS, COMPACTION_RETRY_MS } from '@weir/base/limits.ts';
import { dirtyRatio, type Cleanable, type CompactionRules } from '@weir/log/compaction/cleanable.ts';
import type { CompactionResult } from '@weir/log/compaction/compaction.ts';
import type { Partition } from './partition.ts';

/** What a pass has done. */
export type CompactionDone = Extract<CompactionResult, { kind: 'cleaned' }>;

/** What compaction needs. */
export interface CompactorParts {
  readonly clock: Clock;
  readonly partitions: () => Iterable<Partition>;
  /** For the keys of one pass. */
  readonly mapBytes: number;
  /** Whether the disk can take so much without being nearly full: a segment is written anew before the old ones go. */
  readonly hasRoom: (bytes: number) => boolean;
  readonly compacted: (partition: Partition, done: CompactionDone, durationMs: number) => void;
  readonly failed: (partition: Partition, error: Error) => void;
}

interface Choice {
  readonly partition: Partition;
  readonly cleanable: Cleanable;
  readonly rules: CompactionRules;
  readonly ratio: number;
}

/**
 * Compacts logs, one at a time: the one of which most is dirty, as soon as that is enough or has waited for too long. It looks
 * every COMPACTION_CHECK_MS, and again behind each pass.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  /** Those that failed, and until when they are left alone. */
  readonly #putAside = new WeakMap<Partition, number>();
  #cancel: Cancel | undefined;
  #cancelNext: Cancel | undefined;
  #underWay: Partition | undefined;
  #dirtyRatioMax = 0;
  #isStopped = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** Of the logs that are compacted, the largest share that is dirty, as of the last look. */
  get dirtyRatioMax(): number {
    return this.#dirtyRatioMax;
  }

  start(): void {
    this.#cancel = this.#parts.clock.every(COMPACTION_CHECK_MS, () => this.look());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancelNext?.();
  }

  /** Begins a pass over the log that needs one most, unless one is under way. */
  look(): void {
    // One whose log was closed is never told of.
    if (this.#underWay?.compaction?.isUnderWay === true || this.#isStopped) return;
    this.#underWay = undefined;
    const choice = this.#choose();
    if (choice === undefined) return;
    const { partition, cleanable, rules } = choice;
    const { clock, mapBytes, compacted, failed } = this.#parts;
    const startedMs = clock.monotonicMs();
    this.#underWay = partition;
    partition.compaction?.begin({ cleanable, rules, mapBytes }, (result) => {
      this.#underWay = undefined;
      switch (result.kind) {
        case 'cleaned':
          compacted(partition, result, clock.monotonicMs() - startedMs);
          return this.#lookSoon();
        case 'failed':
          this.#putAside.set(partition, clock.monotonicMs() + COMPACTION_RETRY_MS);
          failed(partition, result.error);
          return this.#lookSoon();
        case 'abandoned':
          return;
      }
    });
  }

  #lookSoon(): void {
    this.#cancelNext?.();
    this.#cancelNext = this.#parts.clock.after(COMPACTION_PAUSE_MS, () => this.look());
  }

  #choose(): Choice | undefined {
    let dirtiest: Choice | undefined;
    this.#dirtyRatioMax = 0;
    for (const partition of this.#parts.partitions()) {
      const { state, topic } = partition;
      if (!topic.settings.compacts || (state.kind !== 'leader' && state.kind !== 'follower')) continue;
      const choice = this.#judge(partition);
      if (choice === undefined) continue;
      this.#dirtyRatioMax = Math.max(this.#dirtyRatioMax, choice.ratio);
      if (choice.ratio > (dirtiest?.ratio ?? 0) && this.#isDue(choice)) dirtiest = choice;
    }
    return dirtiest;
  }

  #judge(partition: Partition): Choice | undefined {
    const { minCompactionLagMs: minLagMs, deleteRetentionMs } = partition.topic.settings;
    const rules = { nowMs: this.#parts.clock.wallMs(), minLagMs, deleteRetentionMs, upTo: partition.highWatermark };
    const cleanable = partition.compaction?.cleanable(rules);
    return cleanable === undefined ? undefined : { partition, cleanable, rules, ratio: dirtyRatio(cleanable) };
  }

  #isDue({ partition, cleanable, rules, ratio }: Choice): boolean {
    const { minDirtyRatio, maxCompactionLagMs, segmentBytes } = partition.topic.settings;
    if (!this.#parts.hasRoom(Math.min(segmentBytes, cleanable.cleanBytes + cleanable.dirtyBytes))) return false;
    if (this.#parts.clock.monotonicMs() < (this.#putAside.get(partition) ?? 0)) return false;
    if (ratio > minDirtyRatio) return true;
    if (maxCompactionLagMs === Number.MAX_SAFE_INTEGER) return false;
    try {
      const sinceMs = partition.compaction!.dirtySinceMs(cleanable);
      return sinceMs >= 0 && rules.nowMs - sinceMs > maxCompactionLagMs;
    } catch (error) {
      // Whoever reads it finds out what is wrong.
      if (error instanceof DiskError) return false;
      throw error;
    }
  }
}
