/** A line of `npm run check`. */
export interface Step {
  readonly name: string;
  run(): Outcome | Promise<Outcome>;
}

/** What became of it. One that cannot run here says why, and how it could. */
export type Outcome = { kind: 'passed' } | { kind: 'failed'; output: string } | { kind: 'skipped'; why: string };
