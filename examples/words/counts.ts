/** A word that the splitters have found: a record of the topic of words, whose key it is. */
export interface FoundWord {
  /** How often it is in the line. */
  readonly times: number;
  /** Where the line is, in the topic of lines. */
  readonly partition: number;
  readonly offset: number;
}

/** What is published of a word: a record of the topic of counts, whose key it is. */
export interface WordCount {
  readonly count: number;
  /** By partition of the topic of lines: the offset of the last line that is counted. */
  readonly counted: Readonly<Record<number, number>>;
}

/**
 * The counts of the words of one partition. Each count knows the lines that are in it, so that whatever comes again is recognised: a
 * line that was split twice as well as a word that was read twice.
 *
 * Invariant: of one word, the lines of one partition come in the order of their offsets, apart from those that come again.
 */
export class WordCounts {
  readonly #counts = new Map<string, WordCount>();
  readonly #changed = new Set<string>();
  /** Words that came again, and were counted already. */
  recognised = 0;

  /** `published`: what the topic of counts says of them, by word. */
  constructor(published: ReadonlyMap<string, string>) {
    for (const [word, value] of published) this.#counts.set(word, JSON.parse(value) as WordCount);
  }

  add(word: string, { times, partition, offset }: FoundWord): void {
    const { count, counted } = this.#counts.get(word) ?? { count: 0, counted: {} };
    if (offset <= (counted[partition] ?? -1)) {
      this.recognised++;
      return;
    }
    this.#counts.set(word, { count: count + times, counted: { ...counted, [partition]: offset } });
    this.#changed.add(word);
  }

  /** Those that have changed since this was called last. */
  takeChanged(): [word: string, count: WordCount][] {
    const changed = [...this.#changed].map((word): [string, WordCount] => [word, this.#counts.get(word)!]);
    this.#changed.clear();
    return changed;
  }
}
