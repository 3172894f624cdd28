import { assert } from '@weir/base/assert.ts';
import { GROUP_LAG_SAMPLES_MAX } from '@weir/base/group-limits.ts';

/** A high watermark as it was seen. */
interface Sample {
  /** On the monotonic clock. */
  readonly ms: number;
  readonly highWatermark: number;
}

/** When a record was committed to the log, on the monotonic clock: about then, or before anybody looked. */
export type CommitTime =
  | { readonly kind: 'at'; readonly ms: number }
  | { readonly kind: 'before'; readonly ms: number };

/**
 * The high watermarks that a partition had, from which follows when a record was committed: between the last sample that has not got
 * it and the first that has, as if records had come evenly meanwhile.
 *
 * Of two samples in a row that say the same as a new one, the middle says nothing and goes. Once there are too many, the one goes
 * whose neighbours are closest together as seen from now, so that an old record's time is about as exact, for its age, as a young
 * one's. The first and the last stay.
 *
 * Invariants: times and high watermarks never fall from one sample to the next; there are GROUP_LAG_SAMPLES_MAX at most.
 */
export class WatermarkHistory {
  #samples: Sample[] = [];

  get size(): number {
    return this.#samples.length;
  }

  /** Nobody asks for records before `logStart` any more: they are gone. */
  add(nowMs: number, { highWatermark, logStart }: { readonly highWatermark: number; readonly logStart: number }): void {
    const samples = this.#samples;
    assert(nowMs >= (samples.at(-1)?.ms ?? nowMs), 'time does not run backwards');
    // It falls after an unclean election alone: what lay above is gone, and comes again as something else.
    while ((samples.at(-1)?.highWatermark ?? 0) > highWatermark) samples.pop();
    if (samples.at(-1)?.highWatermark === highWatermark && samples.at(-2)?.highWatermark === highWatermark)
      samples.pop();
    samples.push({ ms: nowMs, highWatermark });
    let needless = 0;
    while (needless + 1 < samples.length && samples[needless + 1]!.highWatermark <= logStart) needless++;
    samples.splice(0, needless);
    if (samples.length > GROUP_LAG_SAMPLES_MAX) samples.splice(leastTelling(samples, nowMs), 1);
  }

  /** When the record at an offset was committed; undefined: it is not there yet, as far as anybody has looked. */
  committedAt(offset: number): CommitTime | undefined {
    const after = this.#firstWith(offset);
    if (after === this.#samples.length) return undefined;
    const { ms, highWatermark } = this.#samples[after]!;
    if (after === 0) return { kind: 'before', ms };
    const before = this.#samples[after - 1]!;
    // Committed is the record at p once the high watermark is p + 1.
    const share = (offset + 1 - before.highWatermark) / (highWatermark - before.highWatermark);
    return { kind: 'at', ms: before.ms + share * (ms - before.ms) };
  }

  /** The place of the first sample that has a record. */
  #firstWith(offset: number): number {
    let low = 0;
    let high = this.#samples.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#samples[middle]!.highWatermark > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** The sample without which least is lost: the gap that it would leave is small for its age. */
function leastTelling(samples: readonly Sample[], nowMs: number): number {
  let found = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 1; i < samples.length - 1; i++) {
    const next = samples[i + 1]!.ms;
    const loss = (next - samples[i - 1]!.ms) / (nowMs - next + 1);
    if (loss >= least) continue;
    least = loss;
    found = i;
  }
  return found;
}
