import type { Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { removeIndexes, segmentName, segmentPath } from '../segment.ts';

const CLEANED = '.log.cleaned';
const SWAP = /^(\d{20})-(\d{20})\.swap$/;
const LOG = /^\d{20}\.log$/;

/** The segments from one offset to another, which one segment is to take the place of. */
export interface SwappedRange {
  readonly base: Offset;
  readonly end: Offset;
}

/** Where the segment that begins at an offset is written anew. */
export function cleanedPath(directory: string, base: Offset): string {
  return `${directory}/${segmentName(base)}${CLEANED}`;
}

/**
 * Decides, durably, that the segment that was written anew, all of it synced, takes the place of others. Whoever finds the
 * name goes on with it.
 *
 * @throws DiskError; unless that was in the sync, nothing has changed
 */
export function decideSwap(disk: Disk, directory: string, { base, end }: SwappedRange): void {
  disk.rename(cleanedPath(directory, base), swapPath(directory, { base, end }));
  disk.syncDirectory(directory);
}

/**
 * Does what was decided, durably; as often as it takes.
 *
 * @throws DiskError; then it is to be gone on with
 */
export function finishSwap(disk: Disk, directory: string, { base, end }: SwappedRange): void {
  for (const name of disk.list(directory) ?? []) {
    const other = LOG.test(name) ? offset(Number(name.slice(0, 20))) : -1;
    if (other < base || other >= end) continue;
    if (other > base) disk.removeFile(segmentPath(directory, offset(other), '.log'));
    removeIndexes(disk, directory, offset(other));
  }
  // Or a segment might be left within the one that has taken its place.
  disk.syncDirectory(directory);
  disk.rename(swapPath(directory, { base, end }), segmentPath(directory, base, '.log'));
  disk.syncDirectory(directory);
}

/** A start: what was decided is done, and what was not has not happened. */
export function finishSwaps(disk: Disk, directory: string): void {
  for (const name of disk.list(directory) ?? []) {
    const [, base, end] = SWAP.exec(name) ?? [];
    if (name.endsWith(CLEANED)) disk.removeFile(`${directory}/${name}`);
    if (base !== undefined) finishSwap(disk, directory, { base: offset(Number(base)), end: offset(Number(end)) });
  }
}

function swapPath(directory: string, { base, end }: SwappedRange): string {
  return `${directory}/${segmentName(base)}-${segmentName(end)}.swap`;
}
