import type { ErrorCode } from '@weir/base/errors.ts';

/** What members of groups, and who asks about groups, are told. */
export type GroupError = Extract<
  ErrorCode,
  | 'NONE'
  | 'UNKNOWN_SERVER_ERROR'
  | 'OFFSET_METADATA_TOO_LARGE'
  | 'COORDINATOR_LOAD_IN_PROGRESS'
  | 'COORDINATOR_NOT_AVAILABLE'
  | 'NOT_COORDINATOR'
  | 'ILLEGAL_GENERATION'
  | 'INCONSISTENT_GROUP_PROTOCOL'
  | 'INVALID_GROUP_ID'
  | 'UNKNOWN_MEMBER_ID'
  | 'INVALID_SESSION_TIMEOUT'
  | 'REBALANCE_IN_PROGRESS'
  | 'INVALID_COMMIT_OFFSET_SIZE'
  | 'POLICY_VIOLATION'
  | 'NON_EMPTY_GROUP'
  | 'GROUP_ID_NOT_FOUND'
  | 'MEMBER_ID_REQUIRED'
  | 'GROUP_MAX_SIZE_REACHED'
  | 'FENCED_INSTANCE_ID'
  | 'GROUP_SUBSCRIBED_TO_TOPIC'
>;

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
