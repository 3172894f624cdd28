import { HTTP_CONSUMER_PATTERN_CHARS_MAX, HTTP_CONSUMER_PATTERN_REPEATS_MAX } from '@weir/base/group-limits.ts';

/**
 * A pattern that whole names of topics match. The gateway matches it itself, by going back wherever a try fails: what could take it
 * minutes for one name is refused.
 *
 * @returns the pattern, or what is wrong with it
 */
export function topicPattern(text: string): RegExp | string {
  if (text === '' || text.length > HTTP_CONSUMER_PATTERN_CHARS_MAX) {
    return `does not have 1 to ${HTTP_CONSUMER_PATTERN_CHARS_MAX} characters`;
  }
  let repeats = 0;
  let groups = 0;
  let inClass = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '\\') {
      i++;
      if (/[1-9k]/.test(text[i] ?? '')) return 'refers back to what it has matched, which is not taken here';
    } else if (inClass) inClass = char !== ']';
    else if (char === '[') inClass = true;
    else if (char === '(') {
      if (++groups > 1) return 'has more than one group, which is not taken here';
      if (text[i + 1] === '?' && text[i + 2] !== ':') return 'looks around, which is not taken here';
      if (text[i + 1] === '?') i += 2;
    } else if (char === ')' && /[*+{]/.test(text[i + 1] ?? '')) return 'repeats a group, which is not taken here';
    else if (/[*+{]/.test(char)) {
      if (++repeats > HTTP_CONSUMER_PATTERN_REPEATS_MAX) {
        return `repeats more than ${HTTP_CONSUMER_PATTERN_REPEATS_MAX} times, which is not taken here`;
      }
    }
  }
  try {
    return new RegExp(`^(?:${text})$`, 'u');
  } catch (error) {
    return `is no pattern: ${(error as Error).message}`;
  }
}
