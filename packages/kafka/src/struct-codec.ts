import { WireError } from './wire-reader.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** How one type is read and written in one version of a message. */
export interface WireCodec<Read, Write> {
  /** The least that a value takes. */
  readonly bytesMin: number;
  read(from: WireReader): Read;
  write(to: WireWriter, value: Write): void;
}

/** A field of a struct that has its place among the others. */
export interface PlacedField {
  readonly name: string;
  /** Undefined: the version does not have it. */
  readonly codec: WireCodec<unknown, unknown> | undefined;
  /** What it has where neither the message nor its writer says. */
  readonly fallback: unknown;
}

/** A field that is there only where it is not what `fallback` says. */
export interface TaggedField extends PlacedField {
  readonly tag: number;
  readonly codec: WireCodec<unknown, unknown>;
}

/** A struct in one version: fields in the order of the wire, then the tagged ones by their tags. */
export interface StructFields {
  readonly placed: readonly PlacedField[];
  readonly tagged: readonly TaggedField[];
}

type AnyStruct = Record<string, unknown>;

/**
 * Codecs of structs and arrays, each a function of its own that is made of source text. What V8 learns of the values that
 * go through a function it keeps for all closures of it: one function that reads whatever struct it is given meets all of
 * them, and then every field is a lookup by name, and every object grows a field at a time (ADR 37).
 */
export function structCodec({ placed, tagged }: StructFields, flexible: boolean): WireCodec<AnyStruct, AnyStruct> {
  const fields: readonly PlacedField[] = [...placed, ...tagged];
  const scope: Record<string, unknown> = { readTags, writeTags, tagged };
  for (const [i, { codec, fallback }] of fields.entries()) {
    scope[`codec${i}`] = codec;
    scope[`fallback${i}`] = fallback;
  }
  let bytesMin = flexible ? 1 : 0;
  for (const { codec } of placed) bytesMin += codec?.bytesMin ?? 0;
  return {
    bytesMin,
    read: compiled(scope, readerSource(placed, fields, flexible)),
    write: compiled(scope, writerSource(placed, tagged, flexible)),
  };
}

function readerSource(placed: readonly PlacedField[], fields: readonly PlacedField[], flexible: boolean): string {
  const members = fields.map(({ name, codec }, i) => {
    const isRead = i < placed.length && codec !== undefined;
    return `${JSON.stringify(name)}: ${isRead ? `codec${i}.read(r)` : `fallback${i}`}`;
  });
  return `(r) => {
    const value = { ${members.join(', ')} };
    ${flexible ? 'readTags(r, tagged, value);' : ''}
    return value;
  }`;
}

function writerSource(placed: readonly PlacedField[], tagged: readonly TaggedField[], flexible: boolean): string {
  const writes = placed.map(({ name, codec }, i) => {
    if (codec === undefined) return '';
    return `const given${i} = value[${JSON.stringify(name)}];
      codec${i}.write(w, given${i} === undefined ? fallback${i} : given${i});`;
  });
  const isGiven = tagged.map(({ name }, i) => {
    const given = `value[${JSON.stringify(name)}]`;
    return `(${given} !== undefined && ${given} !== fallback${placed.length + i})`;
  });
  const isTagged = isGiven.length === 0 ? 'false' : isGiven.join(' || ');
  return `(w, value) => {
    ${writes.join('\n')}
    ${flexible ? `if (${isTagged}) writeTags(w, tagged, value); else w.uvarint(0);` : ''}
  }`;
}

/** The elements of an array, behind their number. */
interface ElementsCodec<Read, Write> {
  read(from: WireReader, count: number): Read[];
  write(to: WireWriter, values: readonly Write[]): void;
}

/** Reads and writes so many values of one type. See `structCodec`. */
export function elementsCodec<Read, Write>(element: WireCodec<Read, Write>): ElementsCodec<Read, Write> {
  const scope = { element };
  const readSome: (from: WireReader, count: number) => Read[] = compiled(
    scope,
    `(r, count) => {
      const values = new Array(count);
      for (let i = 0; i < count; i++) values[i] = element.read(r);
      return values;
    }`,
  );
  return {
    read: (r, count) => {
      r.expectElements(count, element.bytesMin);
      return count === 0 ? [] : readSome(r, count);
    },
    write: compiled(scope, '(w, values) => { for (const value of values) element.write(w, value); }'),
  };
}

/**
 * The function that `source` says, to which the names of `scope` are known. All of it is written here; of a message's
 * description there are only names, as literals.
 */
function compiled(scope: Readonly<Record<string, unknown>>, source: string): any {
  const names = Object.keys(scope).join(', ');
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- What else is there that V8 learns about by itself?
  const make = new Function('scope', `'use strict'; const { ${names} } = scope; return ${source};`);
  return make(scope);
}

function readTags(r: WireReader, tagged: readonly TaggedField[], value: AnyStruct): void {
  const count = r.uvarint();
  for (let i = 0; i < count; i++) {
    const tag = r.uvarint();
    const size = r.uvarint();
    const end = r.at + size;
    const field = tagged.find((known) => known.tag === tag);
    if (field === undefined) {
      // Of a newer version of the protocol, which those that do not know it pass over.
      r.skip(size);
      continue;
    }
    value[field.name] = field.codec.read(r);
    if (r.at !== end) throw new WireError(`tagged field ${tag} has ${size} bytes, and its value ends elsewhere`);
  }
}

function writeTags(w: WireWriter, tagged: readonly TaggedField[], value: AnyStruct): void {
  const given = tagged.filter(({ name, fallback }) => value[name] !== undefined && value[name] !== fallback);
  w.uvarint(given.length);
  for (const { name, tag, codec } of given) {
    w.uvarint(tag);
    w.sized(() => codec.write(w, value[name]));
  }
}
