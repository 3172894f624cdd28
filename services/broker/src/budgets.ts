import { APPEND_PENDING_BYTES_MAX, TAIL_CACHE_BYTES } from '@weir/base/limits.ts';

/** What the broker may hold in memory, over all partitions and streams. */
export interface Budgets {
  /** Recently appended batches that are served from memory. */
  readonly tailCacheBytes: number;
  /** Batches that were taken and do not count yet; past it new ones are refused. */
  readonly appendPendingBytes: number;
}

/** The budgets under a memory limit: an eighth of it each, and never more than the limits say. */
export function budgetsFor(memoryLimitBytes: number): Budgets {
  const share = Math.floor(memoryLimitBytes / 8);
  return {
    tailCacheBytes: Math.min(TAIL_CACHE_BYTES, share),
    appendPendingBytes: Math.min(APPEND_PENDING_BYTES_MAX, share),
  };
}
