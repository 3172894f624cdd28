import { isUtf8 } from 'node:buffer';
import { JSON_DEPTH_MAX } from '@weir/base/limits.ts';
import { HttpFailure } from '../http/failure.ts';
import { scanArray, scanObject, scanValue, skipSpace } from './json-scan.ts';

/** Where a value lies in a body. */
export interface JsonSlice {
  readonly start: number;
  readonly end: number;
}

/**
 * Checks a body and cuts it into the records that it stands for: an array's elements, or the one value.
 *
 * @returns two numbers a record: where it begins and ends in the body
 * @throws HttpFailure MALFORMED_JSON that names the place
 */
export function cutRecords(body: Buffer): number[] {
  const at = skipSpace(body, 0, body.length);
  const parts: number[] = [];
  let after: number;
  if (body[at] === 0x5b) {
    after = scanArray(body, at, body.length, 0, parts);
  } else {
    after = scanValue(body, at, body.length, 0);
    parts.push(at, after);
  }
  checkEnd(body, after);
  return parts;
}

/** Checks one value in a part of a body; undefined when the part is nothing but white space. */
export function cutValue(body: Buffer, start: number, end: number): JsonSlice | undefined {
  const at = skipSpace(body, start, end);
  if (at === end) return undefined;
  const after = scanValue(body, at, end, 0);
  const part = start === 0 && end === body.length ? body : body.subarray(start, end);
  checkEnd(part, after < 0 ? ~(~after - start) : after - start);
  return { start: at, end: after };
}

function checkEnd(body: Buffer, after: number): void {
  const wrongAt = after < 0 ? ~after : skipSpace(body, after, body.length);
  if (after < 0 || wrongAt !== body.length) throw malformedJson(body, wrongAt);
  if (!isUtf8(body)) throw new HttpFailure('MALFORMED_JSON', 'the JSON is not UTF-8: encode it so');
}

function malformedJson(body: Buffer, at: number): HttpFailure {
  if (body.length === 0) return new HttpFailure('MALFORMED_JSON', 'the body is empty: expected JSON');
  if (at >= body.length) return new HttpFailure('MALFORMED_JSON', 'the JSON ends in the middle of a value');
  let line = 1;
  let lineStart = 0;
  for (let i = body.indexOf(0x0a); i !== -1 && i < at; i = body.indexOf(0x0a, i + 1)) {
    line++;
    lineStart = i + 1;
  }
  const around = body.subarray(at, at + 12).toString('utf8');
  const deep = body[at] === 0x5b || body[at] === 0x7b ? ` (or nested deeper than ${JSON_DEPTH_MAX})` : '';
  return new HttpFailure(
    'MALFORMED_JSON',
    `the JSON is malformed at line ${line}, byte ${at - lineStart + 1}: ${JSON.stringify(around)} does not belong there${deep}`,
  );
}

/** Fields of an object that was checked, by name; of a name that occurs twice the last one counts, as in JSON.parse. */
export function fieldsOf(body: Buffer, slice: JsonSlice): Map<string, JsonSlice> {
  const parts: number[] = [];
  scanObject(body, slice.start, slice.end, 0, parts);
  const fields = new Map<string, JsonSlice>();
  for (let i = 0; i < parts.length; i += 4) {
    const name = JSON.parse(body.toString('utf8', parts[i], parts[i + 1])) as string;
    fields.set(name, { start: parts[i + 2]!, end: parts[i + 3]! });
  }
  return fields;
}

/** Elements of an array that was checked, two numbers each. */
export function elementsOf(body: Buffer, slice: JsonSlice): number[] {
  const parts: number[] = [];
  scanArray(body, slice.start, slice.end, 0, parts);
  return parts;
}

/** What kind of value begins there. */
export function kindAt(body: Buffer, at: number): 'object' | 'array' | 'string' | 'boolean' | 'null' | 'number' {
  switch (body[at]) {
    case 0x7b:
      return 'object';
    case 0x5b:
      return 'array';
    case 0x22:
      return 'string';
    case 0x74:
    case 0x66:
      return 'boolean';
    case 0x6e:
      return 'null';
    default:
      return 'number';
  }
}

/** The field of that name in a checked object, or undefined. It stops where it finds it: the first of a name counts. */
export function findField(body: Buffer, slice: JsonSlice, name: string, quotedName: Buffer): JsonSlice | undefined {
  const { end } = slice;
  let position = skipSpace(body, slice.start + 1, end);
  while (position < end && body[position] === 0x22) {
    const nameEnd = scanValue(body, position, end, 0);
    const isIt = isName(body, position, nameEnd, name, quotedName);
    const start = skipSpace(body, skipSpace(body, nameEnd, end) + 1, end);
    const after = scanValue(body, start, end, 0);
    if (isIt) return { start, end: after };
    position = skipSpace(body, skipSpace(body, after, end) + 1, end);
  }
  return undefined;
}

function isName(body: Buffer, start: number, end: number, name: string, quotedName: Buffer): boolean {
  if (end - start === quotedName.length && body.compare(quotedName, 0, quotedName.length, start, end) === 0)
    return true;
  // A name may be written with escapes.
  for (let i = start; i < end; i++) {
    if (body[i] === 0x5c) return JSON.parse(body.toString('utf8', start, end)) === name;
  }
  return false;
}
