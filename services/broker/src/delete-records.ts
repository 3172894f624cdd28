import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { APPLY_SLICE_MS } from '@weir/base/limits.ts';
import { Partition } from './partition/partition.ts';

/** The oldest records of one partition. */
export interface RecordsAsked {
  /** Or why it is not served here. */
  readonly partition: Partition | Refusal;
  /** All below this offset; -1: all below the high watermark. */
  readonly before: number;
}

/**
 * Deletes the oldest records of partitions that this broker leads, each on its own: one that is refused does not stop the others.
 * It is done once every replica that may lead next has deleted them as well, so that they do not come back with the next leader.
 *
 * @param timeoutMs - how long the other replicas are waited for, over all partitions
 * @returns where each log begins then, in the order asked; or why it is not known to be so: after REQUEST_TIMED_OUT the records are
 * deleted here
 */
export async function deleteRecords(
  asked: Iterable<RecordsAsked>,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<readonly (Offset | Refusal)[]> {
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  const results: Promise<Offset | Refusal>[] = [];
  let untilMs = clock.monotonicMs() + APPLY_SLICE_MS;
  for (const { partition, before } of asked) {
    const start = partition instanceof Partition ? partition.deleteRecords(before) : partition;
    const isDone = partition instanceof Partition && typeof start === 'number';
    results.push(isDone ? untilDeleted(partition, start, { clock, deadlineMs }) : Promise.resolve(start));
    // Each takes a few syncs, which block.
    if (clock.monotonicMs() < untilMs) continue;
    await sleep(clock, 0);
    untilMs = clock.monotonicMs() + APPLY_SLICE_MS;
  }
  return Promise.all(results);
}

/** Waits for the other replicas. */
function untilDeleted(
  partition: Partition,
  start: Offset,
  { clock, deadlineMs }: { readonly clock: Clock; readonly deadlineMs: number },
): Promise<Offset | Refusal> {
  const { name, leadership } = partition;
  if (leadership!.replicas.haveDeleted(start)) return Promise.resolve(start);
  return new Promise((resolve) => {
    const forget = leadership!.whenDeleted(start, (why) => {
      cancel();
      resolve(why ?? start);
    });
    const cancel = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), () => {
      forget();
      const { isr, minInSync, isEnough } = leadership!.replicas;
      const why = isEnough
        ? 'a replica in sync has not deleted them in time'
        : `${isr.length} replicas are in sync, and ${minInSync} are needed`;
      resolve(refusal('REQUEST_TIMED_OUT', `the records of ${name} below ${start} are deleted on its leader: ${why}`));
    });
  });
}
