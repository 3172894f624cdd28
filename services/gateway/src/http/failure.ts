import { ERRORS, messageOf, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { TransportError } from '@weir/base/transport.ts';
import { jsonReply } from './exchange.ts';
import type { GatewayReply } from './exchange.ts';

/** What only HTTP knows, beside the errors that all services share. */
const HTTP_ERRORS = {
  UNKNOWN_ROUTE: 404,
  METHOD_NOT_ALLOWED: 405,
  MALFORMED_REQUEST: 400,
  MALFORMED_JSON: 400,
  INVALID_BODY: 422,
  NOT_ACCEPTABLE: 406,
  UNSUPPORTED_MEDIA_TYPE: 415,
  BODY_TOO_LARGE: 413,
  BODY_TOO_SLOW: 408,
  FOREIGN_ORIGIN: 403,
  FOREIGN_HOST: 403,
  OVERLOADED: 503,
  NOT_READY: 503,
  CLIENT_GONE: 499,
  UNKNOWN_CONSUMER: 404,
  CONSUMER_EXPIRED: 404,
  CONSUMER_EXISTS: 409,
  CONSUMER_STATE: 409,
  CONSUMER_MOVED: 503,
  MAX_BYTES_EXCEEDED: 422,
} as const satisfies Record<string, number>;

/** The name of an error that only HTTP has. */
export type HttpErrorCode = keyof typeof HTTP_ERRORS;

/** Where clients of REST v2 know a number of its own instead of the HTTP status. */
const ERROR_CODES: Partial<Record<HttpErrorCode | ErrorCode, number>> = {
  UNKNOWN_CONSUMER: 40_403,
  CONSUMER_EXPIRED: 40_410,
};

/** What a failure may carry besides its code and message. */
export interface FailureDetails {
  readonly headers?: Readonly<Record<string, string>>;
  /** Every place at which a body does not fit. */
  readonly validationErrors?: readonly string[];
  /** The one of several operations for which none was done, from 0. */
  readonly operation?: number;
}

/** A request that is answered with an error: what was wrong, what was expected and what to do. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly code: HttpErrorCode | ErrorCode;
  readonly details: FailureDetails;

  constructor(code: HttpErrorCode | ErrorCode, message: string, details: FailureDetails = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return statusOf(this.code);
  }
}

/** The HTTP status of a code. */
export function statusOf(code: HttpErrorCode | ErrorCode): number {
  return code in HTTP_ERRORS ? HTTP_ERRORS[code as HttpErrorCode] : ERRORS[code as ErrorCode].http;
}

/** Whatever was thrown as a failure; undefined for what only a bug of ours throws. */
export function failureOf(error: unknown): HttpFailure | undefined {
  if (error instanceof HttpFailure) return error;
  if (error instanceof WeirError) return new HttpFailure(error.code, error.message);
  if (error instanceof TransportError) return new HttpFailure(error.failure.code, messageOf(error));
  return undefined;
}

/** A body's JSON for a failure. `error_code` is the HTTP status, as v2 mostly has it; `code` tells those of one status apart. */
export function failureBody(failure: HttpFailure): Record<string, unknown> {
  const { validationErrors, operation } = failure.details;
  return {
    error_code: ERROR_CODES[failure.code] ?? failure.status,
    code: failure.code,
    message: failure.message,
    ...(validationErrors === undefined ? {} : { validation_errors: validationErrors }),
    ...(operation === undefined ? {} : { operation }),
  };
}

/** The answer for a failure. */
export function failureReply(failure: HttpFailure): GatewayReply {
  const { status } = failure;
  // For these the same request may succeed a little later.
  const retry: Record<string, string> = status === 503 || status === 429 ? { 'retry-after': '1' } : {};
  return jsonReply(status, failureBody(failure), { ...retry, ...failure.details.headers });
}

/** A refusal of one record among others, as JSON. */
export function refusalJson(refused: Refusal): string {
  return JSON.stringify({ error_code: statusOf(refused.code), code: refused.code, message: refused.message });
}

/** The gateway's budget of bytes is spent. */
export function overloaded(): HttpFailure {
  return new HttpFailure('OVERLOADED', 'this gateway holds as many bytes as it may: try again a little later');
}

/** A body that is JSON but not what was expected. */
export function invalidBody(problems: readonly string[]): HttpFailure {
  const first = problems[0] ?? 'the body does not fit';
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more, see validation_errors)` : '';
  return new HttpFailure('INVALID_BODY', `${first}${more}`, { validationErrors: problems });
}
