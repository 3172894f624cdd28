/** A record's value as text. The gateway stores JSON text: what it was given is in quotes. */
export function textOfRecord(value: Uint8Array | null): string {
  if (value === null) return '';
  const text = Buffer.from(value).toString();
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}
