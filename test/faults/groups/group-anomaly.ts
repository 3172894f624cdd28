/**
 * What may be wrong with the history of groups:
 *
 * - `two-owners`: a partition had two owners in one generation. Processes with one instance id are one owner.
 * - `unowned-delivery`: a member was given records of a partition that it was never assigned.
 * - `stale-commit`: acknowledged to a member that asked after a newer generation was known.
 * - `fenced-commit`: acknowledged to a static member that asked after another process had its place.
 * - `lost-commit`: a new owner began, or the group ended, below what had been acknowledged.
 * - `backward-commit`: acknowledged below what had been acknowledged before it was asked for.
 * - `skipped`: a new owner began past everything that anybody had asked to commit.
 * - `out-of-order`: one owner was given records that lie before, or left some out.
 * - `undelivered`: committed past a record that nobody in the group had been given.
 */
type GroupAnomalyKind =
  | 'two-owners'
  | 'unowned-delivery'
  | 'stale-commit'
  | 'fenced-commit'
  | 'lost-commit'
  | 'backward-commit'
  | 'skipped'
  | 'out-of-order'
  | 'undelivered';

export interface GroupAnomaly {
  readonly kind: GroupAnomalyKind;
  /** For people. */
  readonly what: string;
}
