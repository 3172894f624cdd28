/** Less is not worth an allocation of its own. */
const BYTES_MIN = 256;

/**
 * Text that is put together as bytes, UTF-8, one piece behind another in one piece of memory. Bytes that are text already are copied
 * once, where strings would have them decoded, joined and encoded again, a kilobyte of garbage for each.
 */
export class TextBytes {
  #memory: Buffer;
  #length = 0;

  /** `expected`: how many bytes there will be; more are taken in, and cost a copy. */
  constructor(expected = 0) {
    this.#memory = memoryOf(Math.max(BYTES_MIN, expected));
  }

  get length(): number {
    return this.#length;
  }

  /** Text of ASCII alone. */
  ascii(text: string): this {
    this.#reserve(text.length);
    this.#length += this.#memory.write(text, this.#length, 'latin1');
    return this;
  }

  text(text: string): this {
    this.#reserve(Buffer.byteLength(text));
    this.#length += this.#memory.write(text, this.#length, 'utf8');
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#memory.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  base64(bytes: Buffer): this {
    return this.ascii(bytes.toString('base64'));
  }

  /** Puts one ASCII character in the place of others, from a place on. */
  replaceFrom(from: number, others: readonly number[], by: number): void {
    for (let at = from; at < this.#length; at++) {
      if (others.includes(this.#memory[at]!)) this.#memory[at] = by;
    }
  }

  /** Takes back all behind a length that it had. */
  cutTo(length: number): this {
    this.#length = length;
    return this;
  }

  /** What there is, not copied: nothing can be added afterwards that would not be seen there or be gone from it. */
  take(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#memory.length) return;
    const larger = memoryOf(Math.max(needed, 2 * this.#memory.length));
    this.#memory.copy(larger, 0, 0, this.#length);
    this.#memory = larger;
  }
}

/** Not from Node's pool where it is large, of which a slice would keep all. */
function memoryOf(bytes: number): Buffer {
  return bytes < Buffer.poolSize / 2 ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
}
