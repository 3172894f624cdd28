import type { Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { crc32c } from '@weir/records/crc32c.ts';
import { decodeStored, encodeStored, STORED_FRAME_BYTES, type StoredKind } from './stored-file.ts';

/** The two indexes of a segment, by the end of their file's name. */
export type IndexKind = '.index' | '.timeindex';

const KINDS: Record<IndexKind, StoredKind> = {
  '.index': { magic: 'WIDX', version: 2, name: 'segment index' },
  '.timeindex': { magic: 'WTIX', version: 2, name: 'segment time index' },
};

const BODY_BYTES = 44;
/** An index file starts with so many bytes in front of its entries. */
export const INDEX_HEADER_BYTES = STORED_FRAME_BYTES + BODY_BYTES;

/** What an index file says about its segment. */
export interface SegmentSummary {
  readonly baseOffset: Offset;
  /** One past its last record. */
  readonly endOffset: Offset;
  /** Size of the segment's log file. */
  readonly bytes: number;
  /** -1 when there is none. */
  readonly maxTimestampMs: number;
  /** Leader epoch of its last batch, -1 without one: a leader-epoch file that says otherwise has lost entries. */
  readonly lastEpoch: number;
}

/** A checked header. */
export interface IndexHeader {
  readonly summary: SegmentSummary;
  readonly entriesBytes: number;
  readonly entriesCrc: number;
}

/**
 * Writes an index file: a header in the frame of all stored files, then the entries, whose CRC the header has.
 * Nothing is synced: an index that a crash tears is found out by its sizes and CRCs and made again from the log.
 */
export function writeIndexFile(
  disk: Disk,
  path: string,
  kind: IndexKind,
  { summary, entries }: { summary: SegmentSummary; entries: Buffer },
): void {
  const body = Buffer.allocUnsafe(BODY_BYTES);
  body.writeBigInt64LE(BigInt(summary.baseOffset), 0);
  body.writeBigInt64LE(BigInt(summary.endOffset), 8);
  body.writeBigInt64LE(BigInt(summary.bytes), 16);
  body.writeBigInt64LE(BigInt(summary.maxTimestampMs), 24);
  body.writeUInt32LE(entries.length, 32);
  body.writeUInt32LE(crc32c(entries), 36);
  body.writeInt32LE(summary.lastEpoch, 40);
  disk.removeFile(path);
  const file = disk.open(path, 'create');
  try {
    file.append([encodeStored(KINDS[kind], body), entries]);
  } finally {
    file.close();
  }
}

/**
 * The header at the front of an index file, or undefined when it is damaged or the file has not the size it says.
 *
 * @throws Error when a newer Weir wrote it
 */
export function decodeIndexHeader(path: string, kind: IndexKind, front: Buffer, size: number): IndexHeader | undefined {
  if (front.length < INDEX_HEADER_BYTES) return undefined;
  const body = decodeStored(KINDS[kind], path, front.subarray(0, INDEX_HEADER_BYTES));
  // An older version's is shorter: it is made again.
  if (body?.length !== BODY_BYTES) return undefined;
  const entriesBytes = body.readUInt32LE(32);
  if (size !== INDEX_HEADER_BYTES + entriesBytes) return undefined;
  return {
    summary: {
      baseOffset: offset(Number(body.readBigInt64LE(0))),
      endOffset: offset(Number(body.readBigInt64LE(8))),
      bytes: Number(body.readBigInt64LE(16)),
      maxTimestampMs: Number(body.readBigInt64LE(24)),
      lastEpoch: body.readInt32LE(40),
    },
    entriesBytes,
    entriesCrc: body.readUInt32LE(36),
  };
}

/** The entries of a whole index file, or undefined when the file is not a sound one of exactly this segment. */
export function decodeIndexFile(
  path: string,
  kind: IndexKind,
  bytes: Buffer,
  segment: { readonly baseOffset: Offset; readonly bytes: number },
): Buffer | undefined {
  const header = decodeIndexHeader(path, kind, bytes, bytes.length);
  if (header === undefined || header.summary.baseOffset !== segment.baseOffset) return undefined;
  if (header.summary.bytes !== segment.bytes) return undefined;
  const entries = bytes.subarray(INDEX_HEADER_BYTES);
  return crc32c(entries) === header.entriesCrc ? entries : undefined;
}
