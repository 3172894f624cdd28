/** An invariant of our own that does not hold. Never raised by bad input and never caught to go on as before. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/**
 * Checks what only a bug of ours can break; it stays on in production. The message is made whether it is needed or not:
 * where something happens for every batch, one that has values in it belongs into `if (…) violated(…)`.
 *
 * @throws InvariantViolation with the message as it stands
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) violated(message);
}

/** An invariant does not hold. @throws InvariantViolation with the message as it stands */
export function violated(message: string): never {
  throw new InvariantViolation(message);
}

/** The value, which a bug of ours alone could have left out. */
export function present<T>(value: T | undefined | null, message: string): T {
  assert(value !== undefined && value !== null, message);
  return value;
}

/** For the end of a `switch` over a union: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${JSON.stringify(value)}`);
}
