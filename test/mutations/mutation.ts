/** A mistake that somebody could make, and the tests that have to notice it. */
export interface Mutation {
  /** What the changed code does wrong. */
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Test files from the root of the repository, of which at least one fails; or seeds of a simulation, of which one does. */
  readonly tests: readonly string[] | SeedBudget;
  /** Runs with every `npm test`. */
  readonly always?: true;
}

/** Seeds of a simulation from 1 on, which are the same each time: one of the first so many finds the mistake. */
export interface SeedBudget {
  readonly simulation: 'coordinators' | 'brokers';
  readonly seeds: number;
}
