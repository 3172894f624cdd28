import { assert } from './assert.ts';
import { DiskError } from './disk.ts';
import type { Random } from './random.ts';

/** A change to a file that no sync has made durable yet; `number` orders them within the file. */
type Change =
  | { readonly number: number; readonly kind: 'write'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly number: number; readonly kind: 'truncate'; readonly size: number };

/**
 * A file of the simulated disk: the page cache, which a running process reads, and the durable image, which is left
 * when the power goes. What lies between them are the changes that no sync has covered.
 */
export class SimulatedFile {
  readonly kind = 'file';
  readonly #random: Random;
  readonly #blockBytes: number;
  readonly #page = new Image();
  readonly #durable = new Image();
  #changes: Change[] = [];
  #changeNumber = 0;
  #isLost = false;

  constructor(random: Random, blockBytes: number) {
    this.#random = random;
    this.#blockBytes = blockBytes;
  }

  get size(): number {
    return this.#page.size;
  }

  /** Where it is on the disk cannot be read any more: nobody opens it from now on. */
  lose(): void {
    this.#isLost = true;
  }

  /** @throws DiskError once it is lost */
  checkFound(path: string): void {
    if (this.#isLost) throw new DiskError('EIO', `${path} cannot be read`);
  }

  /** What a process reads, as a view. Good until the next change. */
  get contents(): Buffer {
    return this.#page.bytes;
  }

  /** What is left of it at least when the power goes, as a view. Good until the next change. */
  get durableContents(): Buffer {
    return this.#durable.bytes;
  }

  /** The latest change; a sync that is asked for now covers it and all before it. */
  get mark(): number {
    return this.#changeNumber;
  }

  /** The bytes are the file's from now on. A gap in front of them reads as zeros. */
  write(at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#page.write(at, bytes);
    this.#changes.push({ number: ++this.#changeNumber, kind: 'write', at, bytes });
  }

  truncate(size: number): void {
    assert(size <= this.size, 'a file is truncated, not extended');
    this.#page.resize(size);
    this.#changes.push({ number: ++this.#changeNumber, kind: 'truncate', size });
  }

  /** A sync that covers the changes up to a mark came back without an error. */
  sync(mark: number): void {
    this.#settle(mark, 1);
  }

  /**
   * A sync failed, or the power went in it: some blocks reached the disk, and the system takes the others for written,
   * so that no later sync writes them.
   */
  drop(mark: number): void {
    this.#settle(mark, this.#random.unit());
  }

  /** The power went: each block of each unsynced write is left with a likelihood, and nothing else is. */
  crash(likelihood: number): void {
    const { size } = this;
    const changed = this.#changes.length > 0;
    this.#settle(this.#changeNumber, likelihood);
    // The new length may be there without the data: the rest reads as zeros.
    if (changed && size > this.#durable.size && this.#random.unit() < likelihood / 2) this.#durable.resize(size);
    this.#page.copyFrom(this.#durable);
  }

  /** Rot: bytes change in what is read now and in what is left after a crash, and in no list of changes. */
  corrupt(at: number, bytes: Uint8Array): void {
    assert(at + bytes.length <= this.size, 'only bytes that are there rot');
    this.#page.write(at, bytes);
    const kept = bytes.subarray(0, Math.max(0, this.#durable.size - at));
    if (kept.length > 0) this.#durable.write(at, kept);
  }

  /** Fills a buffer from a position on; tells how many bytes there were. */
  copyInto(target: Uint8Array, position: number): number {
    const bytes = this.contents.subarray(position, position + target.length);
    target.set(bytes);
    return bytes.length;
  }

  /** Takes changes up to a mark off the list, and puts each block of them on the disk with a likelihood. */
  #settle(mark: number, likelihood: number): void {
    const settled = this.#changes.filter(({ number }) => number <= mark);
    this.#changes = this.#changes.filter(({ number }) => number > mark);
    for (const change of settled) {
      if (change.kind === 'write') {
        this.#settleWrite(change.at, change.bytes, likelihood);
        continue;
      }
      // What came after a truncation that was lost is lost as well: file systems keep that order.
      if (!this.#survives(likelihood)) break;
      this.#durable.resize(Math.min(change.size, this.#durable.size));
    }
  }

  /** Blocks fare independently, so that of two writes to one block the later may be lost and the earlier not. */
  #settleWrite(at: number, bytes: Uint8Array, likelihood: number): void {
    if (likelihood === 1) return this.#durable.write(at, bytes);
    for (let from = 0; from < bytes.length;) {
      const position = at + from;
      const to = Math.min(bytes.length, from + this.#blockBytes - (position % this.#blockBytes));
      if (this.#survives(likelihood)) this.#durable.write(position, bytes.subarray(from, to));
      from = to;
    }
  }

  #survives(likelihood: number): boolean {
    return likelihood === 1 || this.#random.unit() < likelihood;
  }
}

/** Bytes that grow; their memory is doubled ahead, so that many small writes stay cheap. */
class Image {
  /** Zeros behind `size`. */
  #memory = Buffer.alloc(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#size);
  }

  write(at: number, bytes: Uint8Array): void {
    if (at + bytes.length > this.#size) this.resize(at + bytes.length);
    this.#memory.set(bytes, at);
  }

  resize(size: number): void {
    if (size < this.#size) this.#memory.fill(0, size, this.#size);
    if (size > this.#memory.length) {
      const grown = Buffer.alloc(2 * size);
      grown.set(this.bytes);
      this.#memory = grown;
    }
    this.#size = size;
  }

  copyFrom(other: Image): void {
    this.resize(0);
    this.write(0, other.bytes);
  }
}
