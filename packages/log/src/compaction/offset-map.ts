import { murmur2 } from '@weir/records/murmur2.ts';

/** Of an entry: its offset, where its key lies, how long that is. */
const ENTRY_BYTES = 16;
const SLOT_BYTES = 4;
/** Of the memory, the share of the table of slots; keys have what the entries leave. */
const SLOTS_SHARE = 1 / 8;
/** Past this share of its slots in use a table is slow. */
const LOAD_MAX = 0.75;

/**
 * The last offset of each key, in a memory that is bounded. It has the keys themselves: two that are different are never
 * taken for one, whoever made them up.
 */
export class OffsetMap {
  /** Numbers of entries, from 1 on; 0: a free slot. */
  readonly #slots: Uint32Array;
  readonly #offsets: Float64Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #keys: Buffer;
  readonly #mask: number;
  #size = 0;
  #keyBytes = 0;

  constructor(bytesMax: number) {
    const slots = 2 ** Math.max(2, Math.floor(Math.log2((bytesMax * SLOTS_SHARE) / SLOT_BYTES)));
    const entries = Math.floor(slots * LOAD_MAX);
    this.#slots = new Uint32Array(slots);
    this.#offsets = new Float64Array(entries);
    this.#starts = new Uint32Array(entries);
    this.#lengths = new Uint32Array(entries);
    this.#keys = Buffer.allocUnsafeSlow(Math.max(0, bytesMax - slots * SLOT_BYTES - entries * ENTRY_BYTES));
    this.#mask = slots - 1;
  }

  /** Keys in it. */
  get size(): number {
    return this.#size;
  }

  /** Whether a key has a place in an empty one. One that has none is never put into it. */
  mayHold(key: Buffer): boolean {
    return key.length <= this.#keys.length;
  }

  /** The key's last offset is this one. False: there is no room for another key. */
  put(key: Buffer, offset: number): boolean {
    const slot = this.#find(key);
    const entry = this.#slots[slot]!;
    if (entry > 0) {
      this.#offsets[entry - 1] = offset;
      return true;
    }
    if (this.#size === this.#offsets.length || this.#keyBytes + key.length > this.#keys.length) return false;
    this.#offsets[this.#size] = offset;
    this.#starts[this.#size] = this.#keyBytes;
    this.#lengths[this.#size] = key.length;
    key.copy(this.#keys, this.#keyBytes);
    this.#keyBytes += key.length;
    this.#slots[slot] = ++this.#size;
    return true;
  }

  /** -1: it has none. */
  get(key: Buffer): number {
    const entry = this.#slots[this.#find(key)]!;
    return entry === 0 ? -1 : this.#offsets[entry - 1]!;
  }

  /** The slot of a key, or the free one that would be its. */
  #find(key: Buffer): number {
    let slot = murmur2(key) & this.#mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0 || this.#has(entry - 1, key)) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  #has(index: number, key: Buffer): boolean {
    const start = this.#starts[index]!;
    const length = this.#lengths[index]!;
    return length === key.length && this.#keys.compare(key, 0, length, start, start + length) === 0;
  }
}
