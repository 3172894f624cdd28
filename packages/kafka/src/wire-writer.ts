import { assert, violated } from '@weir/base/assert.ts';

/** One buffer after the other is filled with messages, which are views of it. */
const BUFFER_BYTES = 8_192;
/** With less left of it a message begins in the next one. One that is larger than a buffer is copied out of its own. */
const ROOM_BYTES_MIN = 512;
const UVARINT_BYTES_MAX = 5;
/** So little payload is copied: a part of its own costs the socket more. */
const COPIED_BYTES_MAX = 2_048;

/**
 * Writes Kafka's primitive types. What is small is copied into a buffer of its own; payload is taken over as it is, so
 * that a message comes out in parts.
 */
export class WireWriter {
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Of the same memory. Buffer's own methods for numbers cost several times as much. */
  #view = viewOf(this.#buffer);
  /** Where in it the message begins; what is in front belongs to those who got the messages before. */
  #start = 0;
  #at = 0;
  /** Where in the message payload comes in between. */
  #cuts: { readonly at: number; readonly payload: readonly Uint8Array[] }[] = [];
  #payloadBytes = 0;

  /** Bytes written so far. */
  get bytes(): number {
    return this.#at - this.#start + this.#payloadBytes;
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
    if ((value | 0) !== value) violated(`${value} is no 32-bit integer`);
    this.#reserve(4);
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  int64(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000);
    if ((high | 0) !== high) violated(`${value} is no 64-bit integer`);
    this.#reserve(8);
    this.#view.setInt32(this.#at, high);
    this.#view.setUint32(this.#at + 4, value - high * 0x1_0000_0000);
    this.#at += 8;
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
    this.#cuts.push({ at: this.#at - this.#start, payload: parts });
    this.#payloadBytes += bytes;
  }

  /** Writes what `write` does with its length in front, as tagged fields have it. It may not have payload. */
  sized(write: () => void): void {
    const before = this.#at - this.#start;
    const cuts = this.#cuts.length;
    write();
    assert(this.#cuts.length === cuts, 'a tagged field has no payload');
    const size = this.#at - this.#start - before;
    this.uvarint(size);
    const from = this.#start + before;
    const lengthBytes = this.#at - from - size;
    const length = Buffer.from(this.#buffer.subarray(this.#at - lengthBytes, this.#at));
    this.#buffer.copyWithin(from + lengthBytes, from, from + size);
    this.#buffer.set(length, from);
  }

  /** Overwrites four bytes of the message that are there already, in front of any payload. */
  patchInt32(at: number, value: number): void {
    this.#view.setInt32(this.#start + at, value);
  }

  /** The message in parts, which nothing changes any more; the writer begins the next one. */
  finish(): Uint8Array[] {
    const isLarge = this.#buffer.length > BUFFER_BYTES;
    const own = this.#buffer.subarray(this.#start, this.#at);
    const small = isLarge ? Buffer.from(own) : own;
    const cuts = this.#cuts;
    this.#start = this.#at;
    this.reset();
    if (cuts.length === 0) return small.length === 0 ? [] : [small];
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { at, payload } of cuts) {
      if (at > from) parts.push(small.subarray(from, at));
      for (const part of payload) parts.push(part);
      from = at;
    }
    if (from < small.length) parts.push(small.subarray(from));
    return parts;
  }

  /** Forgets what was written since the last message was finished. */
  reset(): void {
    const { length } = this.#buffer;
    if (length > BUFFER_BYTES || length - this.#start < ROOM_BYTES_MIN) this.#begin(BUFFER_BYTES);
    this.#at = this.#start;
    if (this.#cuts.length > 0) this.#cuts = [];
    this.#payloadBytes = 0;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const written = this.#at - this.#start;
    const [before, start, end] = [this.#buffer, this.#start, this.#at];
    this.#begin(Math.max(BUFFER_BYTES, 2 * (written + bytes)));
    before.copy(this.#buffer, 0, start, end);
    this.#at = written;
  }

  /** The message goes on at the front of another buffer. */
  #begin(bytes: number): void {
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#view = viewOf(this.#buffer);
    this.#start = 0;
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
