import { replaceFile, type Disk } from '@weir/base/disk.ts';
import { decodeStored, encodeStored } from './stored-file.ts';

const KIND = { magic: 'WCLN', version: 1, name: 'clean-shutdown marker' };
const NAME = 'clean-shutdown';

/**
 * Says that a broker stopped in order: written after the last sync of the last log, removed before any log is opened.
 * It holds the broker epoch of the registration under which the broker stopped.
 */
export function writeCleanMarker(disk: Disk, directory: string, brokerEpoch: number): void {
  const body = Buffer.alloc(8);
  body.writeBigInt64LE(BigInt(brokerEpoch));
  replaceFile(disk, directory, NAME, encodeStored(KIND, body));
}

/**
 * Takes the marker away, durably, and returns the broker epoch in it; undefined when the last stop was not clean. A
 * damaged marker says nothing, so it counts as none.
 *
 * @throws Error when a newer Weir wrote it
 */
export function takeCleanMarker(disk: Disk, directory: string): number | undefined {
  const path = `${directory}/${NAME}`;
  const bytes = disk.readFile(path);
  if (bytes === undefined) return undefined;
  const body = decodeStored(KIND, path, bytes);
  disk.removeFile(path);
  disk.syncDirectory(directory);
  return body?.length === 8 ? Number(body.readBigInt64LE()) : undefined;
}
