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
  const scope: Record<string, unknown> = { readTags, writeTag, tagged };
  for (const [i, { codec, fallback }] of fields.entries()) {
    scope[`codec${i}`] = codec;
    scope[`fallback${i}`] = fallback;
  }
  let bytesMin = flexible ? 1 : 0;
  for (const { codec } of placed) bytesMin += codec?.bytesMin ?? 0;
  return {
    bytesMin,
    read: compiled(scope, readerSource({ placed, tagged }, flexible)),
    write: compiled(scope, writerSource({ placed, tagged }, flexible)),
  };
}

function readerSource({ placed, tagged }: StructFields, flexible: boolean): string {
  const members = [
    ...placed.map(({ codec }, i) => (codec === undefined ? `fallback${i}` : `codec${i}.read(r)`)),
    ...tagged.map((_, i) => `fallback${placed.length + i}`),
  ];
  const names = [...placed, ...tagged].map(({ name }) => JSON.stringify(name));
  return `(r) => {
    const value = { ${names.map((name, i) => `${name}: ${members[i]}`).join(', ')} };
    ${flexible ? 'readTags(r, tagged, value);' : ''}
    return value;
  }`;
}

function writerSource({ placed, tagged }: StructFields, flexible: boolean): string {
  const given = [...placed, ...tagged].map(({ name }, i) => `const given${i} = value[${JSON.stringify(name)}];`);
  const writes = placed.map(({ codec }, i) =>
    codec === undefined ? '' : `codec${i}.write(w, given${i} === undefined ? fallback${i} : given${i});`,
  );
  const tags = tagged.map(({ tag }, i) => {
    const at = placed.length + i;
    return { tag, at, isGiven: `(given${at} !== undefined && given${at} !== fallback${at})` };
  });
  const count = ['0', ...tags.map(({ isGiven }) => `(${isGiven} ? 1 : 0)`)].join(' + ');
  const writesTags = tags.map(({ tag, at, isGiven }) => `if ${isGiven} writeTag(w, ${tag}, codec${at}, given${at});`);
  return `(w, value) => {
    ${[...given, ...writes, ...(flexible ? [`w.uvarint(${count});`, ...writesTags] : [])].join('\n')}
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
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- No text from outside is in it; why it is text: ADR 37.
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

function writeTag(w: WireWriter, tag: number, codec: WireCodec<unknown, unknown>, value: unknown): void {
  w.uvarint(tag);
  w.sized(() => codec.write(w, value));
}
