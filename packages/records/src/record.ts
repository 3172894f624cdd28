import type { Offset } from '@weir/base/ids.ts';
import { RECORD_HEADERS_MAX } from '@weir/base/limits.ts';

/** A header of a record. The same key may come several times. */
export interface RecordHeader<Bytes extends Uint8Array = Uint8Array> {
  readonly key: string;
  readonly value: Bytes | null;
}

/** A record on its way into a batch. A null value is a tombstone. */
export interface NewRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** Milliseconds since 1970, a safe integer from 0. */
  readonly timestampMs: number;
}

/**
 * A record as read. Key and values are views: they keep the buffer alive that they were read from (the fetched frame,
 * or what a compressed batch was decompressed to), so copy what is to be kept for long.
 */
export interface RecordView {
  readonly offset: Offset;
  /** Milliseconds since 1970; -1 when its producer gave none. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader<Buffer>[];
}

/** Why a record is refused before it gets to a batch, or undefined when it is fine. Its size is the batch's matter. */
export function recordProblem(record: NewRecord): string | undefined {
  const { timestampMs, headers } = record;
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    return `a timestamp is a whole number of milliseconds since 1970, not ${timestampMs}`;
  }
  if (headers !== undefined && headers.length > RECORD_HEADERS_MAX) {
    return `a record has at most ${RECORD_HEADERS_MAX} headers, this one has ${headers.length}`;
  }
  return undefined;
}
