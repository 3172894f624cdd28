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
  const waits = new Waits();
  const cancel = clock.after(Math.min(timeoutMs, WAIT_MS_MAX), () => waits.end());
  onGone?.(() => waits.end());
  const results: Promise<Offset | Refusal>[] = [];
  let untilMs = clock.monotonicMs() + APPLY_SLICE_MS;
  for (const { partition, before } of asked) {
    results.push(Promise.resolve(partition instanceof Partition ? deleteOne(partition, before, waits) : partition));
    // Each takes a few syncs, which block.
    if (clock.monotonicMs() < untilMs) continue;
    await sleep(clock, 0);
    untilMs = clock.monotonicMs() + APPLY_SLICE_MS;
  }
  const starts = await Promise.all(results);
  cancel();
  return starts;
}

/** What waits for other replicas, of one request. */
class Waits {
  readonly #ends = new Set<() => void>();
  #isOver = false;

  /** @param end - called once, when the time is over, unless it is taken back first */
  add(end: () => void): () => void {
    if (this.#isOver) end();
    else this.#ends.add(end);
    return () => void this.#ends.delete(end);
  }

  end(): void {
    this.#isOver = true;
    for (const end of this.#ends) end();
  }
}

function deleteOne(partition: Partition, before: number, waits: Waits): Promise<Offset | Refusal> | Offset | Refusal {
  const start = partition.deleteRecords(before);
  const { leadership } = partition;
  if (typeof start !== 'number' || leadership === undefined) return start;
  const below = before === -1 ? start : before;
  if (below <= leadership.replicas.deletedBelow) return start;
  return new Promise((resolve) => {
    let takeBack: (() => void) | undefined;
    const forget = leadership.whenDeleted(offset(below), (why) => {
      takeBack?.();
      resolve(why ?? start);
    });
    takeBack = waits.add(() => {
      forget();
      const { isr, minInSync, isEnough } = leadership.replicas;
      const why = isEnough
        ? 'a replica in sync has not deleted them in time'
        : `${isr.length} in sync are fewer than the ${minInSync} that are needed`;
      resolve(
        refusal(
          'REQUEST_TIMED_OUT',
          `the records of ${partition.name} below ${below} are deleted on its leader: ${why}`,
        ),
      );
    });
  });
}
