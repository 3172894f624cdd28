import { assert } from '@weir/base/assert.ts';

const BYTES_AT_FIRST = 4_096;
/** What a writer keeps for the next message; one that became larger is given up. */
const BYTES_KEPT_MAX = 256 * 1_024;
const UVARINT_BYTES_MAX = 5;
/** So little payload is copied: a part of its own costs the socket more. */
const COPIED_BYTES_MAX = 2_048;

/**
 * Writes Kafka's primitive types. What is small is copied into a buffer of its own; payload is taken over as it is, so
 * that a message comes out in parts.
 */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(BYTES_AT_FIRST);
  #at = 0;
  /** Where in the buffer payload comes in between. */
  #cuts: { readonly at: number; readonly payload: readonly Uint8Array[] }[] = [];
  #payloadBytes = 0;

  /** Bytes written so far. */
  get bytes(): number {
    return this.#at + this.#payloadBytes;
  }

  int8(value: number): void {
    this.#reserve(1);
    this.#at = this.#buffer.writeInt8(value, this.#at);
  }

  int16(value: number): void {
    this.#reserve(2);
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  int64(value: number): void {
    this.#reserve(8);
    const high = Math.floor(value / 0x1_0000_0000);
    this.#buffer.writeInt32BE(high, this.#at);
    this.#at = this.#buffer.writeUInt32BE(value - high * 0x1_0000_0000, this.#at + 4);
  }

  uvarint(value: number): void {
    this.#reserve(UVARINT_BYTES_MAX);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at++] = rest;
  }

  /** Copies. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  text(value: string, bytes: number): void {
    this.#reserve(bytes);
    this.#at += this.#buffer.write(value, this.#at, bytes, 'utf8');
  }

  /** Takes the parts over: they must not change until the message is written. */
  payload(parts: readonly Uint8Array[], bytes: number): void {
    if (bytes === 0) return;
    if (bytes <= COPIED_BYTES_MAX) {
      for (const part of parts) this.raw(part);
      return;
    }
    this.#cuts.push({ at: this.#at, payload: parts });
    this.#payloadBytes += bytes;
  }

  /** Writes what `write` does with its length in front, as tagged fields have it. It may not have payload. */
  sized(write: () => void): void {
    const from = this.#at;
    const cuts = this.#cuts.length;
    write();
    assert(this.#cuts.length === cuts, 'a tagged field has no payload');
    const size = this.#at - from;
    this.uvarint(size);
    const lengthBytes = this.#at - from - size;
    const length = Buffer.from(this.#buffer.subarray(this.#at - lengthBytes, this.#at));
    this.#buffer.copyWithin(from + lengthBytes, from, from + size);
    this.#buffer.set(length, from);
  }

  /** Overwrites four bytes that are there already. */
  patchInt32(at: number, value: number): void {
    this.#buffer.writeInt32BE(value, at);
  }

  /** The message in parts; the writer is as new. */
  finish(): Uint8Array[] {
    const small = Buffer.allocUnsafe(this.#at);
    this.#buffer.copy(small, 0, 0, this.#at);
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { at, payload } of this.#cuts) {
      if (at > from) parts.push(small.subarray(from, at));
      parts.push(...payload);
      from = at;
    }
    if (from < small.length) parts.push(small.subarray(from));
    this.reset();
    return parts;
  }

  /** Forgets what was written. */
  reset(): void {
    if (this.#buffer.length > BYTES_KEPT_MAX) this.#buffer = Buffer.allocUnsafe(BYTES_AT_FIRST);
    this.#at = 0;
    this.#cuts = [];
    this.#payloadBytes = 0;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
