import { KAFKA_DIRECT_READ_BYTES, KAFKA_REQUEST_BYTES_MAX, KAFKA_SMALL_REQUEST_BYTES } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { FRAME_LENGTH_BYTES } from '@weir/kafka/message.ts';
import type { FrameMemory } from './frame-memory.ts';

/** The least that a request's header takes. */
const FRAME_BYTES_MIN = 8;
/** What the beginning of a request that does not come at once is kept in, while it is so short. */
const HEAD_BYTES_MIN = 4_096;
/** Longer beginnings have one of these, which are used again: fresh memory for each would keep the collector busy. */
const HEADS_KEPT_MAX = 64;
const heads: Buffer[] = [];

/** What a frame reader tells its connection. */
export interface FrameReaderOwner {
  /** A request is whole. Its memory has one reference, the receiver's, and is counted in the frame memory. */
  frame(bytes: Buffer): void;
  /** Whether more may be read. False: what has been read is kept, and `goOn` is called later. */
  readonly open: boolean;
  /** Whether a large request could be begun once it is here: until then it is not to hold memory that others need. */
  readonly takesLarge: boolean;
  /** What was read cannot be taken now: there is no memory for it, or `open` or `takesLarge` is false. */
  stalled(): void;
  /** What came is no request: the connection cannot be read on. */
  broken(why: string): void;
  /** After it could not go on for want of memory: it can be tried again. */
  memoryAgain(): void;
}

/**
 * Cuts what a connection brings into requests. Bytes are read into a scratch buffer that all connections share; once a
 * large request has begun to come and has got its memory, straight into its own place.
 *
 * Invariant: while memory is not plenty, a request holds at most KAFKA_SMALL_REQUEST_BYTES of it before as many are here:
 * what is only announced costs others nothing.
 */
export class FrameReader {
  readonly #owner: FrameReaderOwner;
  readonly #slabs: Slabs;
  readonly #memory: FrameMemory;
  readonly #scratch: Buffer;
  readonly #memoryAgain = (): void => this.#owner.memoryAgain();
  /** Of a frame's length, the bytes that have come. */
  #lengthBytes = 0;
  #length = 0;
  /** The beginning of a request that has no place of its own yet; it has room for more. */
  #head: Buffer | undefined;
  #frame: Buffer | undefined;
  /** Bytes of the request that have come. */
  #filled = 0;
  #isDirect = false;
  /** Large requests that have got their place so far. */
  #places = 0;
  /** What was read and could not be taken yet. */
  #kept: Buffer | undefined;
  #closed = false;

  constructor(parts: {
    readonly owner: FrameReaderOwner;
    readonly slabs: Slabs;
    readonly memory: FrameMemory;
    readonly scratch: Buffer;
  }) {
    this.#owner = parts.owner;
    this.#slabs = parts.slabs;
    this.#memory = parts.memory;
    this.#scratch = parts.scratch;
  }

  /** Whether a request has begun to arrive. */
  get isWithinFrame(): boolean {
    return this.#lengthBytes > 0;
  }

  /** The large request that holds memory and is not whole, by its number on this connection, and how much of it has come. */
  get held(): { readonly number: number; readonly filledBytes: number } | undefined {
    return this.#frame === undefined ? undefined : { number: this.#places, filledBytes: this.#filled };
  }

  /** See SocketOwner. */
  buffer(): Buffer {
    const frame = this.#frame;
    this.#isDirect = frame !== undefined && frame.length - this.#filled >= KAFKA_DIRECT_READ_BYTES;
    return this.#isDirect ? frame!.subarray(this.#filled) : this.#scratch;
  }

  /** See SocketOwner. */
  received(bytes: number): void {
    if (this.#closed) return;
    if (this.#isDirect) {
      this.#filled += bytes;
      if (this.#filled === this.#frame!.length) this.#complete(this.#frame!);
    } else if (this.#kept === undefined) {
      this.#take(this.#scratch, bytes);
    } else {
      // It was read before the pause took hold.
      this.#kept = Buffer.concat([this.#kept, this.#scratch.subarray(0, bytes)]);
    }
  }

  /** Takes what was kept; called when there is room again. */
  goOn(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#take(kept, kept.length);
  }

  close(): void {
    this.#closed = true;
    this.#kept = undefined;
    this.#dropHead();
    this.#memory.forget(this.#memoryAgain);
    if (this.#frame === undefined) return;
    this.#memory.give(this.#frame.length);
    this.#slabs.release(this.#frame);
    this.#frame = undefined;
  }

  /** Takes what lies in front of `end`. */
  #take(bytes: Buffer, end: number): void {
    for (let at = 0; at < end && !this.#closed;) {
      if (this.#lengthBytes < FRAME_LENGTH_BYTES) {
        if (!this.#owner.open) return this.#keep(bytes, at, end);
        // Multiplied, not shifted: that is signed from 2^31 on.
        this.#length = this.#length * 0x100 + bytes[at++]!;
        if (++this.#lengthBytes === FRAME_LENGTH_BYTES && !this.#hasSoundLength()) return;
        continue;
      }
      const needsPlace = this.#frame === undefined && this.#length > KAFKA_SMALL_REQUEST_BYTES;
      if (needsPlace && !this.#makePlace(end - at)) return this.#keep(bytes, at, end);
      const from = at;
      at += Math.min(end - at, this.#length - this.#filled);
      const isWhole = this.#filled === 0 && at - from === this.#length && this.#frame === undefined;
      if (isWhole) this.#complete(this.#placed(bytes, from, at));
      else this.#add(bytes, from, at);
    }
  }

  #hasSoundLength(): boolean {
    if (this.#length >= FRAME_BYTES_MIN && this.#length <= KAFKA_REQUEST_BYTES_MAX) return true;
    this.#owner.broken(
      `a request has ${FRAME_BYTES_MIN} to ${KAFKA_REQUEST_BYTES_MAX} bytes, this one says ${this.#length}`,
    );
    return false;
  }

  /** Gives a large request its place, once enough of it has come. False: it has to wait for that. */
  #makePlace(nextBytes: number): boolean {
    const isEarly = this.#filled + nextBytes < KAFKA_SMALL_REQUEST_BYTES;
    if (isEarly && !(this.#owner.takesLarge && this.#memory.isPlentyFor(this.#length))) return true;
    if (!this.#owner.takesLarge || !this.#memory.take(this.#length, this.#memoryAgain)) return false;
    const frame = this.#slabs.allocate(this.#length);
    this.#head?.copy(frame, 0, 0, this.#filled);
    this.#dropHead();
    this.#frame = frame;
    this.#places++;
    return true;
  }

  /** Adds what has come to a request that is not whole, or is now. */
  #add(bytes: Buffer, from: number, end: number): void {
    const target = this.#frame ?? this.#headWithRoom(end - from);
    bytes.copy(target, this.#filled, from, end);
    this.#filled += end - from;
    if (this.#filled < this.#length) return;
    this.#complete(this.#frame ?? this.#placed(target, 0, this.#filled));
  }

  #headWithRoom(bytes: number): Buffer {
    const head = this.#head;
    const needed = this.#filled + bytes;
    if (head !== undefined && head.length >= needed) return head;
    const isShort = needed <= HEAD_BYTES_MIN;
    const larger = isShort
      ? Buffer.allocUnsafe(Math.min(this.#length, HEAD_BYTES_MIN))
      : (heads.pop() ?? Buffer.allocUnsafeSlow(KAFKA_SMALL_REQUEST_BYTES));
    head?.copy(larger, 0, 0, this.#filled);
    this.#head = larger;
    return larger;
  }

  #dropHead(): void {
    const head = this.#head;
    this.#head = undefined;
    if (head?.length === KAFKA_SMALL_REQUEST_BYTES && heads.length < HEADS_KEPT_MAX) heads.push(head);
  }

  /** A small request that is whole, in a piece of a slab; nobody else's need keeps it from that. */
  #placed(bytes: Buffer, from: number, end: number): Buffer {
    this.#memory.takeAtOnce(end - from);
    const piece = this.#slabs.allocate(end - from);
    bytes.copy(piece, 0, from, end);
    return piece;
  }

  #complete(frame: Buffer): void {
    this.#frame = undefined;
    this.#dropHead();
    this.#filled = 0;
    this.#lengthBytes = 0;
    this.#length = 0;
    this.#owner.frame(frame);
  }

  #keep(bytes: Buffer, from: number, end: number): void {
    // A copy: the scratch buffer is everybody's.
    this.#kept = Buffer.from(bytes.subarray(from, end));
    this.#owner.stalled();
  }
}
