/**
 * A point in time as people write it: whole milliseconds since 1970, or an ISO date such as 2026-01-31T08:00:00Z.
 *
 * @returns milliseconds since 1970, or undefined when it is neither, or a day that no month has
 */
export function parseTimestamp(text: string): number | undefined {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const day = /^(\d{4})-(\d{2})-(\d{2})/.exec(text);
  if (day === null) return undefined;
  const daysInMonth = new Date(Date.UTC(Number(day[1]), Number(day[2]), 0)).getUTCDate();
  const value = Date.parse(text);
  return Number(day[3]) <= daysInMonth && value >= 0 ? value : undefined;
}
