import { COLD_READ_BYTES } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { ColdRun } from './batch-run.ts';

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

/**
 * What all logs of a broker have read ahead, in one budget: what was longest without a use makes room. Reads that are
 * under way count as full chunks and are not dropped; when all are, nobody else reads ahead.
 */
export class ReadAhead {
  readonly #bytesMax: number;
  readonly #slabs: Slabs;
  /** With their bytes, in the order of their last use. */
  readonly #chunks = new Map<AheadChunk, number>();
  #bytes = 0;

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
    if (!this.#makeRoom(COLD_READ_BYTES)) return undefined;
    const chunk: AheadChunk = { state: { kind: 'reading' }, waiting: [], dropped };
    this.#chunks.set(chunk, COLD_READ_BYTES);
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
    this.#makeRoom(0);
  }

  /** A part of it was handed out; this is what is left. */
  used(chunk: AheadChunk, rest: ColdRun): void {
    const bytes = this.#chunks.get(chunk) ?? 0;
    chunk.state = { kind: 'ready', run: rest };
    this.#chunks.delete(chunk);
    this.#chunks.set(chunk, bytes);
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

  #makeRoom(bytes: number): boolean {
    for (const chunk of this.#chunks.keys()) {
      if (this.#bytes + bytes <= this.#bytesMax) return true;
      if (chunk.state.kind !== 'ready') continue;
      this.drop(chunk);
      chunk.dropped();
    }
    return this.#bytes + bytes <= this.#bytesMax;
  }

  #count(chunk: AheadChunk, bytes: number): void {
    const before = this.#chunks.get(chunk);
    if (before === undefined) return;
    this.#chunks.set(chunk, bytes);
    this.#bytes += bytes - before;
  }
}
