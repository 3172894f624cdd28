import type { Offset } from '@weir/base/ids.ts';

/** What a read found at once. */
export type LogRead =
  /** Whole batches, the first of which contains the offset asked for, as views of the tail cache. */
  | { readonly kind: 'batches'; readonly buffers: Buffer[]; readonly nextOffset: Offset }
  /** They are on disk: hand the plan to `readCold`. */
  | { readonly kind: 'cold'; readonly plan: ColdRead }
  /** Below the log's start or above its end. */
  | { readonly kind: 'outOfRange' }
  /** Nothing below `upTo` yet. */
  | { readonly kind: 'atEnd' };

/**
 * What a reader is to get: `records` leaves out the placeholders that compaction has put in the place of batches, as long as
 * there is anything else; `batches` is all that there is, each behind the one before it.
 */
export type ReadView = 'records' | 'batches';

/** A read that has to go to the disk. */
export interface ColdRead {
  /** Absent: `records`. */
  readonly view?: ReadView;
  readonly from: Offset;
  /** Whole batches up to so many bytes; the first goes whole even when it is larger. */
  readonly maxBytes: number;
  /** No batch that reaches this offset. */
  readonly upTo: Offset;
}

/** A record found by its timestamp. */
export interface TimestampedOffset {
  readonly offset: Offset;
  readonly timestampMs: number;
}
