import {
  APPEND_PENDING_BYTES_MAX,
  COMPACTION_MAP_BYTES,
  KAFKA_REQUEST_BYTES_USED_MAX,
  READ_AHEAD_BYTES_MAX,
  SLABS_USED_BYTES,
  TAIL_CACHE_BYTES,
} from '@weir/base/limits.ts';

/** What the broker may hold in memory, over all partitions and streams. */
export interface Budgets {
  /** Recently appended batches that are served from memory. */
  readonly tailCacheBytes: number;
  /** Batches that were taken and do not count yet; past it new ones are refused. */
  readonly appendPendingBytes: number;
  /** Payload memory that is kept for the next use. */
  readonly slabIdleBytes: number;
  /** Payload memory in use, by all of the above and by what is being sent; above it what waits to be sent is copied. */
  readonly slabUsedBytes: number;
  /** Requests of Kafka clients that are arriving or wait to be begun. */
  readonly kafkaRequestBytes: number;
  /** What was read from segments for readers that will come for it. */
  readonly readAheadBytes: number;
  /** The keys that one pass of compaction remembers. */
  readonly compactionMapBytes: number;
}

/**
 * The budgets under a memory limit: an eighth of it for what is kept, a quarter of that for what is read ahead, half of that for
 * compaction, half of it for all payload memory in use; and never more than the limits say.
 */
export function budgetsFor(memoryLimitBytes: number): Budgets {
  const share = Math.floor(memoryLimitBytes / 8);
  return {
    tailCacheBytes: Math.min(TAIL_CACHE_BYTES, share),
    appendPendingBytes: Math.min(APPEND_PENDING_BYTES_MAX, share),
    slabIdleBytes: Math.min(TAIL_CACHE_BYTES, share),
    slabUsedBytes: Math.min(SLABS_USED_BYTES, 4 * share),
    kafkaRequestBytes: Math.min(KAFKA_REQUEST_BYTES_USED_MAX, share),
    readAheadBytes: Math.min(READ_AHEAD_BYTES_MAX, Math.floor(share / 4)),
    compactionMapBytes: Math.min(COMPACTION_MAP_BYTES, Math.floor(share / 2)),
  };
}
