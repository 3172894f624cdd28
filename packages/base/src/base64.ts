/** The bytes of base64 with its padding; undefined when it is anything else, of which Buffer would leave out what does not fit. */
export function bytesOfBase64(text: string): Buffer | undefined {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
