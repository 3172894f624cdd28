import type { Disk } from '@weir/base/disk.ts';
import { DAMAGE_MARK } from './damage-mark.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { createSegmentFile } from './log-folder.ts';
import { writeLogStart } from './log-start.ts';
import { writeTruncationMark, type TruncationMark } from './truncation-mark.ts';

const OF_SEGMENTS = /^\d{20}(-\d{20})?\.(log|index|timeindex|snapshot|no-producers|clean|swap|log\.cleaned)$/;

/**
 * Makes a log's folder that of an empty log, durably, that begins where the mark says that all is durable. The mark in the
 * folder says so until it is done: a start goes on with it, as often as it takes.
 *
 * @returns the mark that stays
 * @throws DiskError
 */
export function restartLog(disk: Disk, directory: string, { durable: start, until }: TruncationMark): TruncationMark {
  writeTruncationMark(disk, directory, { durable: start, until, restartAt: start });
  for (const name of disk.list(directory) ?? []) {
    if (OF_SEGMENTS.test(name) || name === DAMAGE_MARK) disk.removeFile(`${directory}/${name}`);
  }
  new LeaderEpochs().write(disk, directory);
  writeLogStart(disk, directory, start);
  createSegmentFile(disk, directory, start);
  return writeTruncationMark(disk, directory, { durable: start, until });
}
