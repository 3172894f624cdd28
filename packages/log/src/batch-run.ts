import { offset, type Offset } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf } from '@weir/records/batch-header.ts';
import { isValidBatchAt } from '@weir/records/check-batch.ts';
import type { BatchVisitor } from './batch-walk.ts';
import type { ColdRead } from './log-read.ts';

/** Whole batches that lie behind each other in memory, as they do in a segment's file. */
export interface ColdRun {
  readonly bytes: Buffer;
  readonly nextOffset: Offset;
  readonly segmentBase: Offset;
  /** Where in the file the run ends. */
  readonly endPosition: number;
}

/**
 * Gathers the batches of a read as long as they lie in one chunk, so that they go on as one view without a copy. Each
 * batch's CRC is checked: what has rotted on the disk is never served.
 */
export class BatchRun implements BatchVisitor {
  readonly #plan: ColdRead;
  readonly #slabs: Slabs;
  /** Retained once something was taken. */
  #chunk: Buffer | undefined;
  #start = 0;
  #end = 0;
  #nextOffset: Offset;
  #endPosition = 0;
  #foundEnd = false;

  constructor(plan: ColdRead, slabs: Slabs) {
    this.#plan = plan;
    this.#slabs = slabs;
    this.#nextOffset = plan.from;
  }

  /** Whether the batch that was looked for is there, be it that it reaches too far. */
  get found(): boolean {
    return this.#chunk !== undefined || this.#foundEnd;
  }

  /** What was gathered, with a reference that is the caller's; undefined when nothing was. */
  take(segmentBase: Offset): ColdRun | undefined {
    const bytes = this.#chunk?.subarray(this.#start, this.#end);
    this.#chunk = undefined;
    if (bytes === undefined) return undefined;
    return { bytes, nextOffset: this.#nextOffset, segmentBase, endPosition: this.#endPosition };
  }

  /** Lets go of what was gathered. */
  drop(): void {
    if (this.#chunk !== undefined) this.#slabs.release(this.#chunk);
    this.#chunk = undefined;
  }

  header(chunk: Buffer, at: number): 'skip' | 'take' | 'stop' | 'bad' {
    const last = lastOffsetOf(chunk, at);
    if (last < this.#plan.from) return 'skip';
    if (this.#chunk === undefined && baseOffsetOf(chunk, at) > this.#plan.from) return 'bad';
    // The first one is looked at even when it says that it ends too far: that may be what is wrong with it.
    if (this.#chunk === undefined) return 'take';
    if (last >= this.#plan.upTo) return 'stop';
    const end = at + batchBytesOf(chunk, at);
    const fits = end <= chunk.length && end - this.#start <= this.#plan.maxBytes;
    return this.#chunk === chunk && fits ? 'take' : 'stop';
  }

  batch(chunk: Buffer, at: number, position: number): boolean | 'bad' {
    const bytes = batchBytesOf(chunk, at);
    if (!isValidBatchAt(chunk, at, at + bytes)) return 'bad';
    if (lastOffsetOf(chunk, at) >= this.#plan.upTo) {
      this.#foundEnd = true;
      return false;
    }
    if (this.#chunk === undefined) {
      this.#slabs.retain(chunk);
      this.#chunk = chunk;
      this.#start = at;
    }
    this.#end = at + bytes;
    this.#nextOffset = offset(lastOffsetOf(chunk, at) + 1);
    this.#endPosition = position + bytes;
    return this.#end - this.#start < this.#plan.maxBytes;
  }
}

/**
 * Cuts a run in two: the batches that a read may have, up to `maxBytes` but for the first and none that reaches `upTo`,
 * and those behind them. Undefined when there is no such batch, and no rest when there are no others.
 */
export function splitRun(
  run: ColdRun,
  { maxBytes, upTo }: ColdRead,
): { first: ColdRun; rest: ColdRun | undefined } | undefined {
  const { bytes, segmentBase, endPosition } = run;
  let end = 0;
  let { nextOffset } = run;
  while (end < bytes.length) {
    const batchEnd = end + batchBytesOf(bytes, end);
    const last = lastOffsetOf(bytes, end);
    if (last >= upTo || (end > 0 && batchEnd > maxBytes)) break;
    end = batchEnd;
    nextOffset = offset(last + 1);
  }
  if (end === 0) return undefined;
  if (end === bytes.length) return { first: run, rest: undefined };
  const middle = endPosition - (bytes.length - end);
  return {
    first: { bytes: bytes.subarray(0, end), nextOffset, segmentBase, endPosition: middle },
    rest: { bytes: bytes.subarray(end), nextOffset: run.nextOffset, segmentBase, endPosition },
  };
}
