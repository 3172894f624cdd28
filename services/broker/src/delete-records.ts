import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import { APPLY_SLICE_MS } from '@weir/base/limits.ts';
import { Partition } from './partition/partition.ts';

/** The other replicas are waited for so long at most, whatever a client asks for. */
const WAIT_MS_MAX = 60_000;

/** The oldest records of one partition. */
export interface RecordsAsked {
  /** Or why it is not served here. */
  readonly partition: Partition | Refusal;
  /** All below this offset; -1: all below the high watermark. */
  readonly before: number;
}

/** How long whoever asked waits. */
export interface DeletionPatience {
  readonly clock: Clock;
  /** For all partitions together; WAIT_MS_MAX at most. */
  readonly timeoutMs: number;
  /** Is handed what ends all waits: for when nobody is there any more to be answered. */
  readonly onGone?: (end: () => void) => void;
}

/**
 * Deletes the oldest records of partitions that this broker leads, each on its own: one that is refused does not stop the others.
 * It is done once every replica that may lead next has deleted them as well, so that they do not come back with the next leader.
 *
 * @returns where each log begins then, in the order asked; or why it is not known to be so: after REQUEST_TIMED_OUT the records are
 * deleted here
 */
export async function deleteRecords(
  asked: Iterable<RecordsAsked>,
  { clock, timeoutMs, onGone }: DeletionPatience,
): Promise<readonly (Offset | Refusal)[]> {
  const over = new AbortController();
  const cancel = clock.after(Math.min(timeoutMs, WAIT_MS_MAX), () => over.abort());
  onGone?.(() => over.abort());
  const results: Promise<Offset | Refusal>[] = [];
  let untilMs = clock.monotonicMs() + APPLY_SLICE_MS;
  for (const { partition, before } of asked) {
    const outcome = partition instanceof Partition ? deleteOne(partition, before, over.signal) : partition;
    results.push(Promise.resolve(outcome));
    // Each takes a few syncs, which block.
    if (clock.monotonicMs() < untilMs) continue;
    await sleep(clock, 0);
    untilMs = clock.monotonicMs() + APPLY_SLICE_MS;
  }
  const starts = await Promise.all(results);
  cancel();
  return starts;
}

/** @param over - nobody waits for the other replicas any more */
function deleteOne(
  partition: Partition,
  before: number,
  over: AbortSignal,
): Promise<Offset | Refusal> | Offset | Refusal {
  const start = partition.deleteRecords(before);
  const { leadership } = partition;
  if (typeof start !== 'number' || leadership === undefined) return start;
  const below = before === -1 ? start : before;
  if (below <= leadership.replicas.deletedBelow) return start;
  return new Promise((resolve) => {
    const forget = leadership.whenDeleted(offset(below), (why) => resolve(why ?? start));
    const end = (): void => {
      forget();
      const { isr, minInSync, isEnough } = leadership.replicas;
      const why = isEnough
        ? 'a replica in sync has not deleted them in time'
        : `${isr.length} in sync are fewer than the ${minInSync} that are needed`;
      const message = `the records of ${partition.name} below ${below} are deleted on its leader: ${why}`;
      resolve(refusal('REQUEST_TIMED_OUT', message));
    };
    if (over.aborted) end();
    else over.addEventListener('abort', end, { once: true });
  });
}
