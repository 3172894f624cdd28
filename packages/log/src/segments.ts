import { assert, present } from '@weir/base/assert.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { SegmentSummary } from './index-file.ts';
import type { ActiveSegment } from './segment.ts';

/**
 * A log's segments in offset order: sealed ones, which never change, then the active one. A damaged log has no active
 * one: the sound part of the damaged segment is the last of the sealed.
 *
 * Invariant: each begins at the offset at which the one before it ends.
 */
export class Segments {
  readonly #sealed: SegmentSummary[];
  #active: ActiveSegment | undefined;

  constructor(sealed: SegmentSummary[], active: ActiveSegment | undefined) {
    this.#sealed = sealed;
    this.#active = active;
  }

  get active(): ActiveSegment | undefined {
    return this.#active;
  }

  get count(): number {
    return this.#sealed.length + (this.#active === undefined ? 0 : 1);
  }

  get bytes(): number {
    let bytes = this.#active?.bytes ?? 0;
    for (const segment of this.#sealed) bytes += segment.bytes;
    return bytes;
  }

  /** From 0 to `count`, oldest first. */
  at(index: number): SegmentSummary {
    return present(this.#sealed[index] ?? this.#active, `there is no segment ${index}`);
  }

  /** The index of the segment that contains an offset or, at the log's end, of the last segment. */
  indexOf(value: Offset): number {
    let low = 0;
    let high = this.count;
    // Segments before `low` begin at or below the offset, those from `high` on above it.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle).baseOffset <= value) low = middle + 1;
      else high = middle;
    }
    assert(low > 0, `no segment has offset ${value}`);
    return low - 1;
  }

  /** The active segment becomes the last sealed one. */
  roll(next: ActiveSegment): void {
    const active = present(this.#active, 'a damaged log does not roll');
    assert(next.baseOffset === active.endOffset, 'segments follow each other without a gap');
    this.#sealed.push(active.summary());
    this.#active = next;
  }
}
