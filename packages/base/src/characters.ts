/** How many characters a text has, as JSON Schema counts them: one that takes two code units is one. */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
