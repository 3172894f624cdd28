import { replaceFile, type Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { decodeStored, encodeStored } from './stored-file.ts';

const KIND = { magic: 'WLST', version: 1, name: 'log-start file' };
/** Its name. */
export const LOG_START_FILE = 'log-start';

/**
 * Records where a log begins, durably: before a segment below it is removed, and before anybody is told that records
 * are deleted. A log whose first segment begins behind this has lost one.
 */
export function writeLogStart(disk: Disk, directory: string, start: Offset): void {
  const body = Buffer.alloc(8);
  body.writeBigInt64LE(BigInt(start));
  replaceFile(disk, directory, LOG_START_FILE, encodeStored(KIND, body));
}

/**
 * Where the log begins: 0 without the file. Undefined when the file is damaged.
 *
 * @throws Error when a newer Weir wrote it
 */
export function readLogStart(disk: Disk, directory: string): Offset | undefined {
  const path = `${directory}/${LOG_START_FILE}`;
  const bytes = disk.readFile(path);
  if (bytes === undefined) return offset(0);
  const body = decodeStored(KIND, path, bytes);
  const start = body?.length === 8 ? Number(body.readBigInt64LE()) : -1;
  return Number.isSafeInteger(start) && start >= 0 ? offset(start) : undefined;
}
