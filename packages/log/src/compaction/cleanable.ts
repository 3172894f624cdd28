import { offset, type Offset } from '@weir/base/ids.ts';
import type { SegmentSummary } from '../index-file.ts';
import { ActiveSegment } from '../segment.ts';

/** What a topic says of its compaction. */
export interface CompactionRules {
  /** The wall clock: record timestamps are measured against it. */
  readonly nowMs: number;
  /** Segments with a record that is younger are left alone, and those behind them. */
  readonly minLagMs: number;
  /** A tombstone stays for so long behind the pass that has cleaned up to it. */
  readonly deleteRetentionMs: number;
  /** What lies at or behind it is not committed. */
  readonly upTo: Offset;
}

/** What of a log may be cleaned. */
export interface Cleanable {
  /** From the first of the log on: sealed ones. */
  readonly segments: readonly SegmentSummary[];
  /** What lies below it has been cleaned before. */
  readonly from: Offset;
  /** The end of the last segment. */
  readonly end: Offset;
  /** Of the segments, those that were cleaned before, and those that were not, be it in part. */
  readonly cleanBytes: number;
  readonly dirtyBytes: number;
}

/** What of a log may be cleaned, undefined when nothing is: whole sealed segments that are committed, durable and old. */
export function cleanable(
  segments: readonly SegmentSummary[],
  log: { readonly startOffset: Offset; readonly durableEnd: Offset; readonly cleanPoint: Offset },
  { nowMs, minLagMs, upTo }: CompactionRules,
): Cleanable | undefined {
  const from = offset(Math.max(log.cleanPoint, log.startOffset));
  const found: SegmentSummary[] = [];
  let cleanBytes = 0;
  let dirtyBytes = 0;
  for (const segment of segments) {
    if (segment instanceof ActiveSegment || segment.endOffset > Math.min(log.durableEnd, upTo)) break;
    const isDirty = segment.endOffset > from;
    if (isDirty && minLagMs > 0 && segment.maxTimestampMs > nowMs - minLagMs) break;
    found.push(segment);
    if (isDirty) dirtyBytes += segment.bytes;
    else cleanBytes += segment.bytes;
  }
  const last = found.at(-1);
  if (last === undefined || dirtyBytes === 0) return undefined;
  return { segments: found, from, end: last.endOffset, cleanBytes, dirtyBytes };
}

/** Kafka's `min.cleanable.dirty.ratio` is about this, from 0 to 1. */
export function dirtyRatio({ cleanBytes, dirtyBytes }: Cleanable): number {
  return dirtyBytes / (cleanBytes + dirtyBytes);
}

/** Offsets of one segment, where its first batch begins and behind its last, are at most so far apart. */
const SEGMENT_OFFSETS_MAX = 0x7fff_ffff;

/** Segments that follow each other in groups, each of which fits one segment. */
export function groupSegments(segments: readonly SegmentSummary[], segmentBytes: number): SegmentSummary[][] {
  const groups: SegmentSummary[][] = [];
  let bytes = 0;
  for (const segment of segments) {
    const group = groups.at(-1);
    const fits =
      group !== undefined &&
      bytes + segment.bytes <= segmentBytes &&
      segment.endOffset - group[0]!.baseOffset <= SEGMENT_OFFSETS_MAX;
    if (fits) group.push(segment);
    else groups.push([segment]);
    bytes = fits ? bytes + segment.bytes : segment.bytes;
  }
  return groups;
}
