import { WeirError } from '@weir/base/errors.ts';
import {
  CONSUMER_AHEAD_BYTES_MAX,
  CONSUMER_COMMIT_INTERVAL_MS,
  CONSUMER_POLL_INTERVAL_MS_MAX,
  CONSUMER_SESSION_TIMEOUT_MS,
} from '@weir/base/group-limits.ts';
import type { Assignor, AssignorName, TopicPartition } from '../group/assignor.ts';
import { rangeAssignor } from '../group/range-assignor.ts';
import { stickyAssignor } from '../group/sticky-assignor.ts';
import type { TopicsWanted } from '../group/subscribed-topics.ts';
import type { OffsetReset } from './place-feeds.ts';

const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = {
  range: rangeAssignor,
  'cooperative-sticky': stickyAssignor,
};

/** What a consumer is. */
export interface ConsumerOptions {
  readonly groupId: string;
  /** Names of topics, or a pattern that they match: those that come later too. */
  readonly topics?: TopicsWanted;
  /**
   * Instead of topics: it reads these and nothing else, whoever else does, and is no member of its group. Its commits are taken
   * while the group has no members.
   */
  readonly partitions?: readonly TopicPartition[];
  /** What its member ids begin with; the client's name when absent. */
  readonly clientId?: string;
  /** Makes it a static member: it keeps its partitions while it is away for less than the session timeout. */
  readonly instanceId?: string;
  /**
   * The one that it likes best comes first. With `cooperative-sticky` alone it keeps what it has while the group rebalances; all
   * members have to be so then. By default both are offered, as Java's consumers do, and it gives away all before it joins.
   */
  readonly assignors?: readonly AssignorName[];
  /** CONSUMER_SESSION_TIMEOUT_MS when absent. */
  readonly sessionTimeoutMs?: number;
  /** It leaves when its owner takes nothing for so long. CONSUMER_POLL_INTERVAL_MS_MAX when absent. */
  readonly pollIntervalMs?: number;
  /** How often it commits what its owner is done with; `manual`: never. CONSUMER_COMMIT_INTERVAL_MS when absent. */
  readonly commitIntervalMs?: number | 'manual';
  /** Where a group begins that has committed nothing; `latest` when absent, as in Kafka. */
  readonly offsetReset?: OffsetReset;
  /** Of what is stored, read ahead over all its partitions. CONSUMER_AHEAD_BYTES_MAX when absent. */
  readonly aheadBytes?: number;
  readonly events?: ConsumerEvents;
}

/**
 * What happens to a consumer. The next thing waits for what these return, so that they may commit, or seek. What `assigned` throws
 * comes out of `poll`; of the others a WeirError is logged, as of a commit that came too late, and anything else comes out.
 */
export interface ConsumerEvents {
  /** These are read from now on, from what was committed; or from where this seeks. */
  assigned?(places: readonly TopicPartition[]): void | Promise<void>;
  /** These are given away once it returns; until then they may be committed. Nothing of them is taken any more. */
  revoked?(places: readonly TopicPartition[]): void | Promise<void>;
  /** These may be somebody else's already: commits of them are refused. */
  lost?(places: readonly TopicPartition[]): void | Promise<void>;
}

/** The options with their defaults. */
export interface ConsumerSettings {
  readonly groupId: string;
  readonly reads: ConsumerReads;
  readonly instanceId: string | undefined;
  readonly assignors: readonly Assignor[];
  readonly sessionTimeoutMs: number;
  readonly pollIntervalMs: number;
  readonly commitIntervalMs: number | 'manual';
  readonly offsetReset: OffsetReset;
  readonly aheadBytes: number;
  readonly events: ConsumerEvents;
}

/** What a consumer reads: its share of what its group subscribes to, or what it is told. */
export type ConsumerReads =
  | { readonly kind: 'share'; readonly topics: TopicsWanted }
  | { readonly kind: 'partitions'; readonly partitions: readonly TopicPartition[] };

/** @throws WeirError INVALID_REQUEST for options that nothing can be done with */
export function settingsOf(options: ConsumerOptions): ConsumerSettings {
  const assignors = (options.assignors ?? ['range', 'cooperative-sticky']).map((name) => ASSIGNORS[name]);
  const {
    groupId,
    topics,
    partitions,
    instanceId,
    sessionTimeoutMs = CONSUMER_SESSION_TIMEOUT_MS,
    pollIntervalMs = CONSUMER_POLL_INTERVAL_MS_MAX,
    commitIntervalMs = CONSUMER_COMMIT_INTERVAL_MS,
    offsetReset = 'latest',
    aheadBytes = CONSUMER_AHEAD_BYTES_MAX,
    events = {},
  } = options;
  const problem =
    (groupId === '' && 'a consumer names its group') ||
    ((topics === undefined) === (partitions === undefined) && 'a consumer reads either topics or partitions') ||
    (Array.isArray(topics) && topics.length === 0 && 'a consumer reads at least one topic') ||
    (assignors.length === 0 && 'a consumer offers at least one way to assign') ||
    (pollIntervalMs < sessionTimeoutMs && 'the poll interval is at least the session timeout');
  if (typeof problem === 'string') throw new WeirError('INVALID_REQUEST', problem);
  const reads: ConsumerReads =
    topics === undefined ? { kind: 'partitions', partitions: partitions! } : { kind: 'share', topics };
  return {
    groupId,
    reads,
    instanceId,
    assignors,
    sessionTimeoutMs,
    pollIntervalMs,
    commitIntervalMs,
    offsetReset,
    aheadBytes,
    events,
  };
}
