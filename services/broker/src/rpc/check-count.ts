import { WeirError } from '@weir/base/errors.ts';

/** @throws WeirError INVALID_REQUEST when a request has more of something than it may */
export function checkCount(count: number, max: number, what: string): void {
  if (count <= max) return;
  throw new WeirError('INVALID_REQUEST', `a request has at most ${max} ${what}, this one has ${count}`);
}
