import { parseTimestamp } from '@weir/base/timestamp.ts';

/** Where reading begins. */
export type StartAt =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'timestamp'; readonly timestampMs: number };

/** Takes "earliest", "latest", an offset, or "@" with a time; undefined when it is none of them. */
export function parseStartAt(text: string): StartAt | undefined {
  if (text === 'earliest' || text === 'latest') return { kind: text };
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    return Number.isSafeInteger(offset) ? { kind: 'offset', offset } : undefined;
  }
  if (!text.startsWith('@')) return undefined;
  const timestampMs = parseTimestamp(text.slice(1));
  return timestampMs === undefined ? undefined : { kind: 'timestamp', timestampMs };
}

/** For an option's `check`. */
export function startAtProblem(text: string): string | undefined {
  if (parseStartAt(text) !== undefined) return undefined;
  return 'is neither "earliest", "latest", an offset from 0 nor a time as @2026-01-31T12:00:00Z or @MILLISECONDS';
}
