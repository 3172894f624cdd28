import type { ErrorCode } from '@weir/base/errors.ts';

/** What members of groups are told, under Kafka's names and with its numbers (`Errors.java`). */
export const GROUP_ERROR_NUMBERS = {
  NONE: 0,
  UNKNOWN_SERVER_ERROR: -1,
  OFFSET_METADATA_TOO_LARGE: 12,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  INVALID_GROUP_ID: 24,
  UNKNOWN_MEMBER_ID: 25,
  INVALID_SESSION_TIMEOUT: 26,
  REBALANCE_IN_PROGRESS: 27,
  INVALID_COMMIT_OFFSET_SIZE: 28,
  POLICY_VIOLATION: 44,
  NON_EMPTY_GROUP: 68,
  GROUP_ID_NOT_FOUND: 69,
  MEMBER_ID_REQUIRED: 79,
  GROUP_MAX_SIZE_REACHED: 81,
  FENCED_INSTANCE_ID: 82,
  GROUP_SUBSCRIBED_TO_TOPIC: 86,
} as const satisfies Record<string, number>;

export type GroupError = keyof typeof GROUP_ERROR_NUMBERS;

/** Anything else is COORDINATOR_NOT_AVAILABLE: they look for the coordinator, and try again. */
const ERRORS_OF_REFUSED_RECORDS: Partial<Record<ErrorCode, GroupError>> = {
  NOT_LEADER_OR_FOLLOWER: 'NOT_COORDINATOR',
  FENCED_LEADER_EPOCH: 'NOT_COORDINATOR',
  KAFKA_STORAGE_ERROR: 'NOT_COORDINATOR',
  MESSAGE_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
  RECORD_LIST_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
};

/** What members are told when a record of their group was refused, for certain. As in Kafka. */
export function errorOfRefusedRecord(code: ErrorCode): GroupError {
  return ERRORS_OF_REFUSED_RECORDS[code] ?? 'COORDINATOR_NOT_AVAILABLE';
}
