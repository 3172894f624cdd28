/** A stretch of time on one clock, in ms; its ends belong to it. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** When records were sent and acknowledged, on one clock in ms, and what that says of stretches of the time. */
export class Acknowledgements {
  readonly #taken: { readonly sentMs: number; readonly ackedMs: number }[] = [];

  /** In the order of the acknowledgements. */
  add(sentMs: number, ackedMs: number): void {
    this.#taken.push({ sentMs, ackedMs });
  }

  get count(): number {
    return this.#taken.length;
  }

  /** The longest time between two acknowledgements of which the latter came within a stretch; NaN when there were none. */
  longestGapMs({ fromMs, toMs }: Stretch): number {
    let longest = Number.NaN;
    for (let i = 1; i < this.#taken.length; i++) {
      const { ackedMs } = this.#taken[i]!;
      if (ackedMs < fromMs || ackedMs > toMs) continue;
      const gap = ackedMs - this.#taken[i - 1]!.ackedMs;
      if (!(gap <= longest)) longest = gap;
    }
    return longest;
  }

  /** The latency that 99 of 100 records stayed below, of those that were sent within a stretch; NaN when there were none. */
  p99Ms({ fromMs, toMs }: Stretch): number {
    const latencies = this.#taken
      .filter(({ sentMs }) => sentMs >= fromMs && sentMs <= toMs)
      .map(({ sentMs, ackedMs }) => ackedMs - sentMs)
      .toSorted((a, b) => a - b);
    return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * 0.99))] ?? Number.NaN;
  }
}
