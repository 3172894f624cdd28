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
  #sealed: SegmentSummary[];
  #sealedBytes = 0;
  #active: ActiveSegment | undefined;

  constructor(sealed: SegmentSummary[], active: ActiveSegment | undefined) {
    this.#sealed = sealed;
    this.#active = active;
    for (const segment of sealed) this.#sealedBytes += segment.bytes;
  }

  get active(): ActiveSegment | undefined {
    return this.#active;
  }

  get count(): number {
    return this.#sealed.length + (this.#active === undefined ? 0 : 1);
  }

  get bytes(): number {
    return this.#sealedBytes + (this.#active?.bytes ?? 0);
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
    this.#sealedBytes += active.bytes;
    this.#active = next;
  }

  /** The oldest sealed ones are gone. A read that holds one of them goes on with it. */
  dropOldest(count: number): void {
    assert(count <= this.#sealed.length, 'the active segment stays');
    for (const segment of this.#sealed.slice(0, count)) this.#sealedBytes -= segment.bytes;
    this.#sealed = this.#sealed.slice(count);
  }

  /** Whether a segment is one of the sealed ones, as it was when somebody looked. */
  has(segment: SegmentSummary): boolean {
    return this.#sealed[this.#placeOf(segment)] === segment;
  }

  /** Sealed ones that follow each other have become one. A read that holds one of them has to look again. */
  replace(replaced: readonly SegmentSummary[], by: SegmentSummary): void {
    const first = present(replaced[0], 'some are replaced');
    const last = replaced.at(-1)!;
    assert(by.baseOffset === first.baseOffset && by.endOffset === last.endOffset, 'offsets stay where they are');
    assert(
      replaced.every((segment) => this.has(segment)),
      'what is replaced is there',
    );
    const at = this.#placeOf(first);
    this.#sealed = this.#sealed.toSpliced(at, replaced.length, by);
    this.#sealedBytes += by.bytes;
    for (const { bytes } of replaced) this.#sealedBytes -= bytes;
  }

  /** The log ends in this segment now, which was one of them; those behind it are gone. */
  truncate(active: ActiveSegment): void {
    const kept = this.#sealed.filter(({ baseOffset }) => baseOffset < active.baseOffset);
    for (const segment of this.#sealed.slice(kept.length)) this.#sealedBytes -= segment.bytes;
    this.#sealed = kept;
    this.#active = active;
  }

  /** The log is made anew. */
  restart(active: ActiveSegment): void {
    this.#sealed = [];
    this.#sealedBytes = 0;
    this.#active = active;
  }

  #placeOf({ baseOffset }: SegmentSummary): number {
    const isThere = this.#sealed.length > 0 && this.#sealed[0]!.baseOffset <= baseOffset;
    return isThere ? this.indexOf(baseOffset) : -1;
  }

  /** All of them, oldest first, as they are now: for who goes through them while the log goes on. */
  snapshot(): SegmentSummary[] {
    return this.#active === undefined ? [...this.#sealed] : [...this.#sealed, this.#active];
  }
}
