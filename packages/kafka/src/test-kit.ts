import type { Api } from './api.ts';
import { FRAME_LENGTH_BYTES, readRequest, readResponse, requestFrame, responseFrame } from './message.ts';
import type { WireType } from './schema.ts';
import { WireError } from './wire-reader.ts';
import type { WireReader } from './wire-reader.ts';

/** A frame without its length as Kafka's own classes make it, with CORRELATION_ID and, in a request, CLIENT_ID. */
export interface GoldenFrame {
  readonly kind: 'request' | 'response';
  readonly version: number;
  readonly value: any;
  readonly hex: string;
}

const CORRELATION_ID = 7;
const CLIENT_ID = 'test';

/** What we make of a golden frame's value. */
export function writtenHex(api: Api, { kind, version, value }: GoldenFrame): string {
  const header = { correlationId: CORRELATION_ID, clientId: CLIENT_ID };
  const frame =
    kind === 'request' ? requestFrame(api, version, header, value) : responseFrame(api, version, CORRELATION_ID, value);
  return Buffer.concat(frame).toString('hex', FRAME_LENGTH_BYTES);
}

/** What we read of a golden frame. */
export function readHex(api: Api, { kind, version, hex }: GoldenFrame): unknown {
  const bytes = Buffer.from(hex, 'hex');
  return kind === 'request' ? readRequest(api, bytes).request : readResponse(api, version, bytes).response;
}

/**
 * A value of a type that is the same for the same seed, made by reading bytes that agree to everything: lengths are
 * short, and all else is arbitrary.
 */
export function valueOf(type: WireType<any, any>, version: number, flexible: boolean, seed: number): any {
  for (let attempt = 0; ; attempt++) {
    try {
      const reader = new ArbitraryReader(seed * 1_000 + attempt) as unknown as WireReader;
      return sendable(type.at(version, flexible).read(reader));
    } catch (error) {
      // Something was null that may not be.
      if (!(error instanceof WireError)) throw error;
    }
  }
}

/** What was read, as it is written: records come as one piece, and go in several. */
export function sendable(value: any): any {
  if (Array.isArray(value)) return value.map(sendable);
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) =>
      name === 'records' && inner !== null ? [name, [inner]] : [name, sendable(inner)],
    ),
  );
}

/** Stands where a reader does, and has no bytes at all. */
class ArbitraryReader {
  #state: number;
  #lengths = 0;

  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761 + 1) >>> 0;
  }

  /** Wherever a tagged field begins, it ends there as well. */
  at = Number.POSITIVE_INFINITY;
  left = Number.MAX_SAFE_INTEGER;
  int8 = (): number => (this.#next(256) << 24) >> 24;
  boolean = (): boolean => this.#next(2) === 1;
  int64 = (): number => this.#next(2 ** 32) * (this.#next(2) === 0 ? 1 : -(2 ** 20));
  view = (bytes: number): Buffer => Buffer.alloc(bytes, this.#next(256));
  text = (bytes: number): string => 'aé'.repeat(bytes).slice(0, bytes);
  // Lengths are these two in versions that are not flexible: short ones, and now and then null.
  int16 = (): number => this.#length();
  int32 = (): number => this.#length();
  /** The length of something compact, the number of tags, a tag, or a tagged field's size. */
  uvarint = (): number => this.#length() + 1;
  skip = (): void => {};
  expectElements = (): void => {};

  /** Now and then null, and of nested arrays there is an end. */
  #length(): number {
    if (this.#next(30) === 0) return -1;
    return this.#next(this.#lengths++ > 60 ? 2 : 5);
  }

  /** xorshift32. */
  #next(below: number): number {
    let x = this.#state || 1;
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    this.#state = x;
    return x % below;
  }
}
