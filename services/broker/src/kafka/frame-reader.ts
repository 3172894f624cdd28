import { KAFKA_DIRECT_READ_BYTES, KAFKA_REQUEST_BYTES_MAX } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { FRAME_LENGTH_BYTES } from '@weir/kafka/message.ts';
import type { FrameMemory } from './frame-memory.ts';

/** The least that a request's header takes. */
const FRAME_BYTES_MIN = 8;

/** What a frame reader tells its connection. */
export interface FrameReaderOwner {
  /** A request is whole. Its memory has one reference, the receiver's, and is counted in the frame memory. */
  frame(bytes: Buffer): void;
  /** Whether more may be read. False: what has been read is kept, and `goOn` is called later. */
  readonly open: boolean;
  /** There is no memory for what comes next, or `open` is false. */
  stalled(): void;
  /** What came is no request: the connection cannot be read on. */
  broken(why: string): void;
  /** After it could not go on for want of memory: it can be tried again. */
  memoryAgain(): void;
}

/**
 * Cuts what a connection brings into requests. Bytes are read into a scratch buffer that all connections share; once it
 * is known that a request has more to come, straight into its own place.
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
  #frame: Buffer | undefined;
  #filled = 0;
  #isDirect = false;
  /** What was read behind a request and could not be taken yet. */
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
    return this.#frame !== undefined || this.#lengthBytes > 0;
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
      this.#completeIfFull();
    } else if (this.#kept === undefined) {
      this.#take(this.#scratch.subarray(0, bytes));
    } else {
      // It was read before the pause took hold.
      this.#kept = Buffer.concat([this.#kept, this.#scratch.subarray(0, bytes)]);
    }
  }

  /** Takes what was kept; called when there is room again. */
  goOn(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) this.#take(kept);
  }

  /** Whether something was read that could not be taken. */
  get hasKept(): boolean {
    return this.#kept !== undefined;
  }

  close(): void {
    this.#closed = true;
    this.#kept = undefined;
    this.#memory.forget(this.#memoryAgain);
    if (this.#frame === undefined) return;
    this.#memory.give(this.#frame.length);
    this.#slabs.release(this.#frame);
    this.#frame = undefined;
  }

  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.#closed;) {
      if (this.#frame === undefined) {
        if (!this.#owner.open) return this.#keep(bytes, at);
        if (this.#lengthBytes < FRAME_LENGTH_BYTES) {
          // Multiplied, not shifted: that is signed from 2^31 on.
          this.#length = this.#length * 0x100 + bytes[at++]!;
          this.#lengthBytes++;
          if (this.#lengthBytes < FRAME_LENGTH_BYTES) continue;
          if (this.#length < FRAME_BYTES_MIN || this.#length > KAFKA_REQUEST_BYTES_MAX) {
            return this.#owner.broken(
              `a request has ${FRAME_BYTES_MIN} to ${KAFKA_REQUEST_BYTES_MAX} bytes, this one says ${this.#length}`,
            );
          }
          if (at === bytes.length) return;
        }
        if (!this.#memory.take(this.#length, this.#memoryAgain)) return this.#keep(bytes, at);
        this.#frame = this.#slabs.allocate(this.#length);
        this.#filled = 0;
      }
      const count = Math.min(bytes.length - at, this.#frame.length - this.#filled);
      bytes.copy(this.#frame, this.#filled, at, at + count);
      at += count;
      this.#filled += count;
      this.#completeIfFull();
    }
  }

  #completeIfFull(): void {
    const frame = this.#frame;
    if (frame === undefined || this.#filled < frame.length) return;
    this.#frame = undefined;
    this.#lengthBytes = 0;
    this.#length = 0;
    this.#owner.frame(frame);
  }

  #keep(bytes: Buffer, from: number): void {
    // A copy: the scratch buffer is everybody's.
    this.#kept = Buffer.from(bytes.subarray(from));
    this.#owner.stalled();
  }
}
