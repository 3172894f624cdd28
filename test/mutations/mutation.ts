/** A change of one place of the code. */
export interface Change {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** A mistake that somebody could make, and the tests that have to notice it. */
export interface Mutation extends Change {
  /** What the changed code does wrong. */
  readonly name: string;
  /** What else has to be changed: behind the first place there is another one that does the same. */
  readonly also?: readonly Change[];
  /** Test files from the root of the repository, of which at least one fails; or seeds of a simulation, of which one does. */
  readonly tests: readonly string[] | SeedBudget;
  /** Runs with every `npm test`. */
  readonly always?: true;
}

/** All places that a mutation changes. */
export function changesOf(mutation: Mutation): readonly Change[] {
  return [mutation, ...(mutation.also ?? [])];
}

/** Seeds of a simulation from 1 on, which are the same each time: one of the first so many finds the mistake. */
export interface SeedBudget {
  readonly simulation: 'coordinators' | 'brokers';
  readonly seeds: number;
}
