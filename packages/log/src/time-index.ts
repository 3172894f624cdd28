import { grown } from './offset-index.ts';

const ENTRY_BYTES = 12;
const FIRST_CAPACITY_BYTES = 64 * ENTRY_BYTES;

/**
 * From where on a timestamp can first occur in a segment: entries of (largest timestamp of all batches before the
 * position, a double (8); position (4)), little-endian, both strictly increasing. In memory as in its file.
 */
export class TimeIndex {
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

  /** `maxTimestampMs` never decreases from call to call; the furthest position for one timestamp is kept. */
  add(maxTimestampMs: number, position: number): void {
    const last = this.#bytes - ENTRY_BYTES;
    if (last >= 0 && this.#buffer.readDoubleLE(last) === maxTimestampMs) {
      this.#buffer.writeUInt32LE(position, last + 8);
      return;
    }
    if (this.#bytes + ENTRY_BYTES > this.#buffer.length) this.#buffer = grown(this.#buffer, FIRST_CAPACITY_BYTES);
    this.#buffer.writeDoubleLE(maxTimestampMs, this.#bytes);
    this.#buffer.writeUInt32LE(position, this.#bytes + 8);
    this.#bytes += ENTRY_BYTES;
  }

  /** The last entry; undefined without any. */
  get last(): { readonly maxTimestampMs: number; readonly position: number } | undefined {
    const at = this.#bytes - ENTRY_BYTES;
    if (at < 0) return undefined;
    return { maxTimestampMs: this.#buffer.readDoubleLE(at), position: this.#buffer.readUInt32LE(at + 8) };
  }

  /** A copy with the entries up to a position. */
  upTo(position: number): TimeIndex {
    let bytes = this.#bytes;
    while (bytes > 0 && this.#buffer.readUInt32LE(bytes - ENTRY_BYTES + 8) > position) bytes -= ENTRY_BYTES;
    return new TimeIndex(Buffer.from(this.#buffer.subarray(0, bytes)));
  }

  /** A position before which every batch is older than the timestamp. */
  positionOf(timestampMs: number): number {
    let low = 0;
    let high = this.#bytes / ENTRY_BYTES;
    // Entries before `low` are older than the timestamp, those from `high` on are not.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#buffer.readDoubleLE(middle * ENTRY_BYTES) < timestampMs) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#buffer.readUInt32LE((low - 1) * ENTRY_BYTES + 8);
  }
}
