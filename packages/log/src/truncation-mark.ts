import { replaceFile, type Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { decodeStored, encodeStored } from './stored-file.ts';

const KIND = { magic: 'WTRN', version: 1, name: 'truncation mark' };
/** Its name. */
export const TRUNCATION_MARK = 'truncated';
const BODY_BYTES = 24;

/**
 * A log was cut: what the checkpoint and the journal say of offsets below `until` may be of records that are gone.
 *
 * It is durable before the first byte goes, and may stay for ever: once the log has grown past `until`, nothing that is
 * said of an offset behind that can be older than the cut. Until then the log keeps its groups out of the journal, so
 * that all groups that the journal has below `until` are older than the cut (ADR 26).
 */
export interface TruncationMark {
  /** All below it is durable in the log's own files. */
  readonly durable: Offset;
  /** No record was ever written at or behind it before the cut. */
  readonly until: Offset;
  /** The log is being made anew, empty, at this offset: whoever finds the mark goes on with that. */
  readonly restartAt?: Offset;
}

/**
 * Puts the mark in the place of the one before it, durably.
 *
 * @returns the mark
 * @throws DiskError
 */
export function writeTruncationMark(disk: Disk, directory: string, mark: TruncationMark): TruncationMark {
  const body = Buffer.alloc(BODY_BYTES);
  body.writeBigInt64LE(BigInt(mark.durable), 0);
  body.writeBigInt64LE(BigInt(mark.until), 8);
  body.writeBigInt64LE(BigInt(mark.restartAt ?? -1), 16);
  replaceFile(disk, directory, TRUNCATION_MARK, encodeStored(KIND, body));
  return mark;
}

/**
 * The mark of a log, undefined when it was never cut. `damaged`: nobody knows what the journal has of it.
 *
 * @throws DiskError; Error when a newer Weir wrote it
 */
export function readTruncationMark(disk: Disk, directory: string): TruncationMark | 'damaged' | undefined {
  const path = `${directory}/${TRUNCATION_MARK}`;
  const bytes = disk.readFile(path);
  if (bytes === undefined) return undefined;
  const body = decodeStored(KIND, path, bytes);
  if (body?.length !== BODY_BYTES) return 'damaged';
  const [durable, until, restartAt] = [0, 8, 16].map((at) => Number(body.readBigInt64LE(at))) as [
    number,
    number,
    number,
  ];
  const mark = { durable: offset(durable), until: offset(until) };
  return restartAt < 0 ? mark : { ...mark, restartAt: offset(restartAt) };
}

/**
 * Up to where a log is durable for certain, given that somebody said so of an offset: all of it, unless that may have
 * been said of records that were cut.
 */
export function provenEnd(mark: TruncationMark | undefined, said: Offset): Offset {
  return mark === undefined || said <= mark.durable || said > mark.until ? said : mark.durable;
}
