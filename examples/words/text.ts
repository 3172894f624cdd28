/** What is counted: sentences that are put together anew, line after line. */
const WHO = [
  'the river',
  'a heron',
  'the old miller',
  'every child of the village',
  'the weir',
  'a slow barge',
  'the rain',
];
const DOES = ['waits for', 'carries', 'remembers', 'counts', 'follows', 'leaves', 'and the river count'];
const WHAT = [
  'the leaves of the willow',
  'the stones below the bridge',
  'one boat, then one more boat',
  'what the rain has brought',
  'all the water that has gone',
  'the light on the water, the light on the stones',
];
const WHEN = ['in the morning', 'until the evening', 'day after day', 'when the snow melts', 'and then once more'];

/** A line by its number: the same one whenever it is asked for. */
export function lineOf(number: number): string {
  // Steps that have no divisor in common with the lengths, so that all combinations come.
  const at = (parts: readonly string[], step: number): string => parts[Math.floor(number * step) % parts.length]!;
  return `${at(WHO, 1)} ${at(DOES, 3.7)} ${at(WHAT, 5.3)} ${at(WHEN, 1.9)}`;
}

/** The words of a line, each with how often it is there. */
export function wordsOf(line: string): Map<string, number> {
  const words = new Map<string, number>();
  for (const [word] of line.toLowerCase().matchAll(/\p{L}+/gu)) words.set(word, (words.get(word) ?? 0) + 1);
  return words;
}
