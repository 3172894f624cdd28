import { WeirError } from '@weir/base/errors.ts';

/** What `run` returns, or 'refused' when it throws a WeirError. Any other error goes on, and fails the test. */
export function orRefused<T>(run: () => T): T | 'refused' {
  try {
    return run();
  } catch (error) {
    if (error instanceof WeirError) return 'refused';
    throw error;
  }
}
