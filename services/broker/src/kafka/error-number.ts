import { ERRORS } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';

/** The protocol's answer to a version that is not served. It never leaves the protocol. */
export const UNSUPPORTED_VERSION = 35;
/** To a fetch session that is not known (any more), and to one out of step. */
export const FETCH_SESSION_ID_NOT_FOUND = 70;
export const INVALID_FETCH_SESSION_EPOCH = 71;
/** To one that goes on with ids where it began with names, or the other way round. */
export const FETCH_SESSION_TOPIC_ID_ERROR = 106;
/** To whoever asks a broker about the controller's own listener. */
export const MISMATCHED_ENDPOINT_TYPE = 114;

/** To an election of what is led as it should be, and to one of whom nobody can lead. */
export const ELECTION_NOT_NEEDED = 84;
export const PREFERRED_LEADER_NOT_AVAILABLE = 80;
export const ELIGIBLE_LEADERS_NOT_AVAILABLE = 83;

/** What clients of Kafka are told for the codes that Kafka does not have: retriable ones, as these are. */
const STAND_INS: Partial<Record<ErrorCode, ErrorCode>> = {
  COORDINATOR_UNAVAILABLE: 'REQUEST_TIMED_OUT',
  SESSION_EXPIRED: 'REQUEST_TIMED_OUT',
  // They ask for the metadata anew, and find who leads now.
  SHUTTING_DOWN: 'NOT_LEADER_OR_FOLLOWER',
};

/** A refusal's number on Kafka's wire. */
export function errorNumber(code: ErrorCode): number {
  return ERRORS[STAND_INS[code] ?? code].number;
}

/** Refusals after which a client wants to know who leads now (KIP-951). */
export const LEADER_MOVED: ReadonlySet<ErrorCode> = new Set(['NOT_LEADER_OR_FOLLOWER', 'FENCED_LEADER_EPOCH']);
