import { WeirError } from '@weir/base/errors.ts';

/** The code that a promise is rejected with, looked at from now on. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no rejection',
    (error: unknown) => (error instanceof WeirError ? error.code : String(error)),
  );
}
