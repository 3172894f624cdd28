import { createSegmentFile } from './log-folder.ts';
import type { LogWriterParts } from './log-writer-parts.ts';
import { emptySegment, type ActiveSegment } from './segment.ts';

/**
 * Seals the active segment, which is durable, and makes the one that follows it.
 *
 * @throws DiskError; it can be tried again
 */
export function sealSegment(parts: LogWriterParts, active: ActiveSegment): ActiveSegment {
  const { disk, directory, config, producers } = parts;
  active.writeIndexes(disk, directory);
  const baseOffset = active.endOffset;
  producers.seal(baseOffset);
  createSegmentFile(disk, directory, baseOffset);
  return emptySegment(baseOffset, config.indexIntervalBytes);
}

/**
 * Writes what the next start would have to find out from the active segment: the log is closed, with all of it durable.
 *
 * @throws DiskError
 */
export function closeSegment({ disk, directory, producers, segments }: LogWriterParts, active: ActiveSegment): void {
  active.writeIndexes(disk, directory);
  producers.close(active.endOffset, { activeBase: active.baseOffset, bytes: segments.bytes });
}
