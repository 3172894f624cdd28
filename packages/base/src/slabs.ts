import { assert } from './assert.ts';

/** How a pool of slabs is laid out. */
export interface SlabsOptions {
  /** Size of a slab. What is larger gets a slab of its own size. */
  readonly slabBytes: number;
  /** Bytes of empty slabs that are kept for the next use; further ones are left to the garbage collector. */
  readonly idleBytesMax: number;
  /** With more than that in use, memory is `scarce`: it is still given out, but nobody should hold on to it for long. */
  readonly usedBytesMax?: number;
  /** Overwrites a slab as soon as nothing refers to it: a use after the release is then seen by tests. */
  readonly poison?: boolean;
}

/** A block of memory and how many uses of it are outstanding. */
interface Slab {
  readonly memory: Buffer;
  users: number;
}

/** Slabs for large pieces differ in size by this part of a slab, so that another piece finds one that fits. */
const SIZES_PER_SLAB = 4;

/**
 * Memory for payload that is used again and again: fresh memory for every batch would keep the garbage collector busy
 * with it (it counts as external, and full collections are what frees it). Small pieces are cut off the front of a slab
 * one after another, a large one has a slab for itself; each use of a piece is a reference on its slab, and the slab is
 * used again when the last one is gone.
 *
 * A reference is one outstanding use: a write that is under way, an entry of a cache, a reader whose socket has not
 * taken the bytes yet. Whoever passes bytes on to somebody who keeps them lets that one retain them.
 *
 * Invariant: no byte of a slab changes while its piece has a reference, by anybody but the piece's first owner.
 */
export class Slabs {
  readonly #slabBytes: number;
  readonly #idleBytesMax: number;
  readonly #usedBytesMax: number;
  readonly #poison: boolean;
  /** By the memory behind a view, so that a view is all that callers hand around. */
  readonly #slabs = new Map<ArrayBufferLike, Slab>();
  /** Slabs without a user, the one that was used last at the end. */
  #idle: Slab[] = [];
  #idleBytes = 0;
  /** The slab that small pieces are cut from. */
  #current: Slab | undefined;
  /** Where its free part begins. */
  #at = 0;
  #bytes = 0;

  constructor({ slabBytes, idleBytesMax, usedBytesMax, poison }: SlabsOptions) {
    this.#slabBytes = slabBytes;
    this.#idleBytesMax = idleBytesMax;
    this.#usedBytesMax = usedBytesMax ?? Number.POSITIVE_INFINITY;
    this.#poison = poison ?? false;
  }

  /** Of all its memory, in use or idle. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of memory that nothing refers to. */
  get idleBytes(): number {
    const current = this.#current?.users === 0 ? this.#current.memory.length : 0;
    return this.#idleBytes + current;
  }

  /** Of slabs that somebody refers to, however little of them. */
  get usedBytes(): number {
    return this.#bytes - this.idleBytes;
  }

  /** More is in use than should be: what may be held for long is better copied than retained. */
  get scarce(): boolean {
    return this.usedBytes > this.#usedBytesMax;
  }

  /** A piece of memory with one reference, the caller's. Its contents are undefined. */
  allocate(bytes: number): Buffer {
    if (bytes * 2 > this.#slabBytes) return this.#allocateLarge(bytes);
    let slab = this.#current;
    if (slab === undefined || this.#at + bytes > slab.memory.length) {
      this.#current = undefined;
      // Not idle before it is replaced: it would only be taken again.
      const next = this.#takeSlab(this.#slabBytes);
      if (slab?.users === 0) this.#retire(slab);
      slab = next;
      this.#current = slab;
      this.#at = 0;
    }
    const piece = slab.memory.subarray(this.#at, this.#at + bytes);
    // Pieces begin at multiples of eight, as numbers in them like it.
    this.#at = (this.#at + bytes + 7) & ~7;
    slab.users += 1;
    return piece;
  }

  /** One more use of a piece, or of any view of it. Memory that is not the pool's needs no reference. */
  retain(view: Uint8Array): void {
    const slab = this.#slabs.get(view.buffer);
    if (slab === undefined) return;
    assert(slab.users > 0, 'memory is retained while somebody holds it');
    slab.users += 1;
  }

  /** The end of one use. */
  release(view: Uint8Array): void {
    const slab = this.#slabs.get(view.buffer);
    if (slab === undefined) return;
    assert(slab.users > 0, 'memory is released once per use');
    slab.users -= 1;
    if (slab.users > 0) return;
    if (this.#poison) slab.memory.fill(POISON);
    // What small pieces are cut from starts over from its front.
    if (slab === this.#current) this.#at = 0;
    else this.#retire(slab);
  }

  /** The end of one use of each. */
  releaseAll(views: readonly Uint8Array[]): void {
    for (const view of views) this.release(view);
  }

  /** It leaves the current slab alone: a piece of a slab's size would leave the rest of that one unused. */
  #allocateLarge(bytes: number): Buffer {
    const step = this.#slabBytes / SIZES_PER_SLAB;
    const slab = this.#takeSlab(Math.max(this.#slabBytes, Math.ceil(bytes / step) * step));
    slab.users = 1;
    return slab.memory.subarray(0, bytes);
  }

  /** An idle slab of that size or half as much again, else a new one. */
  #takeSlab(bytes: number): Slab {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const slab = this.#idle[i]!;
      if (slab.memory.length < bytes || slab.memory.length * 2 > bytes * 3) continue;
      this.#idle.splice(i, 1);
      this.#idleBytes -= slab.memory.length;
      return slab;
    }
    const slab: Slab = { memory: Buffer.allocUnsafeSlow(bytes), users: 0 };
    this.#slabs.set(slab.memory.buffer, slab);
    this.#bytes += bytes;
    return slab;
  }

  /** Keeps an unused slab; when that is too much, those go that have not been used for longest. */
  #retire(slab: Slab): void {
    this.#idle.push(slab);
    this.#idleBytes += slab.memory.length;
    let dropped = 0;
    while (this.#idleBytes > this.#idleBytesMax) {
      const { memory } = this.#idle[dropped++]!;
      this.#idleBytes -= memory.length;
      this.#bytes -= memory.length;
      this.#slabs.delete(memory.buffer);
    }
    if (dropped > 0) this.#idle = this.#idle.slice(dropped);
  }
}

/** No batch begins with it, and as a length it is refused. */
const POISON = 0xdb;
