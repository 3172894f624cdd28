import { present } from '@weir/base/assert.ts';
import { DiskError, type Disk } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import { baseOffsetOf } from '@weir/records/batch-header.ts';
import type { SegmentSummary } from '../index-file.ts';
import { passesByItself } from '../log-errors.ts';
import { scanHeaders } from '../segment-scan.ts';
import { segmentPath } from '../segment.ts';
import { ProducerStates } from './producer-states.ts';
import type { SnapshotFiles } from './snapshot-files.ts';

/** What the producers of a log are told from. */
export interface ProducerRecovery {
  readonly disk: Disk;
  readonly directory: string;
  /** Without any beyond the log's end. */
  readonly files: SnapshotFiles;
  /** All of them, oldest first: the last one is the active one. */
  readonly segments: readonly SegmentSummary[];
  /** What a scan of the whole active segment found; undefined: it was not scanned. */
  readonly scanned: ProducerStates | undefined;
  readonly batchBytesMax: number;
}

/**
 * Finds the producers of a log: in the newest snapshot, and in the headers of the batches behind it. After a clean stop
 * there are none behind it. Without a snapshot the log is gone through from its start.
 *
 * A snapshot from before the first segment is of no use: batches behind it are gone.
 *
 * @throws DiskError; Error when a newer Weir wrote the snapshot
 */
export function findProducers(options: ProducerRecovery): ProducerStates {
  const { files, segments, scanned } = options;
  const sealed = segments.slice(0, -1);
  const active = present(segments.at(-1), 'a sound log has a segment');
  const firstBase = segments[0]!.baseOffset;
  files.removeBefore(firstBase);
  const snapshot = files.load();
  const states = snapshot?.states ?? new ProducerStates();
  const from = snapshot?.at ?? firstBase;
  const behind = sealed.filter(({ endOffset }) => endOffset > from);
  for (const segment of behind) replaySegment(options, segment, { states, from });
  if (scanned !== undefined) states.merge(scanned, from);
  else if (active.endOffset > from) replaySegment(options, active, { states, from });
  if (behind.length > 0) keep(options, active.endOffset, states);
  return states;
}

function replaySegment(
  { disk, directory, batchBytesMax }: ProducerRecovery,
  segment: SegmentSummary,
  { states, from }: { readonly states: ProducerStates; readonly from: Offset },
): void {
  const file = disk.open(segmentPath(directory, segment.baseOffset, '.log'), 'read');
  try {
    const whole = scanHeaders(file, segment, batchBytesMax, (buffer, at) => {
      if (baseOffsetOf(buffer, at) >= from) states.replay(buffer, at);
      return true;
    });
    // Rot: what is known may be older than the batches that cannot be read, and would refuse those that follow them.
    if (!whole) states.clear();
  } finally {
    file.close();
  }
}

/** The next start need not go through sealed segments again. */
function keep({ disk, directory, files }: ProducerRecovery, end: Offset, states: ProducerStates): void {
  try {
    files.write(end, states, { sync: true });
    disk.syncDirectory(directory);
  } catch (error) {
    if (!(error instanceof DiskError) || !passesByItself(error)) throw error;
  }
}
