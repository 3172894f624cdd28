import { offset, type Offset } from '@weir/base/ids.ts';
import type { Mark } from './log-writer-parts.ts';
import type { ActiveSegment } from './segment.ts';

/** How far a log is written, synced, settled in its own file, and counted. */
export class WriteProgress {
  #writtenBytes = 0;
  #countedBytes = 0;
  #durableEnd: Offset;
  #synced: Mark;
  #settled: Mark;

  /** @param syncedEnd at or, of a damaged log, behind the end */
  constructor(end: Offset, syncedEnd: Offset, position: number) {
    this.#durableEnd = end;
    this.#synced = { end: syncedEnd, writtenBytes: 0, position };
    this.#settled = this.#synced;
  }

  /** One past the last offset that counts. */
  get durableEnd(): Offset {
    return this.#durableEnd;
  }

  /** What a returned sync covers, the journal's or the file's own. */
  get synced(): Mark {
    return this.#synced;
  }

  /** What the active segment's own file has durably. */
  get settled(): Mark {
    return this.#settled;
  }

  get uncountedBytes(): number {
    return this.#writtenBytes - this.#countedBytes;
  }

  get unsyncedBytes(): number {
    return this.#writtenBytes - this.#synced.writtenBytes;
  }

  get unsettledBytes(): number {
    return this.#writtenBytes - this.#settled.writtenBytes;
  }

  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
  }

  /** Where the log is written up to now. */
  mark(active: ActiveSegment): Mark {
    return { end: active.endOffset, writtenBytes: this.#writtenBytes, position: active.bytes };
  }

  /** A sync that returned covers this. False: it is older than the latest one, or than a cut, and says nothing new. */
  cover(mark: Mark): boolean {
    if (mark.writtenBytes <= this.#synced.writtenBytes) return false;
    this.#synced = mark;
    return true;
  }

  /** So does the segment's own file. */
  settle(mark: Mark): void {
    // A segment that was sealed meanwhile was synced before that.
    if (mark.writtenBytes > this.#settled.writtenBytes) this.#settled = mark;
  }

  /** It counts. False: it did before. */
  count({ end, writtenBytes }: Mark): boolean {
    if (end <= this.#durableEnd) return false;
    this.#durableEnd = end;
    this.#countedBytes = writtenBytes;
    return true;
  }

  /** All that is written is settled, and goes on in a new segment. */
  rolled(): void {
    this.#synced = { ...this.#synced, position: 0 };
    this.#settled = this.#synced;
  }

  /**
   * The log was cut. `synced`: that was synced for certain; else no more than was before it.
   *
   * @param mark its end now
   * @param goneBytes were written and are gone
   */
  truncate(mark: Mark, goneBytes: number, { synced }: { readonly synced: boolean }): void {
    this.#countedBytes = this.#writtenBytes - Math.max(0, this.uncountedBytes - goneBytes);
    this.#durableEnd = offset(Math.min(this.#durableEnd, mark.end));
    this.#synced = synced ? mark : clip(this.#synced, mark);
    this.#settled = synced ? mark : clip(this.#settled, mark);
  }

  /** The log is empty, durably so. */
  restart(mark: Mark): void {
    this.#countedBytes = this.#writtenBytes;
    this.#durableEnd = mark.end;
    this.#synced = mark;
    this.#settled = mark;
  }
}

/** A place, or the end of a log that was cut below it. */
function clip(mark: Mark, cut: Mark): Mark {
  return mark.end > cut.end ? { ...cut, writtenBytes: mark.writtenBytes } : mark;
}
