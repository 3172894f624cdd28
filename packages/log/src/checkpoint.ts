import { replaceFile, type Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { decodeStored, encodeStored } from './stored-file.ts';

const KIND = { magic: 'WCKP', version: 1, name: 'checkpoint' };
const NAME = 'checkpoint';

/** The durable recovery points of a broker's partitions. */
export interface Checkpoint {
  /** A partition's folder name → the offset below which a returned sync covers everything. */
  readonly offsets: ReadonlyMap<string, Offset>;
  /**
   * The file was there and is no good: the points are unknown (the map is empty), and recovery has to tell a torn
   * tail from damage without them. Worth a warning.
   */
  readonly damaged: boolean;
}

/** Replaces the checkpoint file, or another one in its format, durably. */
export function writeCheckpoint(
  disk: Disk,
  directory: string,
  offsets: ReadonlyMap<string, Offset>,
  name = NAME,
): void {
  replaceFile(disk, directory, name, encodeCheckpoint(offsets));
}

/**
 * Reads the checkpoint file, or another one in its format; no file is no points.
 *
 * @throws Error when a newer Weir wrote it
 */
export function readCheckpoint(disk: Disk, directory: string, name = NAME): Checkpoint {
  const path = `${directory}/${name}`;
  const bytes = disk.readFile(path);
  if (bytes === undefined) return { offsets: new Map(), damaged: false };
  const offsets = decodeCheckpoint(path, bytes);
  return { offsets: offsets ?? new Map<string, Offset>(), damaged: offsets === undefined };
}

/** Entries: offset (8), name length (2), name; behind their number (4). */
export function encodeCheckpoint(offsets: ReadonlyMap<string, Offset>): Buffer {
  let bytes = 4;
  for (const name of offsets.keys()) bytes += 10 + Buffer.byteLength(name);
  const body = Buffer.allocUnsafe(bytes);
  let at = body.writeUInt32LE(offsets.size);
  for (const [name, value] of offsets) {
    at = body.writeBigInt64LE(BigInt(value), at);
    at = body.writeUInt16LE(Buffer.byteLength(name), at);
    at += body.write(name, at);
  }
  return encodeStored(KIND, body);
}

/**
 * The entries, or undefined when the bytes are damaged.
 *
 * @throws Error when a newer Weir wrote them
 */
export function decodeCheckpoint(path: string, bytes: Buffer): Map<string, Offset> | undefined {
  const body = decodeStored(KIND, path, bytes);
  if (body === undefined || body.length < 4) return undefined;
  const offsets = new Map<string, Offset>();
  let at = 4;
  for (let left = body.readUInt32LE(0); left > 0; left--) {
    if (at + 10 > body.length) return undefined;
    const value = Number(body.readBigInt64LE(at));
    const end = at + 10 + body.readUInt16LE(at + 8);
    if (end > body.length || !Number.isSafeInteger(value) || value < 0) return undefined;
    offsets.set(body.toString('utf8', at + 10, end), offset(value));
    at = end;
  }
  return at === body.length ? offsets : undefined;
}
