import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { KAFKA_ANSWER_SLICE_MS } from '@weir/base/limits.ts';

/** `all.map(make)`, in slices: what else the broker has to do comes in between. */
export async function inSlices<T, R>(clock: Clock, all: readonly T[], make: (one: T) => R): Promise<R[]> {
  const made: R[] = [];
  let untilMs = clock.monotonicMs() + KAFKA_ANSWER_SLICE_MS;
  for (const one of all) {
    made.push(make(one));
    if (clock.monotonicMs() < untilMs) continue;
    await sleep(clock, 0);
    untilMs = clock.monotonicMs() + KAFKA_ANSWER_SLICE_MS;
  }
  return made;
}
