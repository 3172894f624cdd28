import type { Disk, DiskFile } from '@weir/base/disk.ts';
import { decodeStored, encodeStored, STORED_FRAME_BYTES } from '../stored-file.ts';
import { FRAME_MARK_BYTES } from './journal-frame.ts';

/** Where the journal is in a broker's data directory. */
export const JOURNAL_DIRECTORY = 'journal';

const KIND = { magic: 'WJNL', version: 1, name: 'journal file' };
const NAME = /^\d{12}\.journal$/;

/** A journal file starts with so many bytes in front of its first frame. */
export const JOURNAL_HEADER_BYTES = STORED_FRAME_BYTES + FRAME_MARK_BYTES;

/** A journal file's path. Numbers rise by one from file to file. */
export function journalPath(number: number): string {
  return `${JOURNAL_DIRECTORY}/${String(number).padStart(12, '0')}.journal`;
}

/** The numbers of the journal files that are there, in order; undefined when there is no journal. */
export function journalNumbers(disk: Disk): number[] | undefined {
  const names = disk.list(JOURNAL_DIRECTORY);
  if (names === undefined) return undefined;
  return names
    .filter((name) => NAME.test(name))
    .map((name) => Number(name.slice(0, 12)))
    .toSorted((a, b) => a - b);
}

/**
 * Makes an empty journal file, durably: name and header. A bad header in front of frames is damage then.
 *
 * @throws DiskError; no file is left then, as far as the disk lets it
 */
export function createJournalFile(disk: Disk, number: number, mark: Buffer): DiskFile {
  const path = journalPath(number);
  const file = disk.open(path, 'create');
  try {
    file.append([encodeStored(KIND, mark)]);
    file.syncNow();
    disk.syncDirectory(JOURNAL_DIRECTORY);
    return file;
  } catch (error) {
    file.close();
    disk.removeFile(path);
    throw error;
  }
}

/**
 * The mark of a journal file, or undefined when its header is damaged.
 *
 * @throws Error when a newer Weir wrote it
 */
export function markOf(number: number, bytes: Buffer): Buffer | undefined {
  const body = decodeStored(KIND, journalPath(number), bytes.subarray(0, JOURNAL_HEADER_BYTES));
  return body?.length === FRAME_MARK_BYTES ? body : undefined;
}
