import { WeirError, messageOf } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { FETCH_FRAME_BYTES, LEADER_WAIT_MS } from '@weir/base/limits.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import type { ClientWorld } from '../world.ts';
import type { Fetcher } from './fetcher.ts';

/** A first frame of this much answers small reads without reading ahead for them. */
const FIRST_CREDIT_BYTES = 64 * 1024;

/** A stretch of one partition. */
export interface ReadRequest {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly maxRecords: number;
  /** Of batches, as they are stored; the first batch counts as fitting. */
  readonly maxBytes: number;
  /** How long to wait when there is nothing yet. */
  readonly waitMs: number;
  /** Ends the wait early, with what there is. */
  readonly signal?: AbortSignal;
}

/** What was there. */
export interface ReadResult {
  /** Views of the frames they came in. */
  readonly records: readonly RecordView[];
  /** Where to read on; past `records` by offsets that no longer exist. */
  readonly nextOffset: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/**
 * Reads what is there now, and waits only when that is nothing.
 *
 * @throws WeirError (as a rejection): OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, CORRUPT_MESSAGE,
 * LEADER_NOT_AVAILABLE when no leader answers within `waitMs`, or LEADER_WAIT_MS where that is longer
 */
export function read(fetcher: Fetcher, clock: ClientWorld['clock'], request: ReadRequest): Promise<ReadResult> {
  return new Promise((resolve, reject) => {
    const records: RecordView[] = [];
    let nextOffset = request.offset;
    let readBytes = 0;
    let creditBytes = Math.min(request.maxBytes, FIRST_CREDIT_BYTES);
    let waited = request.waitMs === 0;
    let marks: { highWatermark: number; logStartOffset: number } | undefined;

    const release = (): void => {
      subscription.close();
      cancelWait();
      cancelLeaderWait();
      request.signal?.removeEventListener('abort', answerOrFail);
    };
    const answer = (): void => {
      release();
      const { highWatermark, logStartOffset } = marks!;
      resolve({ records, nextOffset, highWatermark, logStartOffset });
    };
    const fail = (why: Refusal): void => {
      release();
      reject(new WeirError(why.code, why.message));
    };
    const answerOrFail = (): void => {
      if (marks !== undefined) answer();
      else
        fail({ code: 'LEADER_NOT_AVAILABLE', message: `no leader of ${request.topic}/${request.partition} answers` });
    };

    const subscription = fetcher.subscribe(
      { topic: request.topic, partition: request.partition, offset: request.offset, creditBytes },
      {
        batches(frame, info) {
          marks = info;
          readBytes += frame.length;
          creditBytes -= frame.length;
          try {
            nextOffset = take(frame, { from: nextOffset, next: info.nextOffset }, request.maxRecords, records);
          } catch (error) {
            const code = error instanceof WeirError ? error.code : 'CORRUPT_MESSAGE';
            return fail({ code, message: messageOf(error) });
          }
          const atEnd = nextOffset >= info.highWatermark;
          const enough = records.length >= request.maxRecords || readBytes >= request.maxBytes;
          // A frame of removed records only answers nothing yet, unless it is the last.
          if (enough || (atEnd && records.length > 0)) return answer();
          const wanted = Math.min(FETCH_FRAME_BYTES, request.maxBytes - readBytes);
          if (creditBytes < wanted) {
            subscription.credit(wanted - creditBytes);
            creditBytes = wanted;
          }
        },
        caughtUp(info) {
          marks = info;
          if (records.length > 0 || waited || request.signal?.aborted === true) answer();
        },
        ended: fail,
      },
    );
    const cancelWait = clock.after(request.waitMs, () => {
      waited = true;
      // Without a word from the leader there is nothing to answer yet; and what has begun to come goes on to its end.
      if (marks !== undefined && records.length === 0) answer();
    });
    const cancelLeaderWait = clock.after(Math.max(request.waitMs, LEADER_WAIT_MS), answerOrFail);
    request.signal?.addEventListener('abort', answerOrFail);
  });
}

/** Takes a frame's records from an offset on; tells where to read on. */
function take(
  frame: Buffer,
  offsets: { readonly from: number; readonly next: number },
  maxRecords: number,
  into: RecordView[],
): number {
  let { next } = offsets;
  readRecords(frame, (record) => {
    if (record.offset < offsets.from) return true;
    if (into.length >= maxRecords) {
      next = record.offset;
      return false;
    }
    into.push(record);
    return true;
  });
  return next;
}
