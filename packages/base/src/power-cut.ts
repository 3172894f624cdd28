/** An operation that changes what is on the disk. */
export type Mutation =
  | 'append'
  | 'writeAt'
  | 'truncate'
  | 'sync'
  | 'create'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'syncDirectory';

/**
 * The power is gone, or the process was killed: thrown by every operation from the one in which `crashAfter` put it
 * until `crash` or `kill`. It is no DiskError, so that nobody takes it for a fault that can be lived with.
 */
export class PowerCut extends Error {
  override readonly name = 'PowerCut';
  /** What was under way when the power went, and on what; undefined: nothing was. */
  readonly mutation: Mutation | undefined;
  readonly path: string;

  constructor(mutation: Mutation | undefined, path: string) {
    super(mutation === undefined ? 'the power went' : `the power went in "${mutation}" of ${path}`);
    this.mutation = mutation;
    this.path = path;
  }
}
