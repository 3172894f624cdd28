/** Buckets to each doubling: a value is off by at most a 64th. */
const BUCKETS_PER_DOUBLING = 64;
/** From a microsecond to about an hour. */
const DOUBLINGS = 32;

/**
 * Durations, of which percentiles are asked. However many are recorded, it takes the same little memory. Node's own
 * histogram takes one value at a time, and here one call stands for all records of a batch.
 */
export class Percentiles {
  readonly #counts = new Float64Array(BUCKETS_PER_DOUBLING * DOUBLINGS + 1);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  /** NaN without any. */
  get averageMs(): number {
    return this.#sumMs / this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** `times`: so many took that long. */
  record(durationMs: number, times = 1): void {
    this.#counts[bucketOf(durationMs)]! += times;
    this.#count += times;
    this.#sumMs += durationMs * times;
    this.#maxMs = Math.max(this.#maxMs, durationMs);
  }

  /** What `percent` of them took at most; NaN without any. */
  at(percent: number): number {
    if (this.#count === 0) return Number.NaN;
    const wanted = Math.ceil((percent / 100) * this.#count);
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted && seen > 0) return Math.min(this.#maxMs, upperMs(bucket));
    }
    return this.#maxMs;
  }
}

function bucketOf(durationMs: number): number {
  const micros = Math.max(1, durationMs * 1_000);
  return Math.min(BUCKETS_PER_DOUBLING * DOUBLINGS, Math.ceil(Math.log2(micros) * BUCKETS_PER_DOUBLING));
}

function upperMs(bucket: number): number {
  return 2 ** (bucket / BUCKETS_PER_DOUBLING) / 1_000;
}
