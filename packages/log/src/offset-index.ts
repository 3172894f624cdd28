const ENTRY_BYTES = 8;
const FIRST_CAPACITY_BYTES = 64 * ENTRY_BYTES;

/**
 * Where in a segment the batch of an offset is, roughly: entries of (offset relative to the segment's base (4),
 * position (4)), little-endian, both strictly increasing. In memory it is laid out as in its file.
 */
export class OffsetIndex {
  #buffer: Buffer;
  #bytes: number;

  /** Empty, or the entries of a file. */
  constructor(entries?: Buffer) {
    this.#buffer = entries ?? Buffer.alloc(0);
    this.#bytes = this.#buffer.length;
  }

  get entries(): Buffer {
    return this.#buffer.subarray(0, this.#bytes);
  }

  add(relativeOffset: number, position: number): void {
    if (this.#bytes + ENTRY_BYTES > this.#buffer.length) this.#buffer = grown(this.#buffer, FIRST_CAPACITY_BYTES);
    this.#buffer.writeUInt32LE(relativeOffset, this.#bytes);
    this.#buffer.writeUInt32LE(position, this.#bytes + 4);
    this.#bytes += ENTRY_BYTES;
  }

  /** The last entry; undefined without any. */
  get last(): { readonly relativeOffset: number; readonly position: number } | undefined {
    const at = this.#bytes - ENTRY_BYTES;
    if (at < 0) return undefined;
    return { relativeOffset: this.#buffer.readUInt32LE(at), position: this.#buffer.readUInt32LE(at + 4) };
  }

  /** A copy with the entries up to a position. */
  upTo(position: number): OffsetIndex {
    let bytes = this.#bytes;
    while (bytes > 0 && this.#buffer.readUInt32LE(bytes - ENTRY_BYTES + 4) > position) bytes -= ENTRY_BYTES;
    return new OffsetIndex(Buffer.from(this.#buffer.subarray(0, bytes)));
  }

  /** A position at or before the batch that contains the offset; batches in front of it may have to be stepped over. */
  positionOf(relativeOffset: number): number {
    let low = 0;
    let high = this.#bytes / ENTRY_BYTES;
    // Entries before `low` are at or below the offset, those from `high` on above it.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#buffer.readUInt32LE(middle * ENTRY_BYTES) <= relativeOffset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#buffer.readUInt32LE((low - 1) * ENTRY_BYTES + 4);
  }
}

/** A copy with twice the room. */
export function grown(buffer: Buffer, atLeastBytes: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(atLeastBytes, 2 * buffer.length));
  larger.set(buffer);
  return larger;
}
