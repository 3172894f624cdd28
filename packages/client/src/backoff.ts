import type { Random } from '@weir/base/random.ts';

/** Waits between tries: doubling from a least to a most, each somewhere in its upper half, so that clients spread. */
export interface BackoffRange {
  readonly minMs: number;
  readonly maxMs: number;
}

/** How long to wait after that many failures in a row, in whole milliseconds from 1. */
export function backoffMs(failures: number, range: BackoffRange, random: Random): number {
  const ceiling = Math.min(range.maxMs, range.minMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(1, Math.round(ceiling * (0.5 + random.unit() / 2)));
}
