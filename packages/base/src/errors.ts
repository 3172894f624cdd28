/**
 * Every refusal that crosses a service boundary, with its number on Kafka's wire and its HTTP status. Names and
 * numbers are Kafka's (`Errors.java`) wherever Kafka has the case; ours have numbers from 10,000, which never reach
 * a Kafka client. `retriable`: the same request may succeed later without a change.
 */
export const ERRORS = {
  NONE: { number: 0, http: 200, retriable: false },
  UNKNOWN_SERVER_ERROR: { number: -1, http: 500, retriable: false },
  OFFSET_OUT_OF_RANGE: { number: 1, http: 404, retriable: false },
  CORRUPT_MESSAGE: { number: 2, http: 400, retriable: false },
  UNKNOWN_TOPIC_OR_PARTITION: { number: 3, http: 404, retriable: true },
  LEADER_NOT_AVAILABLE: { number: 5, http: 503, retriable: true },
  NOT_LEADER_OR_FOLLOWER: { number: 6, http: 503, retriable: true },
  REQUEST_TIMED_OUT: { number: 7, http: 504, retriable: true },
  BROKER_NOT_AVAILABLE: { number: 8, http: 503, retriable: false },
  MESSAGE_TOO_LARGE: { number: 10, http: 413, retriable: false },
  OFFSET_METADATA_TOO_LARGE: { number: 12, http: 413, retriable: false },
  NETWORK_EXCEPTION: { number: 13, http: 503, retriable: true },
  COORDINATOR_LOAD_IN_PROGRESS: { number: 14, http: 503, retriable: true },
  COORDINATOR_NOT_AVAILABLE: { number: 15, http: 503, retriable: true },
  NOT_COORDINATOR: { number: 16, http: 503, retriable: true },
  INVALID_TOPIC_EXCEPTION: { number: 17, http: 400, retriable: false },
  RECORD_LIST_TOO_LARGE: { number: 18, http: 413, retriable: false },
  NOT_ENOUGH_REPLICAS: { number: 19, http: 503, retriable: true },
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: { number: 20, http: 503, retriable: true },
  INVALID_REQUIRED_ACKS: { number: 21, http: 400, retriable: false },
  ILLEGAL_GENERATION: { number: 22, http: 409, retriable: false },
  INCONSISTENT_GROUP_PROTOCOL: { number: 23, http: 409, retriable: false },
  INVALID_GROUP_ID: { number: 24, http: 400, retriable: false },
  UNKNOWN_MEMBER_ID: { number: 25, http: 404, retriable: false },
  INVALID_SESSION_TIMEOUT: { number: 26, http: 400, retriable: false },
  REBALANCE_IN_PROGRESS: { number: 27, http: 409, retriable: false },
  INVALID_COMMIT_OFFSET_SIZE: { number: 28, http: 413, retriable: false },
  INVALID_TIMESTAMP: { number: 32, http: 400, retriable: false },
  TOPIC_ALREADY_EXISTS: { number: 36, http: 409, retriable: false },
  INVALID_PARTITIONS: { number: 37, http: 400, retriable: false },
  INVALID_REPLICATION_FACTOR: { number: 38, http: 400, retriable: false },
  INVALID_REPLICA_ASSIGNMENT: { number: 39, http: 400, retriable: false },
  INVALID_CONFIG: { number: 40, http: 400, retriable: false },
  NOT_CONTROLLER: { number: 41, http: 503, retriable: true },
  INVALID_REQUEST: { number: 42, http: 400, retriable: false },
  POLICY_VIOLATION: { number: 44, http: 403, retriable: false },
  OUT_OF_ORDER_SEQUENCE_NUMBER: { number: 45, http: 409, retriable: false },
  INVALID_PRODUCER_EPOCH: { number: 47, http: 409, retriable: false },
  KAFKA_STORAGE_ERROR: { number: 56, http: 503, retriable: true },
  NON_EMPTY_GROUP: { number: 68, http: 409, retriable: false },
  GROUP_ID_NOT_FOUND: { number: 69, http: 404, retriable: false },
  FENCED_LEADER_EPOCH: { number: 74, http: 503, retriable: true },
  UNKNOWN_LEADER_EPOCH: { number: 75, http: 503, retriable: true },
  UNSUPPORTED_COMPRESSION_TYPE: { number: 76, http: 400, retriable: false },
  STALE_BROKER_EPOCH: { number: 77, http: 503, retriable: false },
  OFFSET_NOT_AVAILABLE: { number: 78, http: 503, retriable: true },
  MEMBER_ID_REQUIRED: { number: 79, http: 409, retriable: false },
  GROUP_MAX_SIZE_REACHED: { number: 81, http: 409, retriable: false },
  FENCED_INSTANCE_ID: { number: 82, http: 409, retriable: false },
  GROUP_SUBSCRIBED_TO_TOPIC: { number: 86, http: 409, retriable: false },
  INVALID_RECORD: { number: 87, http: 400, retriable: false },
  THROTTLING_QUOTA_EXCEEDED: { number: 89, http: 429, retriable: true },
  INVALID_UPDATE_VERSION: { number: 95, http: 409, retriable: false },
  UNKNOWN_TOPIC_ID: { number: 100, http: 404, retriable: true },
  DUPLICATE_BROKER_ID: { number: 101, http: 409, retriable: true },
  BROKER_ID_NOT_REGISTERED: { number: 102, http: 404, retriable: false },
  INCONSISTENT_CLUSTER_ID: { number: 104, http: 409, retriable: false },
  INELIGIBLE_REPLICA: { number: 107, http: 409, retriable: false },
  COORDINATOR_UNAVAILABLE: { number: 10_001, http: 503, retriable: true },
  SESSION_EXPIRED: { number: 10_002, http: 410, retriable: true },
  SHUTTING_DOWN: { number: 10_003, http: 503, retriable: true },
  INVALID_PATH: { number: 10_020, http: 400, retriable: false },
  NODE_NOT_FOUND: { number: 10_021, http: 404, retriable: false },
  NODE_EXISTS: { number: 10_022, http: 409, retriable: false },
  NODE_NOT_EMPTY: { number: 10_023, http: 409, retriable: false },
  BAD_VERSION: { number: 10_024, http: 409, retriable: false },
  NO_CHILDREN_FOR_EPHEMERALS: { number: 10_025, http: 409, retriable: false },
  FORBIDDEN: { number: 10_026, http: 403, retriable: false },
  COMPACTED: { number: 10_027, http: 410, retriable: false },
  SLOW_READER: { number: 10_028, http: 503, retriable: true },
  BROKER_ACTIVE: { number: 10_030, http: 409, retriable: false },
  BROKER_HOLDS_REPLICAS: { number: 10_031, http: 409, retriable: false },
} as const satisfies Record<string, { number: number; http: number; retriable: boolean }>;

/** The name of a refusal. */
export type ErrorCode = keyof typeof ERRORS;

/** A refusal as a value: what was wrong, what was expected and what to do, for a person to read. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A refusal as something to throw, where a promise has to end with it. */
export class WeirError extends Error {
  override readonly name = 'WeirError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get retriable(): boolean {
    return ERRORS[this.code].retriable;
  }
}

/** Builds a refusal. */
export function refusal(code: ErrorCode, message: string): Refusal {
  return { code, message };
}

const BY_NUMBER = new Map<number, ErrorCode>(
  (Object.keys(ERRORS) as ErrorCode[]).map((code) => [ERRORS[code].number, code]),
);

/** The name for a number that came over the wire; an unknown one is UNKNOWN_SERVER_ERROR. */
export function errorCodeOf(number: number): ErrorCode {
  return BY_NUMBER.get(number) ?? 'UNKNOWN_SERVER_ERROR';
}

/** Whether a string that came over the wire is one of our codes. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** A thrown thing's message, whatever it is. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
