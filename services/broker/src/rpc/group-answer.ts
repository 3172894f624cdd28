import type { ErrorCode } from '@weir/base/errors.ts';
import {
  GROUP_MEMBERS_MAX,
  GROUP_SESSION_TIMEOUT_MS_MAX,
  GROUP_SESSION_TIMEOUT_MS_MIN,
  OFFSET_METADATA_BYTES_MAX,
} from '@weir/base/group-limits.ts';

/** An outcome as it goes over the wire. */
export interface WireOutcome {
  readonly code: ErrorCode;
  /** Empty where nothing was refused. */
  readonly message: string;
}

/** Where a refusal is about the group alone. */
const MESSAGES: Partial<Record<ErrorCode, string>> = {
  NONE: '',
  UNKNOWN_SERVER_ERROR: 'what the group has to store is larger than a record, or a batch of the topic, may be',
  OFFSET_METADATA_TOO_LARGE: `what is stored with an offset has at most ${OFFSET_METADATA_BYTES_MAX} bytes`,
  COORDINATOR_LOAD_IN_PROGRESS: 'this broker is reading what is stored of the group; try again in a moment',
  COORDINATOR_NOT_AVAILABLE: 'what the group has to store is not stored; look for its coordinator, and try again',
  NOT_COORDINATOR: 'this broker does not coordinate the group; look for its coordinator',
  ILLEGAL_GENERATION: 'the group is in another generation; join it again',
  INCONSISTENT_GROUP_PROTOCOL: 'the members of the group have no protocol in common with that one',
  INVALID_GROUP_ID: 'a group has a name of up to 32,767 bytes',
  UNKNOWN_MEMBER_ID: 'the group has no such member; join it again as a new one',
  INVALID_SESSION_TIMEOUT: `a session timeout is ${GROUP_SESSION_TIMEOUT_MS_MIN} to ${GROUP_SESSION_TIMEOUT_MS_MAX} ms`,
  REBALANCE_IN_PROGRESS: 'the group begins its next generation; join it again',
  INVALID_COMMIT_OFFSET_SIZE: 'the offsets are more than a batch of the topic may have',
  POLICY_VIOLATION: 'this broker coordinates as many groups as it may',
  NON_EMPTY_GROUP: 'somebody is in the group; its members have to leave first',
  GROUP_ID_NOT_FOUND: 'there is no such group',
  MEMBER_ID_REQUIRED: 'join again with the member id that is told here',
  GROUP_MAX_SIZE_REACHED: `the group has as many members as it may, ${GROUP_MEMBERS_MAX} at most`,
  FENCED_INSTANCE_ID: 'another member has come with this instance id',
  GROUP_SUBSCRIBED_TO_TOPIC: 'members of the group read the topic',
  UNKNOWN_TOPIC_OR_PARTITION: 'there is no such partition',
  INVALID_REQUEST: 'offsets are whole numbers below 2^53',
};

/** What a group has told, with words for people. */
export function outcomeOf(code: ErrorCode): WireOutcome {
  return { code, message: MESSAGES[code] ?? code };
}

/** On this wire an empty text stands for none. */
export function optional(text: string): string | undefined {
  return text === '' ? undefined : text;
}
