/** Bytes that are no message of the kind that was expected. The connection that they came by cannot be read on. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Of the fifth group of seven bits, the last one that a variable-length number may have. */
const UVARINT_FACTOR_MAX = 0x80 ** 4;
/** Elements that any message may have, however short it is. */
const ELEMENTS_FREE = 4_096;
/** And one more for so many bytes: an object takes far more memory than the byte or two that may stand for it. */
const BYTES_PER_ELEMENT = 4;

/**
 * Reads Kafka's primitive types from one message. Every length is checked against what is left before anything is
 * allocated for it, and elements of arrays are counted: what is made of a message is a small multiple of its bytes.
 *
 * Every method throws WireError when the bytes do not hold what is asked for.
 */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  #elementsLeft: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
    this.#elementsLeft = ELEMENTS_FREE + Math.floor(bytes.length / BYTES_PER_ELEMENT);
  }

  /** Where the next byte is read. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#advance(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  /** Past 2^53 the nearest number: offsets, timestamps and ids are all smaller, and larger ones are refused as such. */
  int64(): number {
    const at = this.#advance(8);
    return this.#bytes.readInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  /** Unsigned, in groups of seven bits, at most 32 bits of them. */
  uvarint(): number {
    let value = 0;
    // Multiplied, not shifted: that is signed from 32 bits on.
    for (let factor = 1; factor <= UVARINT_FACTOR_MAX; factor *= 0x80) {
      const byte = this.#bytes[this.#advance(1)]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw new WireError('a variable-length number has more than 32 bits');
  }

  /** A view of the next bytes; it keeps the whole message in memory. */
  view(bytes: number): Buffer {
    const at = this.#advance(bytes);
    return this.#bytes.subarray(at, at + bytes);
  }

  text(bytes: number): string {
    const at = this.#advance(bytes);
    return this.#bytes.toString('utf8', at, at + bytes);
  }

  skip(bytes: number): void {
    this.#advance(bytes);
  }

  /** Before an array of so many elements is read, each of at least so many bytes. */
  expectElements(count: number, bytesMin: number): void {
    if (count * bytesMin > this.left) throw new WireError(`an array of ${count} elements does not fit the message`);
    this.#elementsLeft -= count;
    if (this.#elementsLeft < 0) throw new WireError('a message has more elements than its size gives reason for');
  }

  /** Moves on, and tells where it was. */
  #advance(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#bytes.length - at) throw new WireError(`the message ends ${bytes - this.left} bytes too early`);
    this.#at = at + bytes;
    return at;
  }
}
