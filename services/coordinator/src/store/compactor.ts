import type { Cancel, Clock } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import type { Revision } from '@weir/base/ids.ts';
import { COMPACT_INTERVAL_MS } from '@weir/base/limits.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { MetadataStore } from './metadata-store.ts';

/**
 * Has the store forget what changed longer ago than COMPACT_INTERVAL_MS, again and again: no engine does so by itself, and
 * etcd refuses writes once its history has filled it. Every coordinator may do so, the active one or not.
 *
 * @param newest - the newest revision that this coordinator knows; 0 while it knows none
 */
export function compactRegularly(
  store: MetadataStore,
  newest: () => Revision,
  { clock, logger }: { readonly clock: Clock; readonly logger: Pick<Logger, 'warn'> },
): Cancel {
  let before = newest();
  return clock.every(COMPACT_INTERVAL_MS, () => {
    // The next time is soon enough for what fails.
    if (before > 0) {
      store.compact(before).catch((error: unknown) => {
        logger.warn({ err: error }, `the metadata store was not compacted: ${messageOf(error)}`);
      });
    }
    before = newest();
  });
}
