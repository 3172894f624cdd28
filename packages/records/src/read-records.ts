import { WeirError } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import {
  baseOffsetOf,
  batchBytesOf,
  isControl,
  lastOffsetOf,
  leaderEpochOf,
  maxTimestampOf,
  recordCountOf,
} from './batch-header.ts';
import { batchProblemAt } from './check-batch.ts';
import type { RecordView } from './record.ts';
import { RecordCursor } from './record-cursor.ts';

export type { RecordView } from './record.ts';

/** A batch as it lies in a buffer. */
export interface BatchView {
  /** Its bytes: a view. */
  readonly bytes: Buffer;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  /** -1 before a leader appended it. */
  readonly leaderEpoch: number;
  readonly maxTimestampMs: number;
  readonly recordCount: number;
}

/**
 * The whole batches that `buffer` consists of, one after another. Headers are checked, CRCs and records are not.
 *
 * @throws WeirError CORRUPT_MESSAGE where something else than a whole batch begins
 */
export function* readBatches(buffer: Buffer): Generator<BatchView, void, undefined> {
  for (let at = 0; at < buffer.length;) {
    const end = batchEnd(buffer, at);
    yield {
      bytes: buffer.subarray(at, end),
      baseOffset: baseOffsetOf(buffer, at),
      lastOffset: lastOffsetOf(buffer, at),
      leaderEpoch: leaderEpochOf(buffer, at),
      maxTimestampMs: maxTimestampOf(buffer, at),
      recordCount: recordCountOf(buffer, at),
    };
    at = end;
  }
}

/**
 * Visits the records of the whole batches that `buffer` consists of, from the offset `from` on, until `visit` says
 * false. Records may be kept (see RecordView for what they keep alive). Control records are left out. Use a
 * RecordCursor where nothing is to be kept.
 *
 * @throws WeirError CORRUPT_MESSAGE where a batch is not whole, has a wrong CRC or malformed records; what came before
 *   it was visited. UNSUPPORTED_COMPRESSION_TYPE for a compression that does not exist
 */
export function readRecords(buffer: Buffer, visit: (record: RecordView) => boolean | void, from = 0): void {
  const cursor = new RecordCursor();
  for (let at = 0; at < buffer.length;) {
    const end = batchEnd(buffer, at);
    if (lastOffsetOf(buffer, at) >= from) {
      // Opened in any case: that it is a control batch is to be believed only under its CRC.
      cursor.open(buffer, at);
      while (!isControl(buffer, at) && cursor.next()) {
        if (cursor.offset >= from && visit(cursor.record()) === false) return;
      }
    }
    at = end;
  }
}

/** All records of `buffer` in a list, read as by `readRecords`. For tests and where few are expected. */
export function listRecords(buffer: Buffer): RecordView[] {
  const records: RecordView[] = [];
  readRecords(buffer, (record) => void records.push(record));
  return records;
}

function batchEnd(buffer: Buffer, at: number): number {
  const problem = batchProblemAt(buffer, at, buffer.length);
  if (problem !== undefined) throw new WeirError('CORRUPT_MESSAGE', `there is no record batch: ${problem}`);
  return at + batchBytesOf(buffer, at);
}
