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
  const time = text.slice(1);
  const timestampMs = /^\d+$/.test(time) ? Number(time) : /^\d{4}-\d\d-\d\d/.test(time) ? Date.parse(time) : Number.NaN;
  return Number.isSafeInteger(timestampMs) ? { kind: 'timestamp', timestampMs } : undefined;
}

/** For an option's `check`. */
export function startAtProblem(text: string): string | undefined {
  if (parseStartAt(text) !== undefined) return undefined;
  return 'is neither "earliest", "latest", an offset from 0 nor a time as @2026-01-31T12:00:00Z or @MILLISECONDS';
}
