import type { Offset } from '@weir/base/ids.ts';
import type { SegmentSummary } from './index-file.ts';
import { ActiveSegment } from './segment.ts';

/** What a log keeps; -1: no limit. */
export interface RetentionRules {
  /** The wall clock: record timestamps are measured against it. */
  readonly nowMs: number;
  /** A segment whose newest record is older is removed. */
  readonly retentionMs: number;
  /** Segments are removed as long as those behind them have at least so many bytes. */
  readonly retentionBytes: number;
  /** The active segment is sealed when its first records are older, so that slow topics are removed in time as well. */
  readonly segmentMs: number;
  /** Nothing at or past it is removed, as it is not committed; absent: all that counts is. */
  readonly upTo?: Offset;
}

/** What was removed. */
export interface RetentionReport {
  readonly segments: number;
  readonly bytes: number;
}

/**
 * Which segments are to go by Kafka's rules: from the oldest on, as long as each is too old or the log without it is
 * still as large as it may be. Only sealed and durable ones go.
 */
export function expiredSegments(
  segments: readonly SegmentSummary[],
  durableEnd: Offset,
  rules: RetentionRules,
): readonly SegmentSummary[] {
  let bytes = 0;
  for (const segment of segments) bytes += segment.bytes;
  let count = 0;
  for (const [i, segment] of segments.entries()) {
    const tooMuch = rules.retentionBytes >= 0 && bytes - segment.bytes >= rules.retentionBytes;
    if (segment instanceof ActiveSegment || segment.endOffset > Math.min(durableEnd, rules.upTo ?? durableEnd)) break;
    const isExpired = tooMuch || isOlder(segment.maxTimestampMs, rules.retentionMs, rules.nowMs);
    // One without a timestamp, as compaction may leave it, goes with the next that has one.
    if (!isExpired && segment.maxTimestampMs >= 0) break;
    if (isExpired) count = i + 1;
    bytes -= segment.bytes;
  }
  return segments.slice(0, count);
}

/** Whether the active segment is to be sealed: it has been open for too long, or all of it is too old. */
export function isActiveExpired(active: ActiveSegment, { nowMs, retentionMs, segmentMs }: RetentionRules): boolean {
  if (active.bytes === 0) return false;
  return isOlder(active.firstTimestampMs, segmentMs, nowMs) || isOlder(active.maxTimestampMs, retentionMs, nowMs);
}

/** Records without a timestamp (-1) do not age. */
function isOlder(timestampMs: number, limitMs: number, nowMs: number): boolean {
  return limitMs >= 0 && timestampMs >= 0 && nowMs - timestampMs > limitMs;
}
