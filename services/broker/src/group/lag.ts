import { GROUP_LAG_AT_LEAST_MS } from '@weir/base/group-limits.ts';
import type { WatermarkHistory } from './watermark-history.ts';

/** How far a group has come in a partition, and what there is. */
export interface Progress {
  /** The group's committed offset: of the record that it wants next. */
  readonly committed: number;
  readonly logStart: number;
  readonly highWatermark: number;
}

/** How far a group is behind in a partition. */
export interface Lag {
  readonly records: number;
  /** How long ago the record that is next to be read was committed to the log; 0 where there is none. Undefined: not known. */
  readonly ms: number | undefined;
}

/**
 * Records that are there and not read yet. What was deleted before it was read is not among them: it cannot be read any more.
 * kafka_exporter counts it, and tells less than nothing of a group that is ahead of the log.
 */
export function lagRecords(progress: Progress): number {
  return Math.max(0, progress.highWatermark - nextToRead(progress));
}

/**
 * The lag in records and in time. A record that was there before anybody looked is told to wait for as long as it has been looked at,
 * once that is GROUP_LAG_AT_LEAST_MS: until then nothing is said.
 *
 * @param history - up to the high watermark of `progress`
 */
export function lagOf(progress: Progress, history: WatermarkHistory, nowMs: number): Lag {
  const records = lagRecords(progress);
  if (records === 0) return { records, ms: 0 };
  const since = history.committedAt(nextToRead(progress));
  if (since === undefined) return { records, ms: undefined };
  const ms = Math.max(0, nowMs - since.ms);
  return { records, ms: since.kind === 'before' && ms < GROUP_LAG_AT_LEAST_MS ? undefined : ms };
}

function nextToRead({ committed, logStart }: Progress): number {
  return Math.max(committed, logStart);
}
