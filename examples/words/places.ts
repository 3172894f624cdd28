/** The topics of a run. */
export interface Topics {
  readonly lines: string;
  readonly words: string;
  /** Compacted; a word's count is in the partition that has the number of its words' partition. */
  readonly counts: string;
}

export const LINE_PARTITIONS = 3;
export const WORD_PARTITIONS = 4;

/** The groups of a run: one that splits lines, one that counts words. */
export const GROUPS = {
  splitters: ({ lines }: Topics): string => `${lines}-splitters`,
  counters: ({ words }: Topics): string => `${words}-counters`,
};

/** As short as may be: members hear within a third of it that others have come or gone. */
export const SESSION_TIMEOUT_MS = 6_000;
