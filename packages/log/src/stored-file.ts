import { assert } from '@weir/base/assert.ts';
import { crc32c } from '@weir/records/crc32c.ts';

/** A kind of small file, told by its first four characters. */
export interface StoredKind {
  readonly magic: string;
  /** The highest format version that this code knows. */
  readonly version: number;
  /** For messages. */
  readonly name: string;
}

/** What `encodeStored` adds to a body. */
export const STORED_FRAME_BYTES = 16;

/**
 * The frame of every small file of a log: magic (4), format version (4), body length (4), body, CRC32C of all before
 * it (4), little-endian. The frame is the same in every version, so that a newer file can be told from a damaged one.
 */
export function encodeStored(kind: StoredKind, body: Uint8Array): Buffer {
  assert(kind.magic.length === 4, 'four characters of magic');
  const bytes = Buffer.allocUnsafe(body.length + STORED_FRAME_BYTES);
  bytes.write(kind.magic, 0, 'latin1');
  bytes.writeUInt32LE(kind.version, 4);
  bytes.writeUInt32LE(body.length, 8);
  bytes.set(body, 12);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 12 + body.length)), 12 + body.length);
  return bytes;
}

/**
 * The body of a stored file, or undefined when it is damaged.
 *
 * @throws Error when a newer Weir wrote it
 */
export function decodeStored(kind: StoredKind, path: string, bytes: Buffer): Buffer | undefined {
  if (bytes.length < STORED_FRAME_BYTES || bytes.toString('latin1', 0, 4) !== kind.magic) return undefined;
  const end = 12 + bytes.readUInt32LE(8);
  if (end + 4 !== bytes.length) return undefined;
  if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return undefined;
  const version = bytes.readUInt32LE(4);
  if (version > kind.version) {
    throw new Error(
      `${path} is a ${kind.name} of format version ${version}; this Weir knows versions up to ${kind.version}: ` +
        'run the newer Weir that wrote it',
    );
  }
  return bytes.subarray(12, end);
}
