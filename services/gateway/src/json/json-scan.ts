import { isUtf8 } from 'node:buffer';
import { JSON_DEPTH_MAX } from '@weir/base/limits.ts';

/*
 * Checks JSON where it lies and tells where its parts begin and end, in one pass and without an object: bodies are cut
 * into records and records put into answers byte for byte, so that no 64-bit integer is rounded on its way and nothing
 * is serialized twice. It takes exactly what JSON.parse takes (a property test holds it to that), up to a depth.
 *
 * Scans return the position after what they scanned, or the complement (~) of the position at which it went wrong.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Whether bytes are one JSON value with nothing but white space around it. */
export function isJson(bytes: Buffer): boolean {
  const end = bytes.length;
  const at = skipSpace(bytes, 0, end);
  const after = scanValue(bytes, at, end, 0);
  return after >= 0 && skipSpace(bytes, after, end) === end && isUtf8(bytes);
}

/** The position of the first byte from `at` that is not white space. */
export function skipSpace(bytes: Buffer, at: number, end: number): number {
  let position = at;
  while (position < end) {
    const byte = bytes[position]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    position++;
  }
  return position;
}

/** Scans the value that begins at `at`. */
export function scanValue(bytes: Buffer, at: number, end: number, depth: number): number {
  if (at >= end) return ~end;
  switch (bytes[at]!) {
    case QUOTE:
      return scanString(bytes, at, end);
    case 0x7b:
      return scanObject(bytes, at, end, depth, undefined);
    case 0x5b:
      return scanArray(bytes, at, end, depth, undefined);
    case 0x74:
      return scanWord(bytes, at, end, 'true');
    case 0x66:
      return scanWord(bytes, at, end, 'false');
    case 0x6e:
      return scanWord(bytes, at, end, 'null');
    default:
      return scanNumber(bytes, at, end);
  }
}

/** Scans an array; where each element begins and ends is added to `parts`, two numbers an element. */
export function scanArray(bytes: Buffer, at: number, end: number, depth: number, parts: number[] | undefined): number {
  if (depth >= JSON_DEPTH_MAX) return ~at;
  let position = skipSpace(bytes, at + 1, end);
  if (position < end && bytes[position] === 0x5d) return position + 1;
  for (;;) {
    const after = scanValue(bytes, position, end, depth + 1);
    if (after < 0) return after;
    if (parts !== undefined) parts.push(position, after);
    position = skipSpace(bytes, after, end);
    if (position >= end) return ~end;
    const byte = bytes[position]!;
    if (byte === 0x5d) return position + 1;
    if (byte !== COMMA) return ~position;
    position = skipSpace(bytes, position + 1, end);
  }
}

/** Scans an object; where each name (with its quotes) and value begins and ends is added to `parts`, four a field. */
export function scanObject(bytes: Buffer, at: number, end: number, depth: number, parts: number[] | undefined): number {
  if (depth >= JSON_DEPTH_MAX) return ~at;
  let position = skipSpace(bytes, at + 1, end);
  if (position < end && bytes[position] === 0x7d) return position + 1;
  for (;;) {
    if (position >= end || bytes[position] !== QUOTE) return ~position;
    const nameAt = position;
    const nameEnd = scanString(bytes, position, end);
    if (nameEnd < 0) return nameEnd;
    position = skipSpace(bytes, nameEnd, end);
    if (position >= end || bytes[position] !== COLON) return ~position;
    position = skipSpace(bytes, position + 1, end);
    const after = scanValue(bytes, position, end, depth + 1);
    if (after < 0) return after;
    if (parts !== undefined) parts.push(nameAt, nameEnd, position, after);
    position = skipSpace(bytes, after, end);
    if (position >= end) return ~end;
    const byte = bytes[position]!;
    if (byte === 0x7d) return position + 1;
    if (byte !== COMMA) return ~position;
    position = skipSpace(bytes, position + 1, end);
  }
}

function scanString(bytes: Buffer, at: number, end: number): number {
  let position = at + 1;
  while (position < end) {
    const byte = bytes[position]!;
    if (byte === QUOTE) return position + 1;
    if (byte < 0x20) return ~position;
    if (byte === BACKSLASH) {
      const after = scanEscape(bytes, position + 1, end);
      if (after < 0) return after;
      position = after;
    } else {
      position++;
    }
  }
  return ~end;
}

function scanEscape(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return ~end;
  switch (bytes[at]!) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 1;
    case 0x75: // u
      for (let i = 1; i <= 4; i++) {
        if (at + i >= end) return ~end;
        if (!isHexDigit(bytes[at + i]!)) return ~(at + i);
      }
      return at + 5;
    default:
      return ~at;
  }
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function scanWord(bytes: Buffer, at: number, end: number, word: string): number {
  for (let i = 1; i < word.length; i++) {
    if (at + i >= end) return ~end;
    if (bytes[at + i] !== word.charCodeAt(i)) return ~(at + i);
  }
  return at + word.length;
}

function scanNumber(bytes: Buffer, at: number, end: number): number {
  let position = at;
  if (bytes[position] === 0x2d) position++;
  if (position < end && bytes[position] === 0x30) {
    position++;
  } else {
    position = scanDigits(bytes, position, end);
    if (position < 0) return position;
  }
  if (position < end && bytes[position] === 0x2e) {
    position = scanDigits(bytes, position + 1, end);
    if (position < 0) return position;
  }
  if (position < end && (bytes[position]! | 0x20) === 0x65) {
    position++;
    if (position < end && (bytes[position] === 0x2b || bytes[position] === 0x2d)) position++;
    position = scanDigits(bytes, position, end);
  }
  return position;
}

/** At least one digit. */
function scanDigits(bytes: Buffer, at: number, end: number): number {
  let position = at;
  while (position < end && bytes[position]! >= 0x30 && bytes[position]! <= 0x39) position++;
  return position === at ? ~position : position;
}
