import {
  GROUP_MEMBERS_MAX,
  GROUP_SESSION_TIMEOUT_MS_MAX,
  GROUP_SESSION_TIMEOUT_MS_MIN,
} from '@weir/base/group-limits.ts';
import { consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { RecordError } from '@weir/kafka/records/record-format.ts';
import type { GroupOptions } from './group-core.ts';

/** What may be set of the groups that a broker coordinates. */
export interface GroupSettings {
  /** How long an empty group waits for more members than the first. */
  readonly initialRebalanceDelayMs: number;
  /** How long the offsets of a group are kept in which nobody is. */
  readonly offsetsRetentionMs: number;
}

/** The rules that groups go by. */
export function groupOptions({ initialRebalanceDelayMs }: GroupSettings): GroupOptions {
  return {
    initialRebalanceDelayMs,
    membersMax: GROUP_MEMBERS_MAX,
    sessionTimeoutMsMin: GROUP_SESSION_TIMEOUT_MS_MIN,
    sessionTimeoutMsMax: GROUP_SESSION_TIMEOUT_MS_MAX,
    topicsOf: subscribedTopics,
  };
}

/** The topics in what a consumer says of itself when it joins; undefined: it cannot be read. */
export function subscribedTopics(metadata: Uint8Array): readonly string[] | undefined {
  try {
    const { buffer, byteOffset, length } = metadata;
    return consumerProtocolSubscription.decode(Buffer.from(buffer, byteOffset, length)).value.topics;
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    return undefined;
  }
}
