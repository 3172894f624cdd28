import { violated } from '@weir/base/assert.ts';
import type { WireType } from '../schema.ts';
import type { WireCodec } from '../struct-codec.ts';
import { WireError, WireReader } from '../wire-reader.ts';
import { WireWriter } from '../wire-writer.ts';

/**
 * Why there is no value: `unknown-version`: somebody newer wrote it; `malformed`: it is cut short or its lengths do not fit;
 * `trailing-bytes`: more follows. Why there are no bytes: `text-too-long`: a text is longer than its length can tell.
 */
export type RecordFault = 'unknown-version' | 'malformed' | 'trailing-bytes' | 'text-too-long';

/** Bytes that are no record of the kind that was expected, or a value that cannot be one. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
  readonly fault: RecordFault;

  constructor(fault: RecordFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** What is stored with the number of its version in front, as a file in this folder describes it. */
export interface RecordFormatSpec<Read, Write> {
  readonly name: string;
  /** First and last version that are known. */
  readonly versions: readonly [number, number];
  /** The first version with compact lengths and tagged fields; Infinity when there is none. */
  readonly flexibleFrom: number;
  /** The version that Kafka 4.4 writes, and so do we. */
  readonly written: number;
  /** Whether a newer version begins as the last known one and is read as that, and whatever follows is passed over. */
  readonly readsNewer: boolean;
  readonly type: WireType<Read, Write>;
}

/** A value as it was read. */
export interface VersionedValue<Value> {
  /** The one in the bytes. */
  readonly version: number;
  readonly value: Value;
}

// One for all: a value is written from its first byte to its last without a pause.
const writer = new WireWriter();

/** What is stored, with the codecs of all its versions, both directions. */
export class RecordFormat<Read, Write> {
  readonly spec: RecordFormatSpec<Read, Write>;
  readonly #codecs: (WireCodec<Read, Write> | undefined)[] = [];

  constructor(spec: RecordFormatSpec<Read, Write>) {
    this.spec = spec;
  }

  /**
   * The bytes, with the version in front; they are a copy. What the version does not have is left out.
   *
   * @throws RecordError `text-too-long`
   */
  encode(value: Write, version: number = this.spec.written): Buffer {
    const [first, last] = this.spec.versions;
    if (version < first || version > last) violated(`${this.spec.name} has no version ${version}`);
    writer.reset();
    writer.int16(version);
    try {
      this.#at(version).write(writer, value);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      throw new RecordError('text-too-long', `${this.spec.name}: ${error.message}`, { cause: error });
    }
    return Buffer.concat(writer.finish());
  }

  /**
   * The value; fields of bytes in it are views of what is given.
   *
   * @throws RecordError
   */
  decode(bytes: Buffer): VersionedValue<Read> {
    const version = versionOf(bytes, this.spec.name);
    const [first, last] = this.spec.versions;
    const isNewer = version > last;
    if (version < first || (isNewer && !this.spec.readsNewer)) {
      const known = `versions ${first} to ${last} are known`;
      throw new RecordError('unknown-version', `${this.spec.name} has version ${version}, and ${known}`);
    }
    const from = new WireReader(bytes, VERSION_BYTES);
    const value = this.#read(from, isNewer ? last : version);
    if (from.left > 0 && !this.spec.readsNewer) {
      throw new RecordError('trailing-bytes', `${from.left} bytes follow ${this.spec.name} v${version}`);
    }
    return { version, value };
  }

  #read(from: WireReader, version: number): Read {
    try {
      return this.#at(version).read(from);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      throw new RecordError('malformed', `${this.spec.name} v${version}: ${error.message}`, { cause: error });
    }
  }

  #at(version: number): WireCodec<Read, Write> {
    return (this.#codecs[version] ??= this.spec.type.at(version, version >= this.spec.flexibleFrom));
  }
}

const VERSION_BYTES = 2;

/**
 * The version in front, an INT16.
 *
 * @throws RecordError `malformed` where there is none
 */
export function versionOf(bytes: Buffer, name: string): number {
  if (bytes.length < VERSION_BYTES) {
    throw new RecordError(
      'malformed',
      `${name} has ${bytes.length} bytes, and its version alone takes ${VERSION_BYTES}`,
    );
  }
  return bytes.readInt16BE(0);
}
