import { elementsCodec, structCodec } from './struct-codec.ts';
import type { PlacedField, StructFields, TaggedField, WireCodec } from './struct-codec.ts';
import { WireError } from './wire-reader.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/**
 * Messages as they are written in Kafka's protocol guide: a struct of fields, each with the versions in which it is
 * there. From one such description come the reader and the writer of every version, and the TypeScript types.
 */

/** A type of the protocol: what is read of it, and what may be given to be written. */
export interface WireType<Read, Write = Read> {
  readonly kind: 'type';
  /** What a field has where neither the message nor its writer says. */
  readonly zero: Read & Write;
  /** `flexible`: the version has compact lengths and tagged fields (KIP-482). */
  at(version: number, flexible: boolean): WireCodec<Read, Write>;
}

/** A type with the versions that have it, and what stands for it in all others. */
export interface Field<Read, Write = Read> {
  readonly kind: 'field';
  readonly type: WireType<Read, Write>;
  readonly from: number;
  readonly to: number;
  /** Undefined: the field has a place of its own. */
  readonly tag: number | undefined;
  readonly fallback: Read & Write;
}

type AnyMember = WireType<any, any> | Field<any, any>;
/** A struct's fields by name, in the order of the wire. */
export type Shape = Readonly<Record<string, AnyMember>>;

type ReadOf<Member> =
  Member extends Field<infer Read, any> ? Read : Member extends WireType<infer Read, any> ? Read : never;
type WriteOf<Member> =
  Member extends Field<any, infer Write> ? Write : Member extends WireType<any, infer Write> ? Write : never;
type FieldNames<S> = { [Name in keyof S]: S[Name] extends Field<any, any> ? Name : never }[keyof S];

/** A struct as it is read: all of it is there, whatever the version. */
export type StructRead<S extends Shape> = { readonly [Name in keyof S]: ReadOf<S[Name]> };
/** A struct to be written: what not every version has may be left out. */
export type StructWrite<S extends Shape> = {
  readonly [Name in Exclude<keyof S, FieldNames<S>>]: WriteOf<S[Name]>;
} & { readonly [Name in FieldNames<S>]?: WriteOf<S[Name]> | undefined };

/** The field is there from a version on. */
export function from<R, W>(version: number, type: WireType<R, W>, fallback?: R & W): Field<R, W> {
  return between(version, Number.POSITIVE_INFINITY, type, fallback);
}

/** The field is there up to a version. */
export function until<R, W>(version: number, type: WireType<R, W>, fallback?: R & W): Field<R, W> {
  return between(0, version, type, fallback);
}

/** The field is there from a version to another one. */
export function between<R, W>(first: number, last: number, type: WireType<R, W>, fallback?: R & W): Field<R, W> {
  return { kind: 'field', type, from: first, to: last, tag: undefined, fallback: fallback ?? type.zero };
}

/** The field is tagged: from a version on it is there where it is not what `fallback` says. */
export function tagged<R, W>(tag: number, version: number, type: WireType<R, W>, fallback?: R & W): Field<R, W> {
  return { kind: 'field', type, from: version, to: Number.POSITIVE_INFINITY, tag, fallback: fallback ?? type.zero };
}

function fixed<T>(zero: T, codec: WireCodec<T, T>): WireType<T> {
  return { kind: 'type', zero, at: () => codec };
}

export const int8 = fixed<number>(0, { bytesMin: 1, read: (r) => r.int8(), write: (w, value) => w.int8(value) });
export const int16 = fixed<number>(0, { bytesMin: 2, read: (r) => r.int16(), write: (w, value) => w.int16(value) });
export const int32 = fixed<number>(0, { bytesMin: 4, read: (r) => r.int32(), write: (w, value) => w.int32(value) });
/** A number: see WireReader.int64. */
export const int64 = fixed<number>(0, { bytesMin: 8, read: (r) => r.int64(), write: (w, value) => w.int64(value) });
export const boolean = fixed<boolean>(false, {
  bytesMin: 1,
  read: (r) => r.boolean(),
  write: (w, value) => w.int8(value ? 1 : 0),
});

/** The UUID that stands for none. */
export const NO_UUID: Uint8Array = new Uint8Array(16);

/** Its 16 bytes. What is read is a view of the message. */
export const uuid = fixed<Uint8Array>(NO_UUID, {
  bytesMin: 16,
  read: (r) => r.view(16),
  write: (w, value) => w.raw(value),
});

/** How a version tells lengths: compact ones are one more than they say, and 0 is null. */
interface Lengths {
  readonly bytesMin: number;
  /** -1: null. */
  read(from: WireReader): number;
  write(to: WireWriter, length: number): void;
}

const compact: Lengths = {
  bytesMin: 1,
  read: (r) => r.uvarint() - 1,
  write: (w, length) => w.uvarint(length + 1),
};
const inInt16: Lengths = { bytesMin: 2, read: (r) => r.int16(), write: (w, length) => w.int16(length) };
const inInt32: Lengths = { bytesMin: 4, read: (r) => r.int32(), write: (w, length) => w.int32(length) };

function readLength(r: WireReader, lengths: Lengths, what: string): number {
  const length = lengths.read(r);
  if (length < -1) throw new WireError(`${what} has ${length} as its length`);
  return length;
}

function present(length: number, what: string): number {
  if (length === -1) throw new WireError(`${what} is null where there has to be one`);
  return length;
}

/** The longest text that a length in an INT16 can tell of. */
const INT16_TEXT_BYTES_MAX = 0x7fff;

type WriteText = (to: WireWriter, lengths: Lengths, value: string) => void;

/** What is too long is cut: in a message it can only be words for people. */
function writeCut(w: WireWriter, lengths: Lengths, value: string): void {
  const length = Buffer.byteLength(value);
  if (lengths === inInt16 && length > INT16_TEXT_BYTES_MAX) {
    // As much as surely fits: no character takes more than three bytes a unit.
    return writeCut(w, lengths, value.slice(0, Math.floor(INT16_TEXT_BYTES_MAX / 3)));
  }
  lengths.write(w, length);
  w.text(value, length);
}

/** What is too long is refused: cut, it would be the name of something else. */
function writeWhole(w: WireWriter, lengths: Lengths, value: string): void {
  const length = Buffer.byteLength(value);
  if (lengths === inInt16 && length > INT16_TEXT_BYTES_MAX) {
    throw new WireError(`a string of ${length} bytes is longer than ${INT16_TEXT_BYTES_MAX}, the most there may be`);
  }
  writeCut(w, lengths, value);
}

function text(writeText: WriteText): WireType<string> {
  return {
    kind: 'type',
    zero: '',
    at: (_version, flexible) => {
      const lengths = flexible ? compact : inInt16;
      return {
        bytesMin: lengths.bytesMin,
        read: (r) => r.text(present(readLength(r, lengths, 'a string'), 'a string')),
        write: (w, value) => writeText(w, lengths, value),
      };
    },
  };
}

function nullableText(writeText: WriteText, since: number): WireType<string | null> {
  return {
    kind: 'type',
    zero: null,
    at: (version, flexible) => {
      if (version < since) {
        const inner = text(writeText).at(version, flexible);
        return {
          bytesMin: inner.bytesMin,
          read: (r) => inner.read(r),
          write: (w, value) => inner.write(w, value ?? ''),
        };
      }
      const lengths = flexible ? compact : inInt16;
      return {
        bytesMin: lengths.bytesMin,
        read: (r) => {
          const length = readLength(r, lengths, 'a string');
          return length === -1 ? null : r.text(length);
        },
        write: (w, value) => (value === null ? lengths.write(w, -1) : writeText(w, lengths, value)),
      };
    },
  };
}

export const string: WireType<string> = text(writeCut);

/** A string, or null from a version on; before that null is written as an empty one. */
export function nullableString(since = 0): WireType<string | null> {
  return nullableText(writeCut, since);
}

/** A string that is stored: one that its length cannot tell is refused with a WireError, and not cut. */
export const wholeString: WireType<string> = text(writeWhole);

/** A whole string or null. */
export const nullableWholeString: WireType<string | null> = nullableText(writeWhole, 0);

/** Bytes. What is read is a view of the message; what is written goes out as it is, uncopied. */
export const bytes: WireType<Buffer, Uint8Array> = {
  kind: 'type',
  zero: Buffer.alloc(0),
  at: (_version, flexible) => {
    const lengths = flexible ? compact : inInt32;
    return {
      bytesMin: lengths.bytesMin,
      read: (r) => r.view(present(readLength(r, lengths, 'a field of bytes'), 'a field of bytes')),
      write: (w, value) => {
        lengths.write(w, value.length);
        w.payload([value], value.length);
      },
    };
  },
};

/** Bytes or null, read and written as bytes are. */
export const nullableBytes: WireType<Buffer | null, Uint8Array | null> = {
  kind: 'type',
  zero: null,
  at: (version, flexible) => {
    const lengths = flexible ? compact : inInt32;
    const inner = bytes.at(version, flexible);
    return {
      bytesMin: lengths.bytesMin,
      read: (r) => {
        const length = readLength(r, lengths, 'a field of bytes');
        return length === -1 ? null : r.view(length);
      },
      write: (w, value) => (value === null ? lengths.write(w, -1) : inner.write(w, value)),
    };
  },
};

/** Record batches or null. What is read is a view of the message; what is written goes out as it is, uncopied. */
export const records: WireType<Buffer | null, readonly Uint8Array[] | null> = {
  kind: 'type',
  zero: null,
  at: (_version, flexible) => {
    const lengths = flexible ? compact : inInt32;
    return {
      bytesMin: lengths.bytesMin,
      read: (r) => {
        const length = readLength(r, lengths, 'the records');
        return length === -1 ? null : r.view(length);
      },
      write: (w, parts) => {
        if (parts === null) return lengths.write(w, -1);
        let length = 0;
        for (const part of parts) length += part.length;
        lengths.write(w, length);
        w.payload(parts, length);
      },
    };
  },
};

/** Any number of values. */
export function array<R, W>(type: WireType<R, W>): WireType<readonly R[], readonly W[]> {
  return {
    kind: 'type',
    zero: [],
    at: (version, flexible) => {
      const lengths = flexible ? compact : inInt32;
      const elements = elementsCodec(type.at(version, flexible));
      return {
        bytesMin: lengths.bytesMin,
        read: (r) => elements.read(r, present(readLength(r, lengths, 'an array'), 'an array')),
        write: (w, values) => {
          lengths.write(w, values.length);
          elements.write(w, values);
        },
      };
    },
  };
}

/** Any number of values, or null from a version on; before that an empty array says what null does. */
export function nullableArray<R, W>(
  type: WireType<R, W>,
  since = 0,
): WireType<readonly R[] | null, readonly W[] | null> {
  return {
    kind: 'type',
    zero: null,
    at: (version, flexible) => {
      const lengths = flexible ? compact : inInt32;
      const elements = elementsCodec(type.at(version, flexible));
      return {
        bytesMin: lengths.bytesMin,
        read: (r) => {
          const length = readLength(r, lengths, 'an array');
          if (length === -1 && version < since) throw new WireError('an array is null where there has to be one');
          return length === -1 ? null : elements.read(r, length);
        },
        write: (w, values) => {
          if (values === null && version >= since) return lengths.write(w, -1);
          lengths.write(w, values?.length ?? 0);
          if (values !== null) elements.write(w, values);
        },
      };
    },
  };
}

/** A struct, or null, which a byte in front tells. */
export function nullable<R, W>(type: WireType<R, W>): WireType<R | null, W | null> {
  return {
    kind: 'type',
    zero: null as (R & W) | null,
    at: (version, flexible) => {
      const inner = type.at(version, flexible);
      return {
        bytesMin: 1,
        read: (r) => (r.int8() < 0 ? null : inner.read(r)),
        write: (w, value) => {
          w.int8(value === null ? -1 : 1);
          if (value !== null) inner.write(w, value);
        },
      };
    },
  };
}

/** Fields after each other; in flexible versions the tagged ones come last. */
export function struct<S extends Shape>(shape: S): WireType<StructRead<S>, StructWrite<S>> {
  const zero: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(shape)) {
    zero[name] = member.kind === 'field' ? member.fallback : member.zero;
  }
  return {
    kind: 'type',
    zero: zero as StructRead<S> & StructWrite<S>,
    at: (version, flexible) =>
      structCodec(fieldsOf(shape, version, flexible), flexible) as unknown as WireCodec<StructRead<S>, StructWrite<S>>,
  };
}

/** A struct's fields as one version has them. */
function fieldsOf(shape: Shape, version: number, flexible: boolean): StructFields {
  const placed: PlacedField[] = [];
  const withTags: TaggedField[] = [];
  for (const [name, member] of Object.entries(shape)) {
    if (member.kind === 'type') {
      placed.push({ name, codec: member.at(version, flexible), fallback: member.zero });
      continue;
    }
    const there = version >= member.from && version <= member.to;
    const codec = there ? member.type.at(version, flexible) : undefined;
    const { fallback } = member;
    if (member.tag === undefined || codec === undefined) placed.push({ name, codec, fallback });
    else withTags.push({ name, codec, fallback, tag: member.tag });
  }
  return { placed, tagged: withTags.toSorted((a, b) => a.tag - b.tag) };
}
