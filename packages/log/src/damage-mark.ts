import { DiskError, replaceFile, type Disk } from '@weir/base/disk.ts';

/** Its name. */
export const DAMAGE_MARK = 'damaged';
/** What is read of it: it is for people. */
const SHOWN_LENGTH_MAX = 1_000;

/**
 * Remembers that a read found bytes that are not what was written: the next start would not look at them, and trust the
 * log again. The file is there until the replica has been made anew, or a person has looked at it and removes it. Where it
 * cannot be written, what was found is as true, and only shorter-lived.
 */
export function writeDamageMark(disk: Disk, directory: string, why: string): void {
  try {
    replaceFile(disk, directory, DAMAGE_MARK, Buffer.from(`${why}\n`));
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}

/** What was found wrong with the log by an earlier run; undefined: nothing. */
export function readDamageMark(disk: Disk, directory: string): string | undefined {
  const text = disk.readFile(`${directory}/${DAMAGE_MARK}`)?.toString('utf8', 0, SHOWN_LENGTH_MAX).trim();
  return text === undefined ? undefined : `an earlier run found damage: ${text}`;
}
