import { assert, violated } from '@weir/base/assert.ts';
import { leaderEpoch, offset, type Offset } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf, leaderEpochOf } from '@weir/records/batch-header.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { LogWriterParts } from './log-writer-parts.ts';
import { stampBatch } from './stamp-batch.ts';

/**
 * Batches that have their offsets and wait to be written, in offset order; each with a reference to its memory, which
 * goes to whoever takes it.
 *
 * Invariant: they follow each other without a gap, up to `endOffset`.
 */
export class AppendQueue {
  readonly #slabs: Slabs;
  readonly #epochs: LeaderEpochs;
  readonly #bytesMax: number;
  #batches: Buffer[] = [];
  #bytes = 0;
  /** The next offset to be given out. */
  endOffset: Offset;

  constructor({ slabs, epochs, config }: LogWriterParts, endOffset: Offset) {
    this.#slabs = slabs;
    this.#epochs = epochs;
    this.#bytesMax = config.groupBytesMax;
    this.endOffset = endOffset;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get first(): Buffer | undefined {
    return this.#batches[0];
  }

  /** Gives a batch its offsets and the latest epoch, and returns its base offset; see `Log.append`. */
  append(batch: Buffer): Offset {
    const base = this.endOffset;
    const epoch = this.#epochs.latest;
    assert(epoch !== -1, 'an epoch begins before the first append');
    this.#push(batch, stampBatch(batch, base, epoch));
    return base;
  }

  /** Takes a batch with the offsets and the epoch that it has; see `Log.appendReplicated`. */
  appendReplicated(batch: Buffer): void {
    const base = baseOffsetOf(batch, 0);
    const last = lastOffsetOf(batch, 0);
    const epoch = leaderEpoch(leaderEpochOf(batch, 0));
    const { latest } = this.#epochs;
    assert(batch.length === batchBytesOf(batch, 0), 'one whole batch is appended at a time');
    if (base !== this.endOffset) violated(`a batch at ${base} follows offset ${this.endOffset}`);
    assert(last >= base, 'a batch has at least one record');
    if (epoch < latest) violated(`a batch of leader epoch ${epoch} follows leader epoch ${latest}`);
    this.#push(batch, offset(last + 1));
    if (epoch > latest) this.#epochs.noteAhead(epoch, base);
  }

  /**
   * How many from the front on are at most `bytesMax` long, of one leader epoch, and fit; the first one counts in any
   * case.
   */
  count(bytesMax: number, fits: (batch: Buffer, bytesBefore: number) => boolean): number {
    let count = 0;
    let bytes = 0;
    const epoch = this.first === undefined ? -1 : leaderEpochOf(this.first, 0);
    for (const batch of this.#batches) {
      if (count > 0 && (bytes + batch.length > bytesMax || leaderEpochOf(batch, 0) !== epoch || !fits(batch, bytes))) {
        break;
      }
      bytes += batch.length;
      count += 1;
    }
    return count;
  }

  /** So many from the front on. */
  peek(count: number): readonly Buffer[] {
    return count === this.#batches.length ? this.#batches : this.#batches.slice(0, count);
  }

  /** Takes so many off the front. */
  take(count: number): readonly Buffer[] {
    const taken = this.peek(count);
    this.#batches = count === this.#batches.length ? [] : this.#batches.slice(count);
    for (const batch of taken) this.#bytes -= batch.length;
    return taken;
  }

  /** Drops the batches that reach an offset or lie behind it. */
  truncate(end: Offset): void {
    let kept = this.#batches.length;
    while (kept > 0 && lastOffsetOf(this.#batches[kept - 1]!, 0) >= end) kept -= 1;
    const dropped = this.#batches.splice(kept);
    const [first] = dropped;
    if (first !== undefined) this.endOffset = baseOffsetOf(first, 0);
    for (const batch of dropped) this.#bytes -= batch.length;
    this.#slabs.releaseAll(dropped);
  }

  /** Drops all of them; another end: the log goes on there. */
  clear(endOffset: Offset = this.endOffset): void {
    this.#slabs.releaseAll(this.take(this.#batches.length));
    this.endOffset = endOffset;
  }

  #push(batch: Buffer, endOffset: Offset): void {
    assert(batch.length <= this.#bytesMax, 'a batch fits a group');
    this.#slabs.retain(batch);
    this.#batches.push(batch);
    this.#bytes += batch.length;
    this.endOffset = endOffset;
  }
}
