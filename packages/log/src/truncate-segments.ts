import { DiskError, type DiskFile } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { baseOffsetOf, lastOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import { decodeIndexFile, type SegmentSummary } from './index-file.ts';
import { BAD_BYTES } from './log-errors.ts';
import type { LogWriterParts } from './log-writer-parts.ts';
import { OffsetIndex } from './offset-index.ts';
import { scanHeaders } from './segment-scan.ts';
import {
  ActiveSegment,
  firstTimestampOf,
  removeIndexes,
  removeSegment,
  segmentPath,
  type SegmentIndexes,
} from './segment.ts';
import { TimeIndex } from './time-index.ts';

/**
 * The last segment of a log as it is once the log has been cut at an offset that is in the segments, or in front of the
 * batch that contains it. Nothing has changed yet. Only headers are read, from the last index entry in front of the cut
 * on: a failover may cut many logs in one turn.
 *
 * @throws DiskError; EBADMSG when there are no batches where they ought to be
 */
export function planTruncation(parts: LogWriterParts, end: Offset): ActiveSegment {
  const { config, epochs, files, segments } = parts;
  const segment = segments.at(segments.indexOf(end));
  const { baseOffset } = segment;
  const { offsets, times, from } = indexesBefore(segment, loadIndexes(parts, segment), end);
  const held = files.acquire(baseOffset, 'append');
  try {
    const { file } = held;
    const cut = new ActiveSegment({
      summary: {
        baseOffset,
        endOffset: from.offset,
        bytes: from.position,
        maxTimestampMs: times.last?.maxTimestampMs ?? -1,
        lastEpoch: from.position === 0 ? -1 : epochs.at(from.offset - 1),
      },
      firstTimestampMs: from.position === 0 ? -1 : firstTimestampOf(file),
      offsets,
      times,
      indexIntervalBytes: config.indexIntervalBytes,
    });
    let isSound = true;
    const visit = (buffer: Buffer, at: number): boolean => {
      isSound = !epochs.contradict(leaderEpochOf(buffer, at), baseOffsetOf(buffer, at));
      if (!isSound || lastOffsetOf(buffer, at) >= end) return false;
      cut.grow(buffer, at);
      return true;
    };
    if (scanHeaders(file, segment, config.groupBytesMax, visit, from) && isSound) return cut;
    throw new DiskError(BAD_BYTES, `there is no sound batch at position ${cut.bytes}`);
  } finally {
    files.release(held);
  }
}

/** Both indexes up to an entry in front of a batch, and the place of that entry. */
function indexesBefore(
  segment: SegmentSummary,
  { offsets, times }: SegmentIndexes,
  end: Offset,
): SegmentIndexes & { readonly from: { readonly position: number; readonly offset: Offset } } {
  // Both have the same positions, but of those with one timestamp the time index has the furthest alone.
  const timesBefore = times.upTo(offsets.positionOf(end - segment.baseOffset));
  const position = timesBefore.last?.position ?? 0;
  const offsetsBefore = offsets.upTo(position);
  const from = { position, offset: offset(segment.baseOffset + (offsetsBefore.last?.relativeOffset ?? 0)) };
  return { offsets: offsetsBefore, times: timesBefore, from };
}

/** Of a sealed segment whose files are missing or damaged, empty ones: it is gone through from its start. */
function loadIndexes({ disk, directory }: LogWriterParts, segment: SegmentSummary): SegmentIndexes {
  if (segment instanceof ActiveSegment) return segment.indexes;
  const [offsets, times] = (['.index', '.timeindex'] as const).map((kind) => {
    const path = segmentPath(directory, segment.baseOffset, kind);
    const bytes = disk.readFile(path);
    return bytes === undefined ? undefined : decodeIndexFile(path, kind, bytes, segment);
  });
  if (offsets === undefined || times === undefined) return { offsets: new OffsetIndex(), times: new TimeIndex() };
  return { offsets: new OffsetIndex(offsets), times: new TimeIndex(times) };
}

/**
 * Cuts a log down to what was planned, durably. A crash leaves any end between the two.
 *
 * @returns bytes that are gone
 * @throws DiskError; how much is gone is not known then
 */
export function truncateSegments(parts: LogWriterParts, cut: ActiveSegment): number {
  const { directory, disk, files, producers, segments } = parts;
  const { bytes } = segments;
  // Newest first, one by one: a segment that is missing in front of another one reads as damage.
  for (const { baseOffset } of segments.snapshot().toReversed()) {
    if (baseOffset === cut.baseOffset) break;
    files.forget(baseOffset);
    removeSegment(disk, directory, baseOffset);
    disk.syncDirectory(directory);
  }
  removeIndexes(disk, directory, cut.baseOffset);
  producers.dropSnapshotsBeyond(cut.endOffset);
  const held = files.acquire(cut.baseOffset, 'append');
  try {
    truncateFile(held.file, cut.bytes);
  } finally {
    files.release(held);
  }
  disk.syncDirectory(directory);
  segments.truncate(cut);
  return bytes - segments.bytes;
}

function truncateFile(file: DiskFile, bytes: number): void {
  file.truncate(bytes);
  file.syncNow();
}
