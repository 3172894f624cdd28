import { WeirError } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';

const GIVEN_AWAY: ReadonlySet<ErrorCode> = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
]);

/**
 * Whether a commit was refused because the partitions are another member's now, or may be: that one is given the records again, so
 * there is nothing to be done about it, except where doing them twice does harm.
 */
export function isGivenAway(error: unknown): error is WeirError {
  return error instanceof WeirError && GIVEN_AWAY.has(error.code);
}
