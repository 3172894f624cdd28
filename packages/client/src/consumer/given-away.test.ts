import { WeirError } from '@weir/base/errors.ts';
import { expect, test } from 'vitest';
import { isGivenAway } from './given-away.ts';

test('a commit of another generation, or of nobody, is of what was given away; one that is too large, or not answered, is not', () => {
  const answers = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'] as const;
  for (const code of answers) expect(isGivenAway(new WeirError(code, ''))).toBe(true);
  const others = ['OFFSET_METADATA_TOO_LARGE', 'COORDINATOR_NOT_AVAILABLE'] as const;
  for (const code of others) expect(isGivenAway(new WeirError(code, ''))).toBe(false);
  expect(isGivenAway(new Error('REBALANCE_IN_PROGRESS'))).toBe(false);
});
