import { COLD_READ_BYTES } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { ColdRun } from './batch-run.ts';

/** What was read ahead is kept for its reader until others have wanted to read ahead so often since it was last used. */
export const READ_AHEAD_PATIENCE = 1_024;

/** What is being read, or was read, for a reader that has not come for it yet. */
export interface AheadChunk {
  state:
    | { readonly kind: 'reading' }
    /** Its bytes have a reference that is the chunk's. */
    | { readonly kind: 'ready'; readonly run: ColdRun }
    /** Nobody wants it any more. */
    | { readonly kind: 'gone' };
  /** Called once, when it is read or could not be. */
  waiting: (() => void)[];
  /** It had to make room for others. */
  readonly dropped: () => void;
}

interface Use {
  /** Of memory behind it. */
  readonly bytes: number;
  /** What `#begins` was then. */
  readonly at: number;
}

/**
 * What all logs of a broker have read ahead, in one budget. Whoever finds none of it left reads for itself: a reader of more
 * partitions than there is room for would else take from each what it comes back for, and read all of it twice. Only what
 * nobody has come for in READ_AHEAD_PATIENCE attempts makes room.
 */
export class ReadAhead {
  readonly #bytesMax: number;
  readonly #slabs: Slabs;
  /** In the order of their last use. */
  readonly #chunks = new Map<AheadChunk, Use>();
  #bytes = 0;
  /** How often somebody has wanted to read ahead. */
  #begins = 0;

  constructor(bytesMax: number, slabs: Slabs) {
    this.#bytesMax = bytesMax;
    this.#slabs = slabs;
  }

  /** Of memory behind what was read or is being read. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A place for a chunk that is going to be read; undefined when there is none. */
  begin(dropped: () => void): AheadChunk | undefined {
    this.#begins += 1;
    if (!this.#makeRoom(COLD_READ_BYTES, READ_AHEAD_PATIENCE)) return undefined;
    const chunk: AheadChunk = { state: { kind: 'reading' }, waiting: [], dropped };
    this.#chunks.set(chunk, { bytes: COLD_READ_BYTES, at: this.#begins });
    this.#bytes += COLD_READ_BYTES;
    return chunk;
  }

  /** It was read. The run's reference is the chunk's from now on; one that nobody wants any more is released. */
  arrived(chunk: AheadChunk, run: ColdRun): void {
    if (chunk.state.kind === 'gone') {
      this.#slabs.release(run.bytes);
      return;
    }
    chunk.state = { kind: 'ready', run };
    // A single batch may be larger than a chunk.
    this.#count(chunk, run.bytes.buffer.byteLength);
    this.#makeRoom(0, 0);
  }

  /** A part of it was handed out; this is what is left. */
  used(chunk: AheadChunk, rest: ColdRun): void {
    const { bytes } = this.#chunks.get(chunk) ?? { bytes: 0 };
    chunk.state = { kind: 'ready', run: rest };
    this.#chunks.delete(chunk);
    this.#chunks.set(chunk, { bytes, at: this.#begins });
  }

  /** Whoever has it keeps its bytes. */
  leave(chunk: AheadChunk): void {
    this.#count(chunk, 0);
    this.#chunks.delete(chunk);
    chunk.state = { kind: 'gone' };
  }

  /** Its bytes are not wanted any more. */
  drop(chunk: AheadChunk): void {
    if (chunk.state.kind === 'ready') this.#slabs.release(chunk.state.run.bytes);
    this.leave(chunk);
  }

  /** Drops what is there and was not used for so many attempts, the oldest first, until there is room for so much. */
  #makeRoom(bytes: number, patience: number): boolean {
    for (const [chunk, { at }] of this.#chunks) {
      if (this.#bytes + bytes <= this.#bytesMax || this.#begins - at < patience) break;
      if (chunk.state.kind !== 'ready') continue;
      this.drop(chunk);
      chunk.dropped();
    }
    return this.#bytes + bytes <= this.#bytesMax;
  }

  #count(chunk: AheadChunk, bytes: number): void {
    const before = this.#chunks.get(chunk);
    if (before === undefined) return;
    this.#chunks.set(chunk, { ...before, bytes });
    this.#bytes += bytes - before.bytes;
  }
}
