import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { decodeCheckpoint } from '@weir/log/checkpoint.ts';
import { provenEnd, readTruncationMark } from '@weir/log/truncation-mark.ts';
import type { Chance } from '../engine/chance.ts';
import { batchesIn, segmentsOf } from './replica-log.ts';

/** Of what rots, a stretch of at most so many bytes. */
const STRETCH_BYTES_MAX = 4_096;

/** A part of a segment that its broker had made durable. */
interface Stretch {
  readonly folder: string;
  readonly path: string;
  readonly bytes: number;
}

/**
 * Something changes in a segment that its broker had made durable, and where any start can tell.
 *
 * @param may - whether it may be in that folder
 * @returns the folder; undefined when there was nothing to rot
 */
export function rot(disk: SimulatedDisk, chance: Chance, may: (folder: string) => boolean): string | undefined {
  const stretches = durableOf(disk, may);
  if (stretches.length === 0) return undefined;
  const { folder, path, bytes } = chance.pick(stretches);
  const from = chance.whole(0, bytes - 1);
  if (chance.happens(0.5)) disk.flipBit(path, from, chance.whole(0, 7));
  else disk.rot(path, from, Math.min(bytes, from + chance.whole(1, STRETCH_BYTES_MAX)));
  return folder;
}

/**
 * The newest segment of a log cannot be opened any more, as the disk cannot read where it is.
 *
 * @returns the log's folder; undefined when there was none that was anything to lose
 */
export function loseSegment(disk: SimulatedDisk, chance: Chance, may: (folder: string) => boolean): string | undefined {
  const folders = [...new Set(durableOf(disk, may).map(({ folder }) => folder))];
  if (folders.length === 0) return undefined;
  const folder = chance.pick(folders);
  disk.loseFile(segmentsOf(disk, folder).at(-1)!.path);
  return folder;
}

/**
 * A log is gone with its folder.
 *
 * @returns false when no start could miss it: the checkpoint that no power cut takes back does not name it
 */
export function loseFolder(disk: SimulatedDisk, folder: string): boolean {
  const path = `partitions/${folder}`;
  const names = disk.list(path);
  if (names === undefined || durableCheckpoint(disk)?.has(folder) !== true) return false;
  for (const name of names) disk.removeFile(`${path}/${name}`);
  disk.removeDirectory(path);
  disk.syncDirectory('partitions');
  return true;
}

/**
 * Of the folders where it may be: what has rotted already need not be batches. And only where any later start can tell rot from a
 * torn tail: in sealed segments, and below the checkpoint that no power cut takes back.
 */
function durableOf(disk: SimulatedDisk, may: (folder: string) => boolean): Stretch[] {
  const folders = [...(durableCheckpoint(disk) ?? [])].filter(([folder]) => may(folder));
  return folders.flatMap(([folder, said]) => {
    const mark = readTruncationMark(disk, `partitions/${folder}`);
    // Right after a cut the checkpoint may be of what is gone.
    const checkpointed = mark === 'damaged' ? 0 : provenEnd(mark, said);
    const segments = segmentsOf(disk, folder);
    return segments.flatMap(({ path }, i) => {
      const end = segments[i + 1]?.baseOffset ?? checkpointed;
      const last = [...batchesIn(disk.contentsOf(path)!)].findLast((batch) => batch.lastOffset < end);
      return last === undefined ? [] : [{ folder, path, bytes: last.to }];
    });
  });
}

function durableCheckpoint(disk: SimulatedDisk): ReturnType<typeof decodeCheckpoint> {
  const checkpoint = disk.durableContentsOf('checkpoint');
  return checkpoint === undefined ? undefined : decodeCheckpoint('checkpoint', checkpoint);
}
