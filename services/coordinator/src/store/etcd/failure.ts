/**
 * What became of a call of etcd that ended otherwise than well:
 *
 * - `unreachable`: the request was not sent, another member may take it;
 * - `elsewhere`: this member does not serve it, and nothing was done;
 * - `unknown`: it may have been done, or be done still;
 * - `busy`: not done, and it may be later;
 * - `token`: not done, because who asks has to authenticate anew;
 * - `unfit`: this member is not one that is used at all;
 * - `leaseGone`, `compacted`, `tooLarge` (the answer): what they say;
 * - `refused`: not done, and never will be.
 */
export interface EtcdFailure {
  readonly kind:
    | 'unreachable'
    | 'elsewhere'
    | 'unknown'
    | 'busy'
    | 'token'
    | 'unfit'
    | 'leaseGone'
    | 'compacted'
    | 'tooLarge'
    | 'refused';
  /** For a person, without the member that said it. */
  readonly message: string;
}

/** A failure as something to throw. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError';
  readonly failure: EtcdFailure;

  constructor(failure: EtcdFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The numbers of gRPC's status codes, as far as they matter here. */
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const OUT_OF_RANGE = 11;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;
const DATA_LOSS = 15;
const UNAUTHENTICATED = 16;

/** What grpc-js says when no connection came about: then nothing was sent. */
const NOT_SENT = /^No connection established|^Name resolution failed/;
/** What etcd says, whatever the code, when who asks has to authenticate anew (as its own client does). */
const STALE_TOKEN = /invalid auth token|revision of auth store is old|user name is empty/;
const OTHER_MEMBER = /not supported for learner|: not leader|: not capable/;

/** Reads a status of gRPC. What is not certain to be otherwise counts as unknown. */
export function failureOf({ code, details }: { readonly code: number; readonly details: string }): EtcdFailure {
  return { kind: kindOf(code, details), message: messageFor(code, details) };
}

/** The same for a watch that etcd has cancelled, giving a reason as text. */
export function failureOfCancel(reason: string): EtcdFailure {
  if (STALE_TOKEN.test(reason)) return { kind: 'token', message: reason };
  if (/permission denied/.test(reason)) return { kind: 'refused', message: reason };
  return { kind: 'unknown', message: reason === '' ? 'the watch was cancelled' : reason };
}

function kindOf(code: number, details: string): EtcdFailure['kind'] {
  if (STALE_TOKEN.test(details)) return 'token';
  if (OTHER_MEMBER.test(details)) return 'elsewhere';
  switch (code) {
    case UNAVAILABLE:
      return NOT_SENT.test(details) ? 'unreachable' : 'unknown';
    case NOT_FOUND:
      return /lease not found/.test(details) ? 'leaseGone' : 'refused';
    case OUT_OF_RANGE:
      return /compacted/.test(details) ? 'compacted' : 'refused';
    case RESOURCE_EXHAUSTED:
      if (details.startsWith('etcdserver:')) return 'busy';
      return details.startsWith('Received message larger') ? 'tooLarge' : 'refused';
    case UNAUTHENTICATED:
      return 'token';
    case INVALID_ARGUMENT:
    case PERMISSION_DENIED:
    case FAILED_PRECONDITION:
    case UNIMPLEMENTED:
    case DATA_LOSS:
      return 'refused';
    default:
      return 'unknown';
  }
}

function messageFor(code: number, details: string): string {
  if (code === DEADLINE_EXCEEDED) return 'no answer in time';
  const cause = /^No connection established\. Last error: (?:Error: )?(.*?)\.? Resolution note:/.exec(details)?.[1];
  return cause === undefined ? details : `no connection: ${cause}`;
}
