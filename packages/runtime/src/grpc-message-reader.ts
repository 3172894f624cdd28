import { status as Status } from '@grpc/grpc-js';
import { GRPC_MESSAGE_BYTES_MAX } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';

/** A compression flag and the length, big-endian. */
export const GRPC_PREFIX_BYTES = 5;

/** So many chunks in a row are put together into one: a peer that sends single bytes would cost far more than those. */
const CHUNKS_MERGED = 1_024;

/** What ends a stream whose peer does not speak gRPC as we do. */
export class GrpcFault extends Error {
  override readonly name = 'GrpcFault';
  /** gRPC's own code. */
  readonly status: Status;

  constructor(status: Status, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Puts gRPC messages together from what a stream brings. Chunks are kept as they came until a message is whole, so that
 * no memory is taken for what was only announced; then they are copied once, into a piece of a slab.
 */
export class GrpcMessageReader {
  /** The peer's `grpc-encoding`. */
  encoding = 'identity';
  readonly #slabs: Slabs;
  #chunks: Buffer[] = [];
  /** How many of the first chunks were put together, or are too large for it to be worth it. */
  #merged = 0;
  /** In all chunks. */
  #bytes = 0;
  /** Length of the message that is coming; undefined before its prefix is whole. */
  #wanted: number | undefined;

  constructor(slabs: Slabs) {
    this.#slabs = slabs;
  }

  /** Whether a message has begun that is not whole yet. */
  get isWithinMessage(): boolean {
    return this.#bytes > 0 || this.#wanted !== undefined;
  }

  /** Takes a chunk, which is the reader's from now on. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#chunks.length - this.#merged < CHUNKS_MERGED) return;
    this.#chunks.push(Buffer.concat(this.#chunks.splice(this.#merged)));
    this.#merged = this.#chunks.length;
  }

  /**
   * The next whole message, with one reference that is the caller's.
   *
   * @throws GrpcFault: the stream cannot be read on
   */
  next(): Buffer | undefined {
    if (this.#wanted === undefined) {
      if (this.#bytes < GRPC_PREFIX_BYTES) return undefined;
      this.#wanted = this.#readPrefix();
    }
    if (this.#bytes < this.#wanted) return undefined;
    const message = this.#slabs.allocate(this.#wanted);
    this.#wanted = undefined;
    this.#moveTo(message);
    return message;
  }

  /** Forgets what has come. */
  clear(): void {
    this.#chunks = [];
    this.#merged = 0;
    this.#bytes = 0;
    this.#wanted = undefined;
  }

  #readPrefix(): number {
    const prefix = Buffer.allocUnsafe(GRPC_PREFIX_BYTES);
    this.#moveTo(prefix);
    const compressed = prefix[0];
    if (compressed === 1 && this.encoding !== 'identity') {
      throw new GrpcFault(Status.UNIMPLEMENTED, `messages are not compressed here; "${this.encoding}" is not taken`);
    }
    if (compressed !== 0) throw new GrpcFault(Status.INTERNAL, 'a message is compressed, and no encoding was said');
    const bytes = prefix.readUInt32BE(1);
    if (bytes > GRPC_MESSAGE_BYTES_MAX) {
      const message = `a message has at most ${GRPC_MESSAGE_BYTES_MAX} bytes, this one ${bytes}`;
      throw new GrpcFault(Status.RESOURCE_EXHAUSTED, message);
    }
    return bytes;
  }

  /** Fills the target from the first chunks. */
  #moveTo(target: Buffer): void {
    let at = 0;
    let used = 0;
    while (at < target.length) {
      const chunk = this.#chunks[used]!;
      const rest = target.length - at;
      if (chunk.length > rest) {
        target.set(chunk.subarray(0, rest), at);
        this.#chunks[used] = chunk.subarray(rest);
        break;
      }
      target.set(chunk, at);
      at += chunk.length;
      used += 1;
    }
    this.#bytes -= target.length;
    if (used === 0) return;
    this.#chunks.splice(0, used);
    this.#merged = Math.max(0, this.#merged - used);
  }
}
