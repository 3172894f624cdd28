import type { Refusal } from '@weir/base/errors.ts';

/** First and last offset in a partition, and how many records are there between them. */
interface PartitionTally {
  first: number;
  last: number;
  count: number;
}

/** Of a call to the producer, what is counted here. */
interface Outcome {
  readonly count: number;
  readonly partition: Int32Array;
  readonly offset: Float64Array;
  readonly refusals: ReadonlyMap<number, Refusal>;
}

/** What became of the records of one `weir produce`. */
export class Tally {
  acknowledged = 0;
  refused = 0;
  readonly partitions = new Map<number, PartitionTally>();
  /** The first refusal of each code, with its line. */
  readonly firstRefusals = new Map<string, { readonly line: number; readonly refusal: Refusal; count: number }>();

  /** `firstLine`: line of the call's first record, from 1. */
  add(outcome: Outcome, firstLine: number): void {
    for (let i = 0; i < outcome.count; i++) {
      const offset = outcome.offset[i]!;
      if (offset < 0) continue;
      this.acknowledged++;
      const partition = outcome.partition[i]!;
      const tally = this.partitions.get(partition);
      if (tally === undefined) this.partitions.set(partition, { first: offset, last: offset, count: 1 });
      else {
        tally.first = Math.min(tally.first, offset);
        tally.last = Math.max(tally.last, offset);
        tally.count++;
      }
    }
    for (const [i, refusal] of outcome.refusals) {
      this.refused++;
      const known = this.firstRefusals.get(refusal.code);
      if (known === undefined) this.firstRefusals.set(refusal.code, { line: firstLine + i, refusal, count: 1 });
      else known.count++;
    }
  }

  /** By partition, in order. */
  rows(): { partition: number; first: number; last: number; count: number }[] {
    return [...this.partitions].toSorted(([a], [b]) => a - b).map(([partition, tally]) => ({ partition, ...tally }));
  }
}
