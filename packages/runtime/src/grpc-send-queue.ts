import type { Http2Stream } from 'node:http2';
import { assert } from '@weir/base/assert.ts';
import { STREAM_COPY_BYTES, STREAM_QUEUE_BYTES, STREAM_WRITE_BYTES } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { GRPC_PREFIX_BYTES } from './grpc-message-reader.ts';
import type { SessionMemory } from './http2-session-memory.ts';

/** What a queue tells the stream that it is on. */
export interface SendQueueOwner {
  readonly stream: Http2Stream;
  readonly slabs: Slabs;
  readonly memory: SessionMemory;
  /** There is room again after a `push` that found none. */
  drained(): void;
}

/**
 * Messages on their way into an HTTP/2 stream. One corked write is under way at a time, so that it is known which memory
 * the connection has; what comes meanwhile goes with the next.
 *
 * Invariant: each part has one reference from `push` until it is written or the stream is over.
 */
export class GrpcSendQueue {
  readonly #owner: SendQueueOwner;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Undefined when no write is under way. */
  #writing: readonly Uint8Array[] | undefined;
  #writingBytes = 0;
  #scheduled = false;
  #full = false;
  #closed = false;
  #ended = false;
  /** Who waits for the end, until it is reached. */
  #emptied: (() => void) | undefined;

  constructor(owner: SendQueueOwner) {
    this.#owner = owner;
  }

  /** Queues a message. False: hold back until `drained`. */
  push(parts: readonly Uint8Array[]): boolean {
    assert(!this.#ended, 'nothing is sent behind the end');
    if (this.#closed) return true;
    this.#enter(parts);
    if (this.#waitingBytes + this.#writingBytes >= STREAM_QUEUE_BYTES) this.#full = true;
    if (!this.#scheduled && this.#writing === undefined) {
      this.#scheduled = true;
      // What else is sent in this turn goes with it.
      process.nextTick(() => {
        this.#scheduled = false;
        this.#write();
      });
    }
    return !this.#full;
  }

  /** Calls back when all is written, and never when the stream is over before that. */
  end(emptied: () => void): void {
    this.#ended = true;
    this.#emptied = emptied;
    this.#checkEmptied();
  }

  /** Forgets what no write has begun for. */
  drop(): void {
    const dropped = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#release(dropped);
  }

  /** The stream is over. */
  close(): void {
    this.#closed = true;
    this.drop();
    const writing = this.#writing;
    this.#writing = undefined;
    if (writing !== undefined) this.#owner.memory.whenWritten(() => this.#release(writing));
  }

  /** Large parts as they are; small ones that follow each other, the prefix among them, as one copy. */
  #enter(parts: readonly Uint8Array[]): void {
    const { slabs } = this.#owner;
    const copyAll = slabs.scarce;
    let messageBytes = 0;
    for (const part of parts) messageBytes += part.length;
    const prefix = Buffer.allocUnsafe(GRPC_PREFIX_BYTES);
    prefix[0] = 0;
    prefix.writeUInt32BE(messageBytes, 1);
    let small: Uint8Array[] = [prefix];
    let smallBytes = GRPC_PREFIX_BYTES;
    for (const part of parts) {
      if (copyAll || part.length < STREAM_COPY_BYTES) {
        small.push(part);
        smallBytes += part.length;
        continue;
      }
      this.#copy(small, smallBytes);
      small = [];
      smallBytes = 0;
      slabs.retain(part);
      this.#waiting.push(part);
    }
    this.#copy(small, smallBytes);
    this.#waitingBytes += GRPC_PREFIX_BYTES + messageBytes;
  }

  #copy(parts: readonly Uint8Array[], bytes: number): void {
    const [first] = parts;
    if (first === undefined) return;
    if (parts.length === 1 && first.length === GRPC_PREFIX_BYTES) {
      this.#waiting.push(first);
      return;
    }
    const { slabs } = this.#owner;
    const copy = bytes < STREAM_COPY_BYTES || slabs.scarce ? Buffer.allocUnsafe(bytes) : slabs.allocate(bytes);
    let at = 0;
    for (const part of parts) {
      copy.set(part, at);
      at += part.length;
    }
    this.#waiting.push(copy);
  }

  #write(): void {
    if (this.#closed || this.#writing !== undefined || this.#waiting.length === 0) return;
    const { stream } = this.#owner;
    const parts = this.#takeParts();
    this.#writing = parts;
    stream.cork();
    for (let i = 0; i < parts.length - 1; i++) stream.write(parts[i]);
    stream.write(parts.at(-1), () => this.#written(parts));
    stream.uncork();
  }

  #takeParts(): Uint8Array[] {
    let count = 0;
    let bytes = 0;
    while (
      count < this.#waiting.length &&
      (count === 0 || bytes + this.#waiting[count]!.length <= STREAM_WRITE_BYTES)
    ) {
      bytes += this.#waiting[count]!.length;
      count += 1;
    }
    const rest = this.#waiting.slice(count);
    const taken = rest.length === 0 ? this.#waiting : this.#waiting.slice(0, count);
    this.#waiting = rest;
    this.#waitingBytes -= bytes;
    this.#writingBytes = bytes;
    return taken;
  }

  #written(parts: readonly Uint8Array[]): void {
    if (this.#writing !== parts) return;
    // Then it need not be written: `close` follows.
    if (this.#owner.stream.destroyed) return;
    this.#writing = undefined;
    this.#writingBytes = 0;
    this.#release(parts);
    this.#write();
    if (this.#full && this.#waitingBytes + this.#writingBytes <= STREAM_QUEUE_BYTES / 2) {
      this.#full = false;
      this.#owner.drained();
    }
    this.#checkEmptied();
  }

  #checkEmptied(): void {
    if (this.#closed || this.#writing !== undefined || this.#waiting.length > 0) return;
    const emptied = this.#emptied;
    this.#emptied = undefined;
    emptied?.();
  }

  #release(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.#owner.slabs.release(part);
  }
}
